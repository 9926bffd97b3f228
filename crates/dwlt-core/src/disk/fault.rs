//! Operations that fail on purpose, in the tests of this crate.
//!
//! Faults belong to a thread, so tests do not disturb each other; inputs of these tests are small
//! enough for the core to work on them in the calling thread.

use std::cell::Cell;
use std::io;

use super::Op;

thread_local! {
    static PLAN: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Which operations fail, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Only operations of this kind fail and count; None: all.
    pub(crate) op: Option<Op>,
    /// How many of them go well before.
    pub(crate) after: u64,
    /// How many of them then fail. [`u64::MAX`]: the process is as good as dead.
    pub(crate) times: u64,
    /// What the system says, as `errno`.
    pub(crate) errno: i32,
}

impl Fault {
    /// The operation after `after` others fails, once.
    pub(crate) fn once(after: u64, errno: i32) -> Self {
        Self { op: None, after, times: 1, errno }
    }

    /// The operation after `after` others and all that follow fail: a kill, after which nothing
    /// can be cleaned up.
    pub(crate) fn kill(after: u64) -> Self {
        Self { op: None, after, times: u64::MAX, errno: EIO }
    }
}

/// Input/output error.
pub(crate) const EIO: i32 = 5;
/// Invalid argument: how some file systems refuse an fsync.
pub(crate) const EINVAL: i32 = 22;
/// No space left on the device.
pub(crate) const ENOSPC: i32 = 28;

/// Does `work` with a fault; says too whether the fault came.
pub(crate) fn with<T>(fault: Fault, work: impl FnOnce() -> T) -> (T, bool) {
    PLAN.set(Some(fault));
    let result = work();
    let left = PLAN.take().expect("nobody else takes it");
    (result, left.times < fault.times)
}

pub(crate) fn point(op: Op) -> io::Result<()> {
    let Some(mut fault) = PLAN.get() else { return Ok(()) };
    if fault.op.is_some_and(|only| only != op) {
        return Ok(());
    }
    if fault.after > 0 {
        fault.after -= 1;
        PLAN.set(Some(fault));
        return Ok(());
    }
    if fault.times == 0 {
        return Ok(());
    }
    fault.times -= 1;
    PLAN.set(Some(fault));
    Err(io::Error::from_raw_os_error(fault.errno))
}
