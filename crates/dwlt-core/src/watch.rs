//! Following and stopping long work from outside.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// How often a call that is waited for in another thread is checked for the wish to stop.
const PAUSE: Duration = Duration::from_millis(50);

/// Progress of a call that takes long, and a way to stop it. The default has neither.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// Grows by the bytes that are done.
    pub done: Option<&'a AtomicU64>,
    /// Whether to stop: the call then ends with [`Error::Stopped`], having left nothing behind.
    /// Asked for every megabyte or so, by several threads and also by the one that made the call.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stop = self.stop.map(|_| "..");
        f.debug_struct("Watch").field("done", &self.done).field("stop", &stop).finish()
    }
}

impl Watch<'_> {
    /// An error if the call is to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop.is_some_and(|stop| stop()) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Counts bytes that are done; an error if the call is to stop.
    pub(crate) fn advance(&self, bytes: u64) -> Result<()> {
        if let Some(done) = self.done {
            done.fetch_add(bytes, Ordering::Relaxed);
        }
        self.check()
    }

    /// Does what the system may take long over, as bringing gigabytes to a disk. When it is to
    /// stop, the system is left to end it in a thread of its own.
    pub(crate) fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        if self.stop.is_none() {
            return Ok(work());
        }
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(work()));
        loop {
            match receiver.recv_timeout(PAUSE) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) => self.check()?,
                Err(RecvTimeoutError::Disconnected) => unreachable!("the work does not panic"),
            }
        }
    }
}
