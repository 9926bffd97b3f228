//! Files that are there whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::disk::{self, File, folder_of};
use crate::error::{Error, Result};
use crate::files::temporary::{self, Temporary};
use crate::watch::Watch;

/// Bytes from which on bringing a file to the disk may take long.
const LARGE: u64 = 1 << 26;

/// Bytes that are written at a time.
const PIECE: usize = 1 << 24;

/// Writes `bytes` to `path`: into a sibling first, to the disk, then renamed, then the folder to
/// the disk. A reader sees the old file or the new one, and so does one after a power failure.
///
/// Through a symbolic link the file that it leads to is written. A terminal, another character
/// device or a pipe gets the bytes; a folder, a socket or a disk is refused.
pub fn write(path: &Path, bytes: &[u8], watch: Watch<'_>) -> Result<()> {
    write_with(path, watch, |file| {
        for piece in bytes.chunks(PIECE) {
            file.write_all(piece).map_err(|error| Error::io("write", path, error))?;
            watch.check()?;
        }
        Ok(())
    })
}

/// As [`write()`], with the content produced piece by piece.
pub(crate) fn write_with(
    path: &Path,
    watch: Watch<'_>,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    match Destination::of(path).map_err(failed)? {
        Destination::File(real) => {
            let temporary = Temporary::beside(&real).map_err(failed)?;
            let written = fill_file(&temporary.file, path, watch, fill);
            match written {
                Ok(()) => temporary.rename(&real).map_err(failed)?,
                Err(error) => {
                    temporary.remove();
                    return Err(error);
                }
            }
            disk::sync_folder(folder_of(&real)).map_err(failed)
        }
        Destination::Stream => {
            let given = path.to_owned();
            // A pipe that nobody reads is waited for.
            let open = move || File::open_with(&given, OpenOptions::new().append(true));
            let file = watch.wait_for(open)?.map_err(failed)?;
            fill_file(&file, path, watch, fill)
        }
    }
}

fn fill_file(
    file: &File,
    path: &Path,
    watch: Watch<'_>,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let handle = file.try_clone().map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 16, handle);
    if let Err(error) = fill(&mut writer) {
        drop(writer.into_parts()); // not flushed: the file is of no use
        return Err(error);
    }
    let handle = writer.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed)?;
    if handle.metadata().map_err(failed)?.len() < LARGE {
        return handle.sync().map_err(failed);
    }
    watch.wait_for(move || handle.sync())?.map_err(failed)
}

/// Where the bytes for a path go.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// Into this file, which is replaced or made; links were followed.
    File(PathBuf),
    /// Into what is open at the other end.
    Stream,
}

impl Destination {
    fn of(path: &Path) -> io::Result<Self> {
        let refused = |why: &str| Err(io::Error::new(ErrorKind::InvalidInput, why));
        if path.file_name().is_none() {
            return refused("this names no file");
        }
        match disk::metadata(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(about) if about.is_dir() => return refused("this is a folder"),
            Ok(about) if is_stream(&about) => return Ok(Self::Stream),
            Ok(about) if !about.is_file() => {
                return refused("this is neither a file nor something to write a file to");
            }
            Ok(_) | Err(_) => {}
        }
        Ok(real(path)?.map_or(Self::Stream, Self::File))
    }
}

#[cfg(unix)]
fn is_stream(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    about.file_type().is_char_device() || about.file_type().is_fifo()
}

#[cfg(not(unix))]
fn is_stream(_: &fs::Metadata) -> bool {
    false
}

/// The file that a path leads to through links, whether it exists or not; None where the way leads
/// through a process' open files (`/dev/stdout`): what is open there may be longer than this file,
/// and is not ours to replace.
fn real(path: &Path) -> io::Result<Option<PathBuf>> {
    const MOST_LINKS: u32 = 40; // as Linux has it
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(target) = disk::link_target(&path)? else { return Ok(Some(path)) };
        let folder = fs::canonicalize(folder_of(&path))?;
        if folder.starts_with("/proc") && folder.ends_with("fd") {
            return Ok(None);
        }
        path = folder.join(target);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "its links lead to each other"))
}

