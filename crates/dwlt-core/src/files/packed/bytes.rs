//! Moving bytes piece by piece: as they are, kept values out of a dense tensor, and back into one.

use std::path::Path;

use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::apply::PIECE;
use crate::files::safetensors::{self, TensorInfo};
use crate::masks::Mask;
use crate::watch::Watch;

/// Bytes copied at a time.
const COPIED: u64 = 1 << 24;

/// Writes bytes of a file as they are.
pub(super) fn copy(
    file: &File,
    path: &Path,
    mut at: u64,
    mut left: u64,
    watch: Watch<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    #[allow(clippy::cast_possible_truncation)] // at most COPIED
    let mut room = vec![0; left.min(COPIED) as usize];
    while left > 0 {
        #[allow(clippy::cast_possible_truncation)] // at most COPIED
        let piece = &mut room[..left.min(COPIED) as usize];
        file.read_at(piece, at).map_err(|error| Error::read(path, error))?;
        write(piece)?;
        at += piece.len() as u64;
        left -= piece.len() as u64;
        watch.advance(piece.len() as u64)?;
    }
    Ok(())
}

/// Writes the kept values of a tensor.
pub(super) fn take(
    file: &File,
    path: &Path,
    mut at: u64,
    tensor: &TensorInfo,
    mask: &Mask,
    watch: Watch<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let width = safetensors::maskable_width(&tensor.dtype).expect("the masks were checked");
    let mut dense = vec![0; PIECE.min(mask.bits().len()) * width];
    let mut kept = Vec::with_capacity(dense.len());
    let mut left = mask.bits().len();
    for words in mask.bits().words().chunks(PIECE / 64) {
        let now = left.min(PIECE);
        let bytes = &mut dense[..now * width];
        file.read_at(bytes, at).map_err(|error| Error::read(path, error))?;
        kept.clear();
        match width {
            1 => gather::<1>(bytes, words, &mut kept),
            2 => gather::<2>(bytes, words, &mut kept),
            4 => gather::<4>(bytes, words, &mut kept),
            _ => gather::<8>(bytes, words, &mut kept),
        }
        write(&kept)?;
        left -= now;
        at += bytes.len() as u64;
        watch.advance(bytes.len() as u64)?;
    }
    Ok(())
}

fn gather<const W: usize>(bytes: &[u8], words: &[u64], kept: &mut Vec<u8>) {
    for (block, &word) in bytes.chunks(64 * W).zip(words) {
        if word == u64::MAX {
            kept.extend_from_slice(block);
            continue;
        }
        let mut left = word;
        while left != 0 {
            let i = left.trailing_zeros() as usize * W;
            kept.extend_from_slice(&block[i..i + W]);
            left &= left - 1;
        }
    }
}

/// Writes the dense form of a tensor's kept values.
pub(super) fn spread(
    file: &File,
    path: &Path,
    mut at: u64,
    width: usize,
    mask: &Mask,
    watch: Watch<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut dense = vec![0; PIECE.min(mask.bits().len()) * width];
    let mut room = vec![0; dense.len()];
    let mut left = mask.bits().len();
    for words in mask.bits().words().chunks(PIECE / 64) {
        let now = left.min(PIECE);
        let count: usize = words.iter().map(|word| word.count_ones() as usize).sum();
        let kept = &mut room[..count * width];
        file.read_at(kept, at).map_err(|error| Error::read(path, error))?;
        let bytes = &mut dense[..now * width];
        bytes.fill(0);
        match width {
            1 => scatter::<1>(kept, words, bytes),
            2 => scatter::<2>(kept, words, bytes),
            4 => scatter::<4>(kept, words, bytes),
            _ => scatter::<8>(kept, words, bytes),
        }
        write(bytes)?;
        left -= now;
        at += kept.len() as u64;
        watch.advance((kept.len() + now.div_ceil(8)) as u64)?;
    }
    Ok(())
}

fn scatter<const W: usize>(kept: &[u8], words: &[u64], bytes: &mut [u8]) {
    let mut kept = kept.chunks_exact(W);
    for (block, &word) in bytes.chunks_mut(64 * W).zip(words) {
        let mut left = word;
        while left != 0 {
            let i = left.trailing_zeros() as usize * W;
            // There are as many values as ones, which was counted before they were read.
            if let Some(value) = kept.next() {
                block[i..i + W].copy_from_slice(value);
            }
            left &= left - 1;
        }
    }
}
