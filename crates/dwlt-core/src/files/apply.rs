//! Masks laid on a checkpoint, piece by piece.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use crate::error::{Error, Result};
use crate::files::atomic;
use crate::files::checkpoint::Checkpoint;
use crate::files::safetensors::{self, Header, TensorInfo};
use crate::masks::{Mask, MaskSet};
use crate::parallel;

/// Weights in memory at a time; a multiple of 64.
const PIECE: usize = 1 << 18;

/// Writes `weights` to `out` with every masked weight +0.0. Headers, types and all other bytes
/// stay as they are, bytes of kept weights too. `progress` grows by the bytes of the tensors.
///
/// `weights` is a safetensors file, then so is `out`; or an index or a folder, then `out` is a
/// folder, new or empty, for files of the same names and the index.
pub fn apply(
    weights: &Path,
    masks: &MaskSet,
    out: &Path,
    progress: Option<&AtomicU64>,
) -> Result<()> {
    let checkpoint = Checkpoint::open(weights)?;
    checkpoint.check_masks(masks)?;
    let (files, index) = checkpoint.files();
    if index.is_none() && !weights.is_dir() {
        return apply_file(weights, masks, out, progress);
    }
    let write = |error| Error::io("write", out, error);
    if out.exists() && fs::read_dir(out).map_err(write)?.next().is_some() {
        return Err(Error::mask(format!(
            "{} is not empty; name a new folder for the files of {}",
            out.display(),
            weights.display()
        )));
    }
    fs::create_dir_all(out).map_err(write)?;
    let inside = |path: &Path| out.join(path.file_name().unwrap_or_default());
    for path in files {
        apply_file(path, masks, &inside(path), progress)?;
    }
    // Last: without it the folder is not whole.
    index.map_or(Ok(()), |path| {
        let content = fs::read(path).map_err(|error| Error::read(path, error))?;
        atomic::write(&inside(path), &content)
    })
}

fn apply_file(
    weights: &Path,
    masks: &MaskSet,
    out: &Path,
    progress: Option<&AtomicU64>,
) -> Result<()> {
    let read = |error| Error::read(weights, error);
    let mut file = File::open(weights).map_err(read)?;
    let header = Header::read(weights, &mut file)?;
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    atomic::write_with(out, |writer| {
        copy(&mut file, header.data_start, writer, None)?;
        for tensor in &header.tensors {
            match masks.get(&tensor.name) {
                None => copy(&mut file, tensor.end - tensor.begin, writer, progress)?,
                Some(mask) => copy_masked(&mut file, tensor, mask, writer, progress)?,
            }
        }
        Ok(())
    })
}

/// Copies `left` bytes.
fn copy(
    file: &mut File,
    mut left: u64,
    writer: &mut impl Write,
    progress: Option<&AtomicU64>,
) -> io::Result<()> {
    while left > 0 {
        let now = left.min(1 << 26);
        if io::copy(&mut (&mut *file).take(now), writer)? < now {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        parallel::count(progress, now);
        left -= now;
    }
    Ok(())
}

fn copy_masked(
    file: &mut File,
    tensor: &TensorInfo,
    mask: &Mask,
    writer: &mut impl Write,
    progress: Option<&AtomicU64>,
) -> io::Result<()> {
    let width = safetensors::maskable_width(&tensor.dtype).expect("the masks were checked");
    let mut bytes = vec![0; PIECE.min(mask.bits().len()) * width];
    let mut left = mask.bits().len();
    for words in mask.bits().words().chunks(PIECE / 64) {
        let now = left.min(PIECE);
        let bytes = &mut bytes[..now * width];
        file.read_exact(bytes)?;
        for (block, &word) in bytes.chunks_mut(64 * width).zip(words) {
            if word != u64::MAX {
                for (i, weight) in block.chunks_mut(width).enumerate() {
                    if word >> i & 1 == 0 {
                        weight.fill(0);
                    }
                }
            }
        }
        writer.write_all(bytes)?;
        parallel::count(progress, bytes.len() as u64);
        left -= now;
    }
    Ok(())
}
