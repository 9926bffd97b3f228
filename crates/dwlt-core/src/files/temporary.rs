//! Unfinished files: where they lie, what they are called, and how those of killed processes go.
//!
//! A file is written under a name of its own beside the file that it will become:
//! `.<name>.<boot>-<random>.dwlt-tmp`. The name is unique by chance and not by process number,
//! since containers that share a folder have the same ones, and a killed process' number comes
//! again. While it is written its lock is held, which the system lets go of when the process ends.
//!
//! So a leftover can be told from a file that is being written, where locks can be trusted: on the
//! machine that the file was made on, since it was last started, which `<boot>` tells. Another
//! machine that shares the folder might not see the lock. From there, and from earlier versions,
//! which took no locks, a file counts as left over when nobody has written to it for a day, by the
//! clock of the folder's own file system. Files of other users are never touched.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tempfile::TempPath;

use crate::disk::{self, File, Op, folder_of};

const SUFFIX: &str = ".dwlt-tmp";

/// Longest file name that goes into that of its unfinished file: systems allow 255 bytes.
const LONGEST: usize = 200;

/// A file that nobody has written to for so long is not being written.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a name is that of an unfinished file, of this version or an earlier one.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(SUFFIX)
}

/// An unfinished file, locked. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) file: File,
    path: TempPath,
}

impl Temporary {
    /// A new file beside `path`, with the rights that the user's umask gives any new file. Removes
    /// what killed processes have left in that folder.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let folder = folder_of(path);
        let mut prefix = OsString::from(".");
        prefix.push(path.file_name().filter(|name| name.len() <= LONGEST).unwrap_or_default());
        prefix.push(format!(".{}-", *BOOT));
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(12);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        loop {
            disk::point(Op::Create)?;
            let (file, path) = builder.tempfile_in(folder)?.into_parts();
            let made = Self { file: File::from_std(file), path };
            // Another process that cleans up may have found the file before it was locked.
            let ours = !matches!(made.file.try_lock(), Err(TryLockError::WouldBlock));
            if ours && made.path.exists() {
                if first_in(folder) {
                    // A failed clean-up must not keep the file from being written.
                    let _ = made.file.metadata().and_then(|own| clean(folder, &own));
                }
                return Ok(made);
            }
        }
    }

    /// Gives the file its name, in place of any file that has it.
    pub(crate) fn rename(self, to: &Path) -> io::Result<()> {
        if let Err(error) = disk::point(Op::Rename) {
            self.remove();
            return Err(error);
        }
        self.path.persist(to).map_err(|failed| failed.error)
    }

    /// Removes the file. Should that fail, the next process that writes to the folder does it.
    pub(crate) fn remove(self) {
        if let Ok(path) = self.path.keep() {
            let _ = disk::remove(&path);
        }
    }
}

/// Names the time since this machine's kernel was started, which its containers share; nothing
/// where that cannot be known.
static BOOT: LazyLock<String> =
    LazyLock::new(|| match fs::read("/proc/sys/kernel/random/boot_id") {
        Ok(id) => blake3::hash(&id).to_hex()[..8].to_owned(),
        Err(_) => String::new(),
    });

/// The folders that this process has cleaned up in.
static CLEANED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Makes this process forget them, as a new one does not know them.
#[cfg(test)]
pub(crate) fn forget() {
    CLEANED.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Whether this process has not cleaned up in a folder yet: once is enough, and it takes time in
/// a folder with many files.
fn first_in(folder: &Path) -> bool {
    let Ok(folder) = fs::canonicalize(folder) else { return false };
    let mut cleaned = CLEANED.lock().unwrap_or_else(PoisonError::into_inner);
    cleaned.get_or_insert_default().insert(folder)
}

/// Removes the files that killed processes have left in a folder. `own` is about a file just made
/// there: it tells the user and the file system's time.
fn clean(folder: &Path, own: &Metadata) -> io::Result<()> {
    let now = own.modified()?;
    for entry in disk::list(folder)? {
        let entry = entry?;
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        // Of the link where it is one, so links are left alone.
        let Ok(about) = entry.metadata() else { continue };
        if !about.is_file() || !same_owner(&about, own) {
            continue;
        }
        let path = entry.path();
        let Ok(lock) = Lock::of(&path) else { continue };
        let trusted = matches!(lock, Lock::Taken(_)) && is_of_this_boot(&entry.file_name());
        let abandoned = !matches!(lock, Lock::Held) && is_old(&about, now);
        if trusted || abandoned {
            let _ = disk::remove(&path);
        }
    }
    Ok(())
}

/// Removes an unfinished file, unless the process that writes it is at work.
pub(crate) fn remove_unless_locked(path: &Path) -> io::Result<()> {
    let gone = |error: io::Error| {
        if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
    };
    match Lock::of(path) {
        Ok(Lock::Held) => Ok(()),
        // Held by us until the file is gone, so that nobody begins to write to it.
        Ok(_lock) => disk::remove(path).or_else(gone),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            disk::remove(path).or_else(gone)
        }
        Err(error) => gone(error),
    }
}

