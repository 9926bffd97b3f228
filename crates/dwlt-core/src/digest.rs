//! BLAKE3 digests, written `b3:` and 64 hexadecimal digits.

use std::collections::BTreeSet;
use std::path::Path;

use blake3::Hasher;
use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};

use crate::buffers::Buffer;
use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::safetensors;
use crate::parallel;
use crate::watch::Watch;

/// Bytes that a thread hashes at a time, in memory while it does: a power of two, as the hash's
/// tree asks for, that stays in the cache.
const LEAF: usize = 1 << 20;

/// A finished hash as text.
fn text(hash: &blake3::Hash) -> String {
    format!("b3:{}", hash.to_hex())
}

/// Whether `text` is spelt as a digest: `b3:` and 64 lower-case hexadecimal digits.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("b3:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A tensor as it is digested: bytes in row-major order, little-endian.
#[derive(Debug, Clone, Copy)]
pub struct RawTensor<'a> {
    /// Parameter name.
    pub name: &'a str,
    /// Element type as safetensors spells it, as in `F32`.
    pub dtype: &'a str,
    /// Sizes, outermost first.
    pub shape: &'a [u64],
    /// The elements.
    pub bytes: &'a [u8],
}

/// Digest of named tensors, whatever their order: of each, sorted by name, the name, element
/// type, shape and bytes.
pub fn digest_tensors(tensors: &[RawTensor<'_>], watch: Watch<'_>) -> Result<String> {
    let mut names = BTreeSet::new();
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| tensor.name);
    let mut pieces = vec![Piece::Owned(tensors_head(sorted.len()))];
    for tensor in sorted {
        let RawTensor { name, dtype, shape, bytes } = *tensor;
        if !names.insert(name) {
            return Err(Error::mask(format!("two tensors are named {name:?}")));
        }
        if safetensors::bits(dtype).is_none() {
            return Err(Error::mask(format!("{name}: unknown element type {dtype:?}")));
        }
        if safetensors::data_len(dtype, shape) != Some(bytes.len() as u64) {
            return Err(Error::mask(format!(
                "{name}: {} bytes do not fill shape {shape:?} of {dtype}",
                bytes.len()
            )));
        }
        pieces.push(Piece::Owned(frame(name, dtype, shape)));
        pieces.push(Piece::Bytes(bytes));
    }
    hash(&pieces, watch)
}

/// A stretch of what is hashed.
pub(crate) enum Piece<'a> {
    Owned(Vec<u8>),
    Bytes(&'a [u8]),
    /// `len` bytes of a file from byte `at` on.
    File {
        file: &'a File,
        path: &'a Path,
        at: u64,
        len: u64,
    },
}

impl Piece<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Owned(bytes) => bytes.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Hashes the bytes from `from` up to `to`.
    #[allow(clippy::cast_possible_truncation)] // within memory, or within a leaf
    fn absorb(&self, (from, to): (u64, u64), hasher: &mut Hasher, room: &mut Buffer) -> Result<()> {
        match self {
            Self::Owned(bytes) => hasher.update(&bytes[from as usize..to as usize]),
            Self::Bytes(bytes) => hasher.update(&bytes[from as usize..to as usize]),
            Self::File { file, path, at, .. } => {
                let bytes = room.view_mut::<u8>((to - from) as usize);
                file.read_at(bytes, at + from).map_err(|error| Error::read(path, error))?;
                hasher.update(bytes)
            }
        };
        Ok(())
    }
}

