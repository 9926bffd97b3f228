//! The threshold found digit by digit from the top: slower than a bracket from a sample, but the
//! same for every input. For the one selection in a million whose sample misleads.
//!
//! Each pass counts one digit of at most 16 bits among the keys whose higher digits are those
//! found so far: one pass for half precision, two for single, four for double. Nothing is
//! sorted, and the memory is one table of counts per thread, whatever the weights.

use crate::buffers::Buffer;
use crate::error::Result;
use crate::parallel;
use crate::select::chunk::Chunk;
use crate::select::keys::WIDE_BITS;
use crate::select::scan::Settings;

/// Largest number of key bits that one pass resolves; its counts (512 KiB) stay in the cache.
const DIGIT_BITS: u32 = 16;

/// One digit of the keys, and what the digits above it must be.
#[derive(Debug, Clone, Copy)]
struct Level {
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

    /// The key's digit, if the key starts as this level asks.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // a digit has at most 16 bits
    fn digit(self, key: u64) -> Option<usize> {
        let top = key >> self.shift;
        match self.prefix {
            Some(prefix) if top >> self.bits != prefix => None,
            _ => Some((top & ((1 << self.bits) - 1)) as usize),
        }
    }
}

/// The `keep`-th largest of the competing keys; there must be at least as many, and `keep` must
/// not be 0.
pub(crate) fn threshold(chunks: &[Chunk<'_>], keep: u64, settings: Settings<'_>) -> Result<u64> {
    let dtype = chunks[0].data.dtype();
    let mut level = Level::first(if settings.wide { WIDE_BITS } else { dtype.key_bits() });
    let mut need = keep;
    loop {
        let counts = count(chunks, level, settings)?;
        // From the top: the digit at which the wanted number is reached.
        let mut digit = counts.len() - 1;
        while counts[digit] < need {
            need -= counts[digit];
            digit -= 1;
        }
        let prefix = level.prefix.unwrap_or(0) << level.bits | digit as u64;
        if level.shift == 0 {
            return Ok(prefix);
        }
        level = level.below(prefix);
    }
}

/// Counts of a level's digits over all chunks.
fn count(chunks: &[Chunk<'_>], level: Level, settings: Settings<'_>) -> Result<Vec<u64>> {
    let new = || (Buffer::default(), Ok(vec![0_u64; 1 << level.bits]));
    let states = parallel::share(
        settings.threads,
        chunks.iter().collect(),
        new,
        |(buffer, all), chunk: &Chunk| {
            let Ok(counts) = all else { return };
            if let Err(error) = count_chunk(chunk, level, settings, buffer, counts) {
                *all = Err(error);
            }
        },
    );
    let mut total = vec![0; 1 << level.bits];
    for (_, counts) in states {
        for (sum, count) in total.iter_mut().zip(counts?) {
            *sum += count;
        }
    }
    Ok(total)
}

fn count_chunk(
    chunk: &Chunk<'_>,
    level: Level,
    settings: Settings<'_>,
    buffer: &mut Buffer,
    counts: &mut [u64],
) -> Result<()> {
    settings.watch.check()?;
    let values = chunk.load(buffer)?;
    for place in 0..chunk.len {
        let competes = chunk.within.is_none_or(|words| words[place / 64] >> (place % 64) & 1 == 1);
        if let Some(digit) = level.digit(values.key_at(place, settings.wide)).filter(|_| competes) {
            counts[digit] += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::threshold;
    use crate::select::chunk;
    use crate::select::input::{Data, Part};
    use crate::select::input::{Dtype, Values};
    use crate::select::scan::Settings;
    use crate::select::simd::Simd;
    use crate::watch::Watch;

    #[test]
    fn finds_the_key_of_every_rank() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i * 7919 % 500 / 2) - 100.0).collect();
        let singles: Vec<f32> = values.iter().map(|&x| x.to_string().parse().unwrap()).collect();
        let mut order: Vec<f64> = values.iter().map(|x| x.abs()).collect();
        order.sort_by(|a, b| b.total_cmp(a));
        for data in [Data::Memory(Values::F64(&values)), Data::Memory(Values::F32(&singles))] {
            let parts = [Part { name: "w", shape: &[500], len: 500, data }];
            for wide in [false, true] {
                let settings =
                    Settings { threads: 2, simd: Simd::Scalar, wide, watch: Watch::default() };
                let chunks = chunk::chunks(&parts, None);
                for (rank, value) in order.iter().enumerate() {
                    let narrow = data.dtype() == Dtype::F32 && !wide;
                    let single: f32 = value.to_string().parse().unwrap();
                    let key = if narrow { u64::from(single.to_bits()) } else { value.to_bits() };
                    assert_eq!(threshold(&chunks, rank as u64 + 1, settings).unwrap(), key);
                }
            }
        }
    }
}
