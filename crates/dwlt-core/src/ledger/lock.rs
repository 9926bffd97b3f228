//! The lock of a run folder. The operating system keeps it, so it is released when a process is
//! killed; the lock file's content only names the holder.

use std::fs::TryLockError;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::disk::{self, File};
use crate::error::{Error, Result};
use crate::watch::Watch;

const NAME: &str = ".lock";

/// Asking for the holder takes the lock for a moment, which must not count as held.
const PATIENCE: Duration = Duration::from_millis(200);

/// Forked children of a killed process (the loader workers of PyTorch look for their parent every
/// 5 s) inherit the lock and keep it until they notice.
const PATIENCE_WITH_ORPHANS: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(20);

/// The process that holds a run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Name of the machine.
    pub host: String,
    /// When it took the folder, UTC.
    pub since: String,
    /// When the process began, in the kernel's ticks, where that can be known: a later process
    /// may have got the same id.
    #[serde(default)]
    pub began: Option<u64>,
}

impl Holder {
    fn this_process() -> Self {
        let pid = std::process::id();
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        Self { pid, host, since: clock::now(), began: began(pid) }
    }

    /// Whether the process is known to be gone. False where that cannot be known.
    fn is_gone(&self) -> bool {
        let here = self.host == gethostname::gethostname().to_string_lossy();
        // Where this process itself cannot be looked up, neither can others.
        here && began(std::process::id()).is_some() && began(self.pid) != self.began
    }

    fn words(&self) -> String {
        format!("process {} on {} since {}", self.pid, self.host, self.since)
    }
}

/// When a living process began, from Linux' `/proc`: the 22nd field of its `stat`.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// A held lock.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    process: u32,
}

impl Lock {
    pub(crate) fn take(folder: &Path, watch: Watch<'_>) -> Result<Self> {
        let path = folder.join(NAME);
        let failed = |error| Error::io("lock", &path, error);
        let mut file = File::open_or_create(&path).map_err(failed)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {
                    let holder = recorded(&path);
                    let orphans = holder.as_ref().is_some_and(Holder::is_gone);
                    let patience = if orphans { PATIENCE_WITH_ORPHANS } else { PATIENCE };
                    if began.elapsed() > patience {
                        return Err(busy(folder, holder, orphans));
                    }
                    watch.check()?;
                    thread::sleep(PAUSE);
                }
            }
        }
        let about = serde_json::json!(Holder::this_process()).to_string();
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(about.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file, process: std::process::id() })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A forked child that drops its copy must not take the lock away from its parent; the
        // parent must release it even where children still have the file open.
        if self.process == std::process::id() {
            let _ = self.file.set_len(0);
            let _ = self.file.unlock();
        }
    }
}

/// Who holds a run folder; None when nobody does.
pub fn holder(folder: &Path) -> Result<Option<Holder>> {
    let path = folder.join(NAME);
    let Ok(file) = File::open(&path) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(None), // closing the file lets go of it
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, error)),
        Err(TryLockError::WouldBlock) => Ok(Some(recorded(&path).unwrap_or_else(|| Holder {
            pid: 0,
            host: "unknown".to_owned(),
            since: "unknown".to_owned(),
            began: None,
        }))),
    }
}

fn recorded(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&disk::read(path).ok()?).ok()
}

fn busy(folder: &Path, holder: Option<Holder>, orphans: bool) -> Error {
    let who = match holder {
        None => "another process".to_owned(),
        Some(holder) if orphans => format!("children of {}, which is gone", holder.words()),
        Some(holder) => holder.words(),
    };
    Error::Busy { folder: folder.to_owned(), holder: who }
}