/// Digest of pieces one after another, as if they were hashed in order by one thread.
pub(crate) fn hash(pieces: &[Piece<'_>], watch: Watch<'_>) -> Result<String> {
    let mut total = 0;
    let starts: Vec<u64> = pieces
        .iter()
        .map(|piece| {
            total += piece.len();
            total - piece.len()
        })
        .collect();
    let leaf = |room: &mut Buffer, begin: u64| -> Result<Hasher> {
        let end = total.min(begin + LEAF as u64);
        let mut hasher = Hasher::new();
        hasher.set_input_offset(begin);
        let first = starts.partition_point(|&start| start <= begin) - 1;
        for (piece, &start) in pieces.iter().zip(&starts).skip(first) {
            if start >= end {
                break;
            }
            let (from, to) = (begin.max(start), end.min(start + piece.len()));
            if from < to {
                piece.absorb((from - start, to - start), &mut hasher, room)?;
            }
        }
        watch.advance(end - begin)?;
        Ok(hasher)
    };
    if total <= LEAF as u64 {
        return Ok(text(&leaf(&mut Buffer::default(), 0)?.finalize()));
    }
    let mut leaves = Vec::new();
    leaves.resize_with(usize::try_from(total.div_ceil(LEAF as u64)).unwrap_or(usize::MAX), || None);
    let work = (0..).step_by(LEAF).zip(&mut leaves).collect();
    let new = || (Buffer::default(), Ok(()));
    let threads = parallel::threads(None);
    let states = parallel::share(threads, work, new, |(room, state), (begin, slot)| {
        if state.is_ok() {
            match leaf(room, begin) {
                Ok(hasher) => *slot = Some(hasher.finalize_non_root()),
                Err(error) => *state = Err(error),
            }
        }
    });
    states.into_iter().try_for_each(|(_, state)| state)?;
    let leaves: Vec<ChainingValue> = leaves.into_iter().flatten().collect();
    let (left, right) = split(&leaves, total);
    Ok(text(&hazmat::merge_subtrees_root(&left, &right, Mode::Hash)))
}

/// The values of a tree's two halves, from its leaves, which stand for `len` bytes.
fn split(leaves: &[ChainingValue], len: u64) -> (ChainingValue, ChainingValue) {
    let left = hazmat::left_subtree_len(len);
    let middle = usize::try_from(left / LEAF as u64).expect("fewer than the leaves");
    (value(&leaves[..middle], left), value(&leaves[middle..], len - left))
}

fn value(leaves: &[ChainingValue], len: u64) -> ChainingValue {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = split(leaves, len);
    hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash)
}

/// Digest of bytes in memory.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    text(&blake3::hash(bytes))
}

/// Size in bytes and digest of any open file's content.
pub(crate) fn content(file: &File, path: &Path, watch: Watch<'_>) -> Result<(u64, String)> {
    let len = file.metadata().map_err(|error| Error::read(path, error))?.len();
    let pieces = [Piece::File { file, path, at: 0, len }];
    Ok((len, hash(&pieces, watch)?))
}

/// What precedes a digest's tensors.
pub(crate) fn tensors_head(count: usize) -> Vec<u8> {
    let mut head = b"dwlt-tensors-v1\n".to_vec();
    head.extend((count as u64).to_le_bytes());
    head
}

/// What precedes a tensor's bytes. Lengths come first, so no two lists of tensors read the same.
pub(crate) fn frame(name: &str, dtype: &str, shape: &[u64]) -> Vec<u8> {
    let mut frame = Vec::new();
    for part in [name, dtype] {
        frame.extend((part.len() as u64).to_le_bytes());
        frame.extend(part.as_bytes());
    }
    frame.extend((shape.len() as u64).to_le_bytes());
    for size in shape {
        frame.extend(size.to_le_bytes());
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::{LEAF, Piece, hash};
    use crate::watch::Watch;

    #[test]
    fn pieces_hash_as_one_run_of_bytes() {
        for len in [0, 1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 3 * LEAF + 77, 5 * LEAF, 7 * LEAF] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7919).to_le_bytes()[1]).collect();
            let whole = format!("b3:{}", blake3::hash(&bytes).to_hex());
            for cut in [0, 1, len / 3, len] {
                let (a, b) = bytes.split_at(cut.min(len));
                let pieces = [Piece::Owned(a.to_vec()), Piece::Bytes(&[]), Piece::Bytes(b)];
                assert_eq!(hash(&pieces, Watch::default()).unwrap(), whole, "{len} {cut}");
            }
        }
    }
}
