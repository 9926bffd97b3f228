//! A file that marks a folder as unfinished while several files are written into it.
//!
//! It is there from before the first file is written until after the last. The process that writes
//! holds the marker's lock, so that two do not write at once; an unlocked marker means that the
//! process was killed, and that the folder may be written again.

use std::ffi::OsStr;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use crate::disk::{self, File};
use crate::error::{Error, Result};

const NAME: &str = ".dwlt-unfinished";

/// Whether a file of this name is such a note.
pub(crate) fn is_note(name: &OsStr) -> bool {
    name == NAME
}

/// The note of a folder that this process fills.
#[derive(Debug)]
pub(crate) struct Note {
    path: PathBuf,
    _held: File,
}

impl Note {
    /// Puts a note into a folder, or takes over that of a process that was killed.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let failed = |error| Error::io("write", &path, error);
        let file = File::open_or_create(&path).map_err(failed)?;
        match file.try_lock() {
            // Where the file system knows no locks, the note still says what it says.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = "another process that writes to it".to_owned();
                return Err(Error::Busy { folder: folder.to_owned(), holder });
            }
        }
        disk::sync_folder(folder).map_err(failed)?;
        Ok(Self { path, _held: file })
    }

    /// Removes the note: the folder is whole, or empty again.
    pub(crate) fn remove(self) -> Result<()> {
        disk::remove(&self.path).map_err(|error| Error::io("write", &self.path, error))
    }
}
