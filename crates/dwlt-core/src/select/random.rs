//! Random masks with exact counts, as controls for those found by magnitude.

use crate::error::Result;
use crate::masks::MaskSet;
use crate::select::input::{Data, Part};
use crate::select::magnitude::of_parts;
use crate::select::options::{Keep, Options};

/// Keeps weights at random: every set of the wanted counts is as likely as any other.
///
/// A weight's number is a function of the seed, its tensor's name and its flat index alone:
/// not on the other tensors, the number of threads or what was drawn before. The weights with
/// the largest numbers are kept.
pub fn random<'k>(
    shapes: &[(&str, &[usize])],
    keep: impl Into<Keep<'k>>,
    seed: u64,
    options: Options<'_>,
) -> Result<MaskSet> {
    let parts: Vec<Part<'_>> = shapes
        .iter()
        .map(|&(name, shape)| Part {
            name,
            shape,
            // A shape beyond memory has no mask either, and `of_parts` refuses it.
            len: crate::masks::numel(shape).unwrap_or(usize::MAX),
            data: Data::Random { seed: stream(seed, name) },
        })
        .collect();
    of_parts(&parts, keep.into(), options)
}

/// The seed of one tensor's numbers.
fn stream(seed: u64, name: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"dwlt-random-v1\n").update(&seed.to_le_bytes()).update(name.as_bytes());
    let hash = hasher.finalize();
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}
