//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// What the name of an unfinished file ends in.
const SUFFIX: &str = ".dwlt-tmp";

/// Writes `bytes` to `path`: into a sibling first, to the disk, then renamed, then the folder to
/// the disk. A reader sees the old file or the new one, and so does one after a power failure.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// As [`write()`], with the content produced piece by piece.
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let temporary = sibling(path)?;
    let written = fill_file(&temporary, fill).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to tell; a leftover is swept when the run is next opened.
        let _ = fs::remove_file(&temporary);
        return Err(Error::io("write", path, error));
    }
    sync_folder(folder_of(path)).map_err(|error| Error::io("write", path, error))
}

fn fill_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    fill(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// A name beside `path` that no other process and no other call uses.
fn sibling(path: &Path) -> Result<PathBuf> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "this names no file");
        return Err(Error::io("write", path, error));
    };
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{call}{SUFFIX}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// Removes the unfinished files that a killed process left in `folder` and below. Only for one
/// who holds the folder: anybody else might remove a file that is being written.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
        } else if entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes what was created, renamed or removed in a folder survive a power failure.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and renames are durable by other means.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{sweep, write, write_with};

    fn names(folder: &std::path::Path) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        fs::read_dir(folder).unwrap().map(|entry| name(entry).into_string().unwrap()).collect()
    }

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, b"one").unwrap();
        let failed = write_with(&path, |_| Err(std::io::Error::other("disk full")));
        assert_eq!(
            failed.unwrap_err().to_string(),
            format!("cannot write {}: disk full", path.display())
        );
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[test]
    fn sweeping_removes_leftovers_alone() {
        let folder = tempfile::tempdir().unwrap();
        let round = folder.path().join("round-01");
        fs::create_dir(&round).unwrap();
        fs::write(round.join(".mask.safetensors.77-0.dwlt-tmp"), b"half").unwrap();
        fs::write(round.join("mask.safetensors"), b"whole").unwrap();
        sweep(folder.path()).unwrap();
        assert_eq!(names(&round), ["mask.safetensors"]);
    }

    #[test]
    fn a_path_without_a_file_name_is_refused() {
        assert!(write("..".as_ref(), b"").is_err());
    }
}
