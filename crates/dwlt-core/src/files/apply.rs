//! Masks laid on a safetensors file, piece by piece.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::files::atomic;
use crate::files::safetensors::{self, Header, TensorInfo};
use crate::masks::{Mask, MaskSet};

/// Weights in memory at a time; a multiple of 64.
const PIECE: usize = 1 << 18;

/// Writes `weights` to `out` with every masked weight +0.0. Header, types and all other bytes
/// stay as they are, bytes of kept weights too.
pub fn apply(weights: &Path, masks: &MaskSet, out: &Path) -> Result<()> {
    let read = |error| Error::read(weights, error);
    let mut file = File::open(weights).map_err(read)?;
    let header = Header::read(weights, &mut file)?;
    for (name, mask) in masks.iter() {
        let tensor = header.tensors.iter().find(|tensor| tensor.name == name).ok_or_else(|| {
            Error::mask(format!(
                "{} has no tensor {name:?}, which the masks cover",
                weights.display()
            ))
        })?;
        let same = mask.shape().iter().map(|&size| size as u64).eq(tensor.shape.iter().copied());
        if !same {
            let (theirs, ours) = (&tensor.shape, mask.shape());
            return Err(Error::mask(format!(
                "{name}: shape {theirs:?}, but its mask has {ours:?}"
            )));
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    atomic::write_with(out, |writer| {
        std::io::copy(&mut (&mut file).take(header.data_start), writer)?;
        for tensor in &header.tensors {
            match masks.get(&tensor.name) {
                None => {
                    std::io::copy(&mut (&mut file).take(tensor.end - tensor.begin), writer)?;
                }
                Some(mask) => copy_masked(&mut file, tensor, mask, writer)?,
            }
        }
        Ok(())
    })
}

fn copy_masked(
    file: &mut File,
    tensor: &TensorInfo,
    mask: &Mask,
    writer: &mut impl Write,
) -> std::io::Result<()> {
    let width = safetensors::width(&tensor.dtype).expect("the header was checked");
    let width = usize::try_from(width).expect("at most 8 bytes");
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
        left -= now;
    }
    Ok(())
}
