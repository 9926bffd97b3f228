//! Access to the file system: every operation of the core on files goes through here, so that tests
//! can make any one of them fail (see `fault`). Outside of tests nothing is added to the
//! standard library's functions but the rule on refused fsyncs ([`File::sync`]).

use std::fs::{self, Metadata, OpenOptions, ReadDir, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) mod fault;

/// What an operation does, for tests that let one kind of them fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    List,
    Lock,
    Look,
    Open,
    Read,
    Remove,
    Rename,
    Resize,
    Sync,
    Write,
}

/// Where a test lets an operation fail.
#[cfg(test)]
pub(crate) use fault::point;

/// Where a test lets an operation fail; here never.
#[cfg(not(test))]
#[inline(always)]
#[allow(clippy::inline_always, clippy::unnecessary_wraps)] // it must cost nothing
pub(crate) fn point(_: Op) -> io::Result<()> {
    Ok(())
}

/// An open file.
#[derive(Debug)]
pub(crate) struct File(fs::File);

impl File {
    /// Opens a file for reading.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        point(Op::Open)?;
        fs::File::open(path).map(Self)
    }

    /// Opens a file as the options say.
    pub(crate) fn open_with(path: &Path, options: &OpenOptions) -> io::Result<Self> {
        point(Op::Open)?;
        options.open(path).map(Self)
    }

    /// Opens a file for reading and writing, made if need be.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        point(Op::Create)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(path).map(Self)
    }

    /// A file that is open already.
    pub(crate) fn from_std(file: fs::File) -> Self {
        Self(file)
    }

    /// Fills `bytes` from a place of the file, whatever other threads read.
    pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        point(Op::Read)?;
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, at);
        #[cfg(windows)]
        {
            let mut done = 0;
            while done < bytes.len() {
                let place = at + done as u64;
                match std::os::windows::fs::FileExt::seek_read(&self.0, &mut bytes[done..], place)?
                {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    n => done += n,
                }
            }
            Ok(())
        }
    }

    /// Its size, kind and owner.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        point(Op::Look)?;
        self.0.metadata()
    }

    /// Cuts or extends the file.
    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        point(Op::Resize)?;
        self.0.set_len(len)
    }

    /// Brings the file to the disk.
    ///
    /// Some file systems (network mounts, FUSE, read-only ones) do not offer that and refuse with
    /// EINVAL, ENOTSUP, ENOSYS or EROFS. Nothing can be done about it and nothing is wrong with
    /// the file, so these are no errors; any other one (EIO, ENOSPC, EDQUOT, ...) is.
    pub(crate) fn sync(&self) -> io::Result<()> {
        unless_unsupported(point(Op::Sync).and_then(|()| self.0.sync_all()))
    }

    /// Another handle of the same open file.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Takes the file's lock, exclusive, if nobody has it.
    pub(crate) fn try_lock(&self) -> Result<(), TryLockError> {
        point(Op::Lock).map_err(TryLockError::Error)?;
        self.0.try_lock()
    }

    /// Takes the file's lock, shared, if nobody has it exclusively.
    pub(crate) fn try_lock_shared(&self) -> Result<(), TryLockError> {
        point(Op::Lock).map_err(TryLockError::Error)?;
        self.0.try_lock_shared()
    }

    /// Lets go of the file's lock.
    pub(crate) fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        point(Op::Read)?;
        self.0.read(bytes)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = point(Op::Write) {
            // As on a full disk: part of it gets there.
            let _ = self.0.write(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// A whole file's content.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a folder holds.
pub(crate) fn list(folder: &Path) -> io::Result<ReadDir> {
    point(Op::List)?;
    fs::read_dir(folder)
}

/// Size, kind and owner of what a path leads to, through links.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    point(Op::Look)?;
    fs::metadata(path)
}

/// What a symbolic link says; None of anything else, and where there is nothing.
pub(crate) fn link_target(path: &Path) -> io::Result<Option<PathBuf>> {
    point(Op::Look)?;
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => fs::read_link(path).map(Some),
        _ => Ok(None),
    }
}

/// Makes a folder and those above it that do not exist.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    point(Op::Create)?;
    fs::create_dir_all(path)
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    point(Op::Remove)?;
    fs::remove_file(path)
}

/// Makes what was created, renamed or removed in a folder survive a power failure, where the
/// system offers that.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and renames are durable by other means.
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder) {
        Ok(open) => open.sync(),
        // A folder that may be written to and not be read: its file is there, which is what counts.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => unless_unsupported(Err(error)),
    }
}

fn unless_unsupported(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