/// What is known of an unfinished file's lock.
enum Lock {
    /// Another process, or another thread, has it: the file is being written.
    Held,
    /// It was free, and this process holds it until this value is dropped.
    Taken(#[allow(dead_code)] File),
    /// The file system knows no locks.
    Unknown,
}

impl Lock {
    fn of(path: &Path) -> io::Result<Self> {
        let file = File::open_with(path, OpenOptions::new().read(true).write(true))?;
        Ok(match file.try_lock() {
            Ok(()) => Self::Taken(file),
            Err(TryLockError::WouldBlock) => Self::Held,
            Err(TryLockError::Error(_)) => Self::Unknown,
        })
    }
}

fn is_of_this_boot(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let own = name.strip_suffix(SUFFIX).and_then(|name| name.rsplit('.').next());
    let boot = own.and_then(|own| own.split_once('-')).map(|(boot, _)| boot);
    !BOOT.is_empty() && boot == Some(BOOT.as_str())
}

/// Whether a file was last written to long before `now`. One that seems to be of the future, as
/// when a clock was set back, is not old.
fn is_old(about: &Metadata, now: SystemTime) -> bool {
    let age = about.modified().ok().and_then(|then| now.duration_since(then).ok());
    age.is_some_and(|age| age > ABANDONED)
}

#[cfg(unix)]
fn same_owner(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    a.uid() == b.uid()
}

#[cfg(not(unix))]
fn same_owner(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a file that was last written to `hours` ago.
    fn leftover(folder: &Path, name: &str, hours: u64) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "half").unwrap();
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        path
    }

    fn clean_now(folder: &Path) {
        let own = Temporary::beside(&folder.join("own")).unwrap();
        clean(folder, &own.file.metadata().unwrap()).unwrap();
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_what_may_be_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let own = |name: &str| format!(".{name}.{}-abcdefghijkl{SUFFIX}", *BOOT);
        // This machine, no lock: its process is gone, however short ago it wrote.
        let killed = leftover(folder, &own("killed"), 0);
        // Another machine's, and one of an earlier version: only after a day.
        let foreign = leftover(folder, ".x.00000000-abcdefghijkl.dwlt-tmp", 0);
        let foreign_old = leftover(folder, ".y.00000000-abcdefghijkl.dwlt-tmp", 30);
        let earlier = leftover(folder, ".result.json.77-0.dwlt-tmp", 0);
        let earlier_old = leftover(folder, ".result.json.78-0.dwlt-tmp", 30);
        // Being written: never.
        let locked = leftover(folder, &own("locked"), 30);
        let lock = fs::File::options().write(true).open(&locked).unwrap();
        lock.try_lock().unwrap();
        let written = Temporary::beside(&folder.join("other")).unwrap();
        // Not named like an unfinished file: stays.
        let other = leftover(folder, "result.json", 30);
        clean_now(folder);
        let left = [&killed, &foreign, &foreign_old, &earlier, &earlier_old, &locked, &other];
        let there = left.map(|path| path.exists());
        let linux = !BOOT.is_empty();
        assert_eq!(there, [!linux, true, false, true, false, true, true]);
        assert!(written.path.exists());
        written.rename(&folder.join("other")).unwrap();
        drop(lock);
        // A caller that holds the folder's lock removes them whatever their age.
        remove_unless_locked(&foreign).unwrap();
        remove_unless_locked(&foreign).unwrap();
        assert!(!foreign.exists());
    }

    #[test]
    fn a_clock_set_back_does_not_make_files_old() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = leftover(folder, ".x.00000000-abcdefghijkl.dwlt-tmp", 0);
        let future = SystemTime::now() + Duration::from_secs(1_000_000);
        fs::File::options().write(true).open(&path).unwrap().set_modified(future).unwrap();
        clean_now(folder);
        assert!(path.exists());
    }

    #[test]
    fn names_as_long_as_the_system_allows_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        Temporary::beside(&path).unwrap().rename(&path).unwrap();
        assert!(path.exists());
    }
}
