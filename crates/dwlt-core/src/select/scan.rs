//! The one pass over all weights: writes what is surely kept and collects what is open.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::buffers::Buffer;
use crate::error::{Error, Result};
use crate::masks::Bits;
use crate::parallel;
use crate::select::input::Values;
use crate::select::keys::Element;
use crate::select::sample::Bracket;
use crate::select::simd::{self, Cuts, Look, Simd, Tally};
use crate::select::source::{CHUNK, Chunk};

/// How a selection works, whatever it selects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) threads: usize,
    pub(crate) simd: Simd,
    /// Whether keys are those of f64, to compare element types by value.
    pub(crate) wide: bool,
}

/// What the pass found in one chunk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) tally: Tally,
    /// Places of the open weights within the chunk, in order.
    pub(crate) places: Vec<u32>,
    /// Their keys.
    pub(crate) keys: Vec<u64>,
}

/// What a thread needs besides: room for a chunk's weights and for its words with open weights.
#[derive(Default)]
pub(crate) struct Scratch {
    buffer: Buffer,
    open: Vec<(u32, u64)>,
}

/// The words that each chunk's mask bits go to.
pub(crate) fn outputs(bits: &mut [Bits]) -> impl Iterator<Item = &mut [u64]> {
    bits.iter_mut().flat_map(|bits| bits.words_mut().chunks_mut(CHUNK / 64))
}

/// Looks at one chunk and writes its kept weights.
pub(crate) fn look(
    chunk: &Chunk<'_>,
    bracket: Bracket,
    how: How,
    scratch: &mut Scratch,
    out: &mut [u64],
) -> Result<Found> {
    let values = chunk.load(&mut scratch.buffer)?;
    let Bracket { open_from, kept_from, ties } = bracket;
    let cuts = Cuts::new(values.dtype(), how.wide, open_from, kept_from, ties);
    scratch.open.resize(scratch.open.len().max(out.len()), (0, 0));
    let open = &mut scratch.open[..];
    let tally = simd::look(how.simd, values, cuts, Look { within: chunk.within, kept: out, open });
    #[allow(clippy::cast_possible_truncation)] // at most the chunk's length
    let mut found = Found {
        tally,
        places: Vec::with_capacity(tally.open as usize),
        keys: Vec::with_capacity(tally.open as usize),
    };
    let open = &scratch.open[..tally.open_words];
    match values {
        Values::F64(values) => collect(values, open, how.wide, &mut found),
        Values::F32(values) => collect(values, open, how.wide, &mut found),
        Values::F16(values) => collect(values, open, how.wide, &mut found),
        Values::Bf16(values) => collect(values, open, how.wide, &mut found),
    }
    Ok(found)
}

/// Notes place and key of every open weight.
fn collect<T: Element>(values: &[T], open: &[(u32, u64)], wide: bool, found: &mut Found) {
    for &(word, bits) in open {
        let mut left = bits;
        while left != 0 {
            let place = word * 64 + left.trailing_zeros();
            let value = values[place as usize];
            found.places.push(place);
            found.keys.push(if wide { value.wide_key() } else { value.key() });
            left &= left - 1;
        }
    }
}

/// Looks at every chunk. None where more than `limit` weights turn out to be open: the bracket
/// is too wide for the memory that a selection may take.
///
/// A NaN among competing weights is an error; it names the first.
pub(crate) fn all(
    chunks: &[Chunk<'_>],
    names: &[&str],
    bracket: Bracket,
    limit: u64,
    how: How,
    bits: &mut [Bits],
) -> Result<Option<Vec<Found>>> {
    let open = AtomicU64::new(0);
    let work: Vec<_> = chunks.iter().enumerate().zip(outputs(bits)).collect();
    let new = || (Scratch::default(), Vec::new());
    let parts = parallel::share(how.threads, work, new, |(scratch, done), ((i, chunk), out)| {
        if open.load(Ordering::Relaxed) > limit {
            return;
        }
        let found = look(chunk, bracket, how, scratch, out);
        if let Ok(found) = &found {
            open.fetch_add(found.tally.open, Ordering::Relaxed);
        }
        done.push((i, found));
    });
    let mut found: Vec<_> = parts.into_iter().flat_map(|(_, done)| done).collect();
    if open.into_inner() > limit {
        return Ok(None);
    }
    found.sort_unstable_by_key(|(i, _)| *i);
    let found = found.into_iter().map(|(_, found)| found).collect::<Result<Vec<_>>>()?;
    match found.iter().position(|found| found.tally.nan) {
        None => Ok(Some(found)),
        Some(i) => Err(not_a_number(&chunks[i], names[chunks[i].tensor])),
    }
}

/// The error for a chunk that holds a NaN.
fn not_a_number(chunk: &Chunk<'_>, name: &str) -> Error {
    let mut buffer = Buffer::default();
    let values = match chunk.load(&mut buffer) {
        Ok(values) => values,
        Err(error) => return error,
    };
    let infinity = values.dtype().infinity();
    let competes = |i: &usize| chunk.within.is_none_or(|words| words[i / 64] >> (i % 64) & 1 == 1);
    let first =
        (0..chunk.len).filter(competes).find(|&i| values.key_at(i, false) > infinity).unwrap_or(0);
    Error::Mask {
        message: format!("{name}: weight {} is NaN", chunk.start + first),
        hint: Some("weights that are not numbers cannot be ranked; look at the training run"),
    }
}
