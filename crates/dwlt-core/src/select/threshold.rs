//! The magnitude at which a selection cuts, found digit by digit from the top.
//!
//! Each pass counts one digit of at most 16 bits among the keys whose higher digits are those
//! found so far: one pass for half precision, two for single, four for double. Nothing is
//! sorted, and the memory is one table of counts per thread, whatever the weights.

use crate::parallel;
use crate::select::input::Chunk;
use crate::select::kernels;

/// Largest number of key bits that one pass resolves; its counts (512 KiB) stay in the cache.
const DIGIT_BITS: u32 = 16;

/// Where a selection cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Threshold {
    /// Keys of at least this are kept, all of them.
    pub(crate) keep_from: u64,
    /// The one key of which only some are kept: the first `ties_kept` of them.
    pub(crate) tie: Option<u64>,
    /// See `tie`.
    pub(crate) ties_kept: u64,
}

impl Threshold {
    fn without_tie(keep_from: u64) -> Self {
        Self { keep_from, tie: None, ties_kept: 0 }
    }
}

/// One digit of the keys, and what the digits above it must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    shift: u32,
    bits: u32,
    prefix: Option<u64>,
}

impl Level {
    fn first(key_bits: u32) -> Self {
        let bits = key_bits.min(DIGIT_BITS);
        Self { shift: key_bits - bits, bits, prefix: None }
    }

    /// The level below, among keys that start with `prefix`.
    fn below(self, prefix: u64) -> Self {
        let bits = self.shift.min(DIGIT_BITS);
        Self { shift: self.shift - bits, bits, prefix: Some(prefix) }
    }

    /// Whether this is the first look at the weights.
    pub(crate) fn is_first(self) -> bool {
        self.prefix.is_none()
    }

    /// The key's digit, if the key starts as this level asks.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // a digit has at most 16 bits
    pub(crate) fn digit(self, key: u64) -> Option<usize> {
        let top = key >> self.shift;
        match self.prefix {
            Some(prefix) if top >> self.bits != prefix => None,
            _ => Some((top & ((1 << self.bits) - 1)) as usize),
        }
    }
}

/// Finds where to cut so that exactly `keep` of the competing keys are kept; there must be at
/// least as many. The error is the tensor and flat index of the first NaN.
pub(crate) fn find(
    chunks: &[Chunk<'_>],
    wide: bool,
    keep: u64,
    threads: usize,
) -> Result<Threshold, (usize, usize)> {
    let Some(first) = chunks.first() else { return Ok(Threshold::without_tie(0)) };
    let mut level = Level::first(kernels::key_bits(first, wide));
    let mut need = keep;
    loop {
        // The first pass looks for NaN, so it runs even where the answer needs no threshold.
        let counts = count(chunks, wide, level, threads)?;
        if keep == 0 {
            return Ok(Threshold::without_tie(u64::MAX));
        }
        // From the top: the digit at which the wanted number is reached.
        let mut digit = counts.len() - 1;
        while counts[digit] < need {
            need -= counts[digit];
            digit -= 1;
        }
        let prefix = level.prefix.unwrap_or(0) << level.bits | digit as u64;
        if counts[digit] == need {
            return Ok(Threshold::without_tie(prefix << level.shift));
        }
        if level.shift == 0 {
            return Ok(Threshold { keep_from: prefix + 1, tie: Some(prefix), ties_kept: need });
        }
        level = level.below(prefix);
    }
}

/// Counts of a level's digits over all chunks.
fn count(
    chunks: &[Chunk<'_>],
    wide: bool,
    level: Level,
    threads: usize,
) -> Result<Vec<u64>, (usize, usize)> {
    let empty = || (vec![0_u64; 1 << level.bits], None);
    let states = parallel::share(threads, chunks.iter().collect(), empty, |state, chunk| {
        let (counts, first_nan) = state;
        if let Some(place) = kernels::histogram(chunk, wide, level, counts) {
            let found = (chunk.tensor, chunk.start + place);
            *first_nan =
                Some(first_nan.map_or(found, |earlier: (usize, usize)| earlier.min(found)));
        }
    });
    if let Some(first) = states.iter().filter_map(|(_, nan)| *nan).min() {
        return Err(first);
    }
    let mut total = vec![0; 1 << level.bits];
    for (counts, _) in states {
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    Ok(total)
}
