//! Ctrl-C while the core works: Python's signal handlers run, and what they raise ends the call.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use dwlt_core::Watch;
use pyo3::prelude::*;

use crate::errors::{Failure, Result};
use crate::functions::Progress;

/// Milliseconds between two looks for signals: soon for a person, and far above their cost.
const PAUSE: u64 = 50;

/// An exception that is to end a call as itself, such as `KeyboardInterrupt`.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    /// Keeps the first exception.
    pub(crate) fn keep(&self, error: PyErr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Looks for signals, for one call of the core.
struct Signals {
    /// The thread that made the call. Python runs handlers in its main thread alone, so no other
    /// thread needs to look.
    caller: ThreadId,
    began: Instant,
    next: AtomicU64,
    stop: AtomicBool,
    raised: Raised,
}

impl Signals {
    fn stop(&self) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return true;
        }
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.next.load(Ordering::Relaxed) || thread::current().id() != self.caller {
            return false;
        }
        self.next.store(now.saturating_add(PAUSE), Ordering::Relaxed);
        // A closure, since the method alone is of one lifetime of `py`.
        #[allow(clippy::redundant_closure_for_method_calls)]
        let looked = Python::attach(|py| py.check_signals());
        if let Err(error) = looked {
            self.raised.keep(error);
            self.stop.store(true, Ordering::Relaxed);
        }
        self.stop.load(Ordering::Relaxed)
    }
}

/// Calls the core without the GIL. A signal's handler runs within a fraction of a second; if it
/// raises, the core leaves nothing behind and the exception is what this returns.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<&Progress>,
    work: impl FnOnce(Watch<'_>) -> dwlt_core::Result<T> + Send,
) -> Result<T> {
    watched_with(py, progress, &Raised::default(), work)
}

/// As [`watched`], for work that calls Python and keeps in `raised` what must stay as it is.
pub(crate) fn watched_with<T: Send>(
    py: Python<'_>,
    progress: Option<&Progress>,
    raised: &Raised,
    work: impl FnOnce(Watch<'_>) -> dwlt_core::Result<T> + Send,
) -> Result<T> {
    let signals = Signals {
        caller: thread::current().id(),
        began: Instant::now(),
        next: AtomicU64::new(PAUSE),
        stop: AtomicBool::new(false),
        raised: raised.clone(),
    };
    let stop = || signals.stop();
    let done = progress.map(Progress::counter);
    let result = py.detach(|| work(Watch { done, stop: Some(&stop) }));
    match raised.take() {
        Some(error) => Err(Failure::Python(error)),
        None => Ok(result?),
    }
}