/// The folder to write to when told to write to `path`: as for files, through links, even where
/// what they lead to does not exist yet.
pub(crate) fn real_folder(path: &Path) -> io::Result<PathBuf> {
    Ok(real(path)?.unwrap_or_else(|| path.to_owned()))
}

/// Removes the unfinished files that a killed process left in `folder` and below, for one who
/// holds the folder's lock. A file that some process writes at this moment stays.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in disk::list(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
        } else if temporary::is_temporary(&entry.file_name()) {
            temporary::remove_unless_locked(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::{sweep, write, write_with};
    use crate::error::Error;
    use crate::watch::Watch;

    const NOBODY: Watch<'static> = Watch { done: None, stop: None };

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        fs::read_dir(folder).unwrap().map(|entry| name(entry).into_string().unwrap()).collect()
    }

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, b"one", NOBODY).unwrap();
        write(&path, b"two", NOBODY).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, b"one", NOBODY).unwrap();
        let failed = write_with(&path, NOBODY, |file| {
            file.write_all(b"tw").unwrap();
            Err(Error::io("write", &path, std::io::Error::other("disk full")))
        });
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
    fn a_path_without_a_file_name_and_a_folder_are_refused() {
        assert!(write("..".as_ref(), b"", NOBODY).is_err());
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), b"", NOBODY).unwrap_err().to_string();
        assert!(error.ends_with("this is a folder"), "{error}");
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        use std::os::unix::net::UnixListener;
        use std::process::Command;

        use super::*;

        #[test]
        fn a_new_file_has_the_rights_that_the_umask_gives() {
            let folder = tempfile::tempdir().unwrap();
            let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
            write(&ours, b"", NOBODY).unwrap();
            fs::write(&plain, b"").unwrap();
            let mode = |path| fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&ours), mode(&plain));
        }

        #[test]
        fn links_are_followed_and_stay() {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            fs::create_dir(folder.join("sub")).unwrap();
            symlink("sub/second", folder.join("first")).unwrap();
            symlink("target", folder.join("sub/second")).unwrap();
            for content in [&b"new"[..], b"again"] {
                write(&folder.join("first"), content, NOBODY).unwrap();
                assert_eq!(fs::read(folder.join("sub/target")).unwrap(), content);
            }
            assert!(folder.join("first").is_symlink() && folder.join("sub/second").is_symlink());
            assert_eq!(names(&folder.join("sub")).len(), 2);
            symlink("loop", folder.join("loop")).unwrap();
            assert!(write(&folder.join("loop"), b"", NOBODY).is_err());
        }

        #[test]
        fn a_pipe_gets_the_bytes_and_a_socket_is_refused() {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            let (pipe, socket) = (folder.join("pipe"), folder.join("socket"));
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let reader = std::thread::spawn({
                let pipe = pipe.clone();
                move || fs::read(pipe).unwrap()
            });
            write(&pipe, b"through", NOBODY).unwrap();
            assert_eq!(reader.join().unwrap(), b"through");
            assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
            // Nobody reads: waited for, until asked to stop.
            let stop = || true;
            let watch = Watch { done: None, stop: Some(&stop) };
            assert!(matches!(write(&pipe, b"", watch), Err(Error::Stopped)));
            let _listener = UnixListener::bind(&socket).unwrap();
            assert!(write(&socket, b"", NOBODY).is_err());
            assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
        }

        #[test]
        fn a_device_gets_the_bytes_and_stays() {
            let folder = tempfile::tempdir().unwrap();
            let device = folder.path().join("null");
            let mknod = Command::new("mknod").arg(&device).args(["c", "1", "3"]).status().unwrap();
            if !mknod.success() {
                return; // for root alone
            }
            // Some machines forbid opening devices outside of /dev: then it is refused.
            let _ = write(&device, b"away", NOBODY);
            assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
        }
    }
}
