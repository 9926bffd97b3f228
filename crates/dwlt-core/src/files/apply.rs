//! Masks laid on a checkpoint, piece by piece.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::disk::{self, File};
use crate::error::{Error, Result};
use crate::files::checkpoint::Checkpoint;
use crate::files::safetensors::{self, Header, TensorInfo};
use crate::files::{atomic, temporary, unfinished};
use crate::masks::{Mask, MaskSet};
use crate::watch::Watch;

/// Weights in memory at a time; a multiple of 64.
pub(crate) const PIECE: usize = 1 << 18;

/// Bytes copied at a time.
const COPIED: u64 = 1 << 24;

/// Writes `weights` to `out` with every masked weight +0.0. Headers, types and all other bytes
/// stay as they are, bytes of kept weights too. `watch` counts the bytes of the tensors.
///
/// `weights` is a safetensors file, then so is `out`; or an index or a folder, then `out` is a
/// folder, new or empty, for files of the same names and the index. A folder that a killed call
/// left unfinished may be given again. After an error or a stop nothing of the output is left.
pub fn apply(weights: &Path, masks: &MaskSet, out: &Path, watch: Watch<'_>) -> Result<()> {
    let checkpoint = Checkpoint::open(weights)?;
    checkpoint.check_masks(masks)?;
    let (files, index) = checkpoint.files();
    if index.is_none() && !weights.is_dir() {
        return apply_file(weights, masks, out, watch);
    }
    let files: Vec<&Path> = files.collect();
    let index = index.map(|path| (path, path.file_name().unwrap_or_default().to_owned()));
    file_by_file(weights, &files, index.as_ref(), out, watch, |from, to| {
        apply_file(from, masks, to, watch)
    })
}

/// Makes of several files as many of the same names in the folder `out`, which is new, empty, or
/// was left unfinished by a killed call; then copies the index under the name given.
pub(crate) fn file_by_file(
    weights: &Path,
    files: &[&Path],
    index: Option<&(&Path, OsString)>,
    out: &Path,
    watch: Watch<'_>,
    make: impl Fn(&Path, &Path) -> Result<()>,
) -> Result<()> {
    let copied = index.map(|(_, name)| name.as_os_str());
    let names: BTreeSet<&OsStr> =
        files.iter().filter_map(|path| path.file_name()).chain(copied).collect();
    let folder = Folder::begin(out, &names, weights)?;
    let fill = || {
        for path in files {
            make(path, &folder.file(path))?;
        }
        // Last: without it the folder is not whole.
        index.map_or(Ok(()), |(path, name)| {
            let content = disk::read(path).map_err(|error| Error::read(path, error))?;
            atomic::write(&folder.path.join(name), &content, watch)
        })
    };
    match fill() {
        Ok(()) => folder.finish(),
        Err(error) => {
            folder.abandon(&names);
            Err(error)
        }
    }
}

/// An output folder that is being filled.
struct Folder {
    path: PathBuf,
    made: bool,
    note: unfinished::Note,
}

impl Folder {
    /// Makes the folder, or takes one that is empty or was left unfinished by a killed call that
    /// wrote files of these names.
    fn begin(out: &Path, names: &BTreeSet<&OsStr>, weights: &Path) -> Result<Self> {
        let failed = |error| Error::io("write", out, error);
        let path = atomic::real_folder(out).map_err(failed)?;
        let made = !path.exists();
        disk::create_folder(&path).map_err(failed)?;
        let found = entries(&path).map_err(failed)?;
        let begun = found.iter().any(|name| unfinished::is_note(name));
        let ours = |name: &OsString| {
            unfinished::is_note(name)
                || temporary::is_temporary(name)
                || begun && names.contains(name.as_os_str())
        };
        if !found.iter().all(ours) {
            return Err(Error::mask(format!(
                "{} is not empty; name a new folder for the files of {}",
                out.display(),
                weights.display()
            )));
        }
        let note = unfinished::Note::take(&path)?;
        Ok(Self { path, made, note })
    }

    /// Where the copy of a file goes.
    fn file(&self, path: &Path) -> PathBuf {
        self.path.join(path.file_name().unwrap_or_default())
    }

    fn finish(self) -> Result<()> {
        self.note.remove()?;
        disk::sync_folder(&self.path).map_err(|error| Error::io("write", &self.path, error))
    }

    /// Removes what was written. The note goes last: if something cannot be removed, the folder
    /// still shows that it is unfinished, and can be given again.
    fn abandon(self, names: &BTreeSet<&OsStr>) {
        let remove = |name| match disk::remove(&self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        if names.iter().all(|name| remove(name).is_ok()) && self.note.remove().is_ok() && self.made
        {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Names of what a folder holds.
fn entries(folder: &Path) -> io::Result<Vec<OsString>> {
    disk::list(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

fn apply_file(weights: &Path, masks: &MaskSet, out: &Path, watch: Watch<'_>) -> Result<()> {
    let read = |error| Error::read(weights, error);
    let mut file = File::open(weights).map_err(read)?;
    let header = Header::read(weights, &mut file)?;
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    atomic::write_with(out, watch, |writer| {
        let mut copy = Copy { file: &mut file, weights, writer, out };
        copy.bytes(header.data_start, Watch { done: None, ..watch })?;
        for tensor in &header.tensors {
            match masks.get(&tensor.name) {
                None => copy.bytes(tensor.end - tensor.begin, watch)?,
                Some(mask) => copy.masked(tensor, mask, watch)?,
            }
        }
        Ok(())
    })
}

/// A file that is copied from its beginning to its end.
struct Copy<'a, W> {
    file: &'a mut File,
    weights: &'a Path,
    writer: &'a mut W,
    out: &'a Path,
}

impl<W: Write> Copy<'_, W> {
    /// Copies the next `left` bytes.
    fn bytes(&mut self, mut left: u64, watch: Watch<'_>) -> Result<()> {
        #[allow(clippy::cast_possible_truncation)] // at most COPIED
        let mut room = vec![0; left.min(COPIED) as usize];
        while left > 0 {
            #[allow(clippy::cast_possible_truncation)] // at most COPIED
            let piece = &mut room[..left.min(COPIED) as usize];
            self.read(piece)?;
            self.write(piece)?;
            left -= piece.len() as u64;
            watch.advance(piece.len() as u64)?;
        }
        Ok(())
    }

    /// Copies the next tensor's bytes, with zeros where the mask has none.
    fn masked(&mut self, tensor: &TensorInfo, mask: &Mask, watch: Watch<'_>) -> Result<()> {
        let width = safetensors::maskable_width(&tensor.dtype).expect("the masks were checked");
        let mut room = vec![0; PIECE.min(mask.bits().len()) * width];
        let mut left = mask.bits().len();
        for words in mask.bits().words().chunks(PIECE / 64) {
            let now = left.min(PIECE);
            let bytes = &mut room[..now * width];
            self.read(bytes)?;
            for (block, &word) in bytes.chunks_mut(64 * width).zip(words) {
                if word != u64::MAX {
                    for (i, weight) in block.chunks_mut(width).enumerate() {
                        if word >> i & 1 == 0 {
                            weight.fill(0);
                        }
                    }
                }
            }
            self.write(bytes)?;
            left -= now;
            watch.advance((now * width) as u64)?;
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(|error| Error::read(self.weights, error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(|error| Error::io("write", self.out, error))
    }
}
