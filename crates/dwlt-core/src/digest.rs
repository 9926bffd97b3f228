//! BLAKE3 digests, written `b3:` and 64 hexadecimal digits.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use blake3::Hasher;

use crate::error::{Error, Result};
use crate::files::safetensors::{self, Header};

/// How much of a file is in memory while it is hashed.
const CHUNK: usize = 1 << 20;

/// A finished hash as text.
pub(crate) fn text(hasher: &Hasher) -> String {
    format!("b3:{}", hasher.finalize().to_hex())
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
pub fn digest_tensors(tensors: &[RawTensor<'_>]) -> Result<String> {
    let mut names = BTreeSet::new();
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| tensor.name);
    let mut hasher = tensors_hasher(sorted.len());
    for tensor in sorted {
        let RawTensor { name, dtype, shape, bytes } = *tensor;
        if !names.insert(name) {
            return Err(Error::mask(format!("two tensors are named {name:?}")));
        }
        let width = safetensors::width(dtype)
            .ok_or_else(|| Error::mask(format!("{name}: unknown element type {dtype:?}")))?;
        let expected = safetensors::numel(shape).and_then(|numel| numel.checked_mul(width));
        if expected != Some(bytes.len() as u64) {
            return Err(Error::mask(format!(
                "{name}: {} bytes do not fill shape {shape:?} of {dtype}",
                bytes.len()
            )));
        }
        frame(&mut hasher, name, dtype, shape);
        hasher.update(bytes);
    }
    Ok(text(&hasher))
}

/// The digest of the tensors in a safetensors file: what [`digest_tensors`] says of them. It
/// depends neither on their order in the file nor on the file's metadata, and the file is read
/// in pieces.
pub fn digest_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|error| Error::read(path, error))?;
    let header = Header::read(path, &mut file)?;
    let mut sorted: Vec<_> = header.tensors.iter().collect();
    sorted.sort_by_key(|tensor| &tensor.name);
    let mut hasher = tensors_hasher(sorted.len());
    let mut buffer = vec![0; CHUNK];
    for tensor in sorted {
        frame(&mut hasher, &tensor.name, &tensor.dtype, &tensor.shape);
        file.seek(SeekFrom::Start(header.data_start + tensor.begin))
            .map_err(|error| Error::read(path, error))?;
        absorb(&mut hasher, &mut (&mut file).take(tensor.end - tensor.begin), &mut buffer)
            .and_then(|read| {
                // The header was checked against the file's length, so it shrank meanwhile.
                if read == tensor.end - tensor.begin { Ok(()) } else { Err(cut_short()) }
            })
            .map_err(|error| Error::read(path, error))?;
    }
    Ok(text(&hasher))
}

/// Size in bytes and digest of any open file's content, from its beginning.
pub(crate) fn content(file: &mut File) -> std::io::Result<(u64, String)> {
    let mut hasher = Hasher::new();
    file.seek(SeekFrom::Start(0))?;
    let size = absorb(&mut hasher, file, &mut vec![0; CHUNK])?;
    Ok((size, text(&hasher)))
}

fn absorb(hasher: &mut Hasher, from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<u64> {
    let mut total = 0;
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                total += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn cut_short() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file became shorter meanwhile")
}

fn tensors_hasher(count: usize) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(b"dwlt-tensors-v1\n");
    hasher.update(&(count as u64).to_le_bytes());
    hasher
}

/// What precedes a tensor's bytes. Lengths come first, so no two lists of tensors read the same.
pub(crate) fn frame(hasher: &mut Hasher, name: &str, dtype: &str, shape: &[u64]) {
    for part in [name, dtype] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&(shape.len() as u64).to_le_bytes());
    for size in shape {
        hasher.update(&size.to_le_bytes());
    }
}
