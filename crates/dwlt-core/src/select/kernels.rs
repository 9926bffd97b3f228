//! The loops over weights. Everything that reads a weight is here.

use crate::select::input::{Chunk, Values};
use crate::select::keys::{Element, WIDE_BITS};
use crate::select::threshold::{Level, Threshold};

/// Calls a generic kernel with the chunk's weights and the function that makes keys of them.
macro_rules! with_keys {
    ($chunk:expr, $wide:expr, $kernel:ident($($argument:expr),*)) => {
        match ($chunk.values, $wide) {
            (Values::F64(v), false) => $kernel(v, Element::key, $($argument),*),
            (Values::F32(v), false) => $kernel(v, Element::key, $($argument),*),
            (Values::F16(v), false) => $kernel(v, Element::key, $($argument),*),
            (Values::Bf16(v), false) => $kernel(v, Element::key, $($argument),*),
            (Values::F64(v), true) => $kernel(v, Element::wide_key, $($argument),*),
            (Values::F32(v), true) => $kernel(v, Element::wide_key, $($argument),*),
            (Values::F16(v), true) => $kernel(v, Element::wide_key, $($argument),*),
            (Values::Bf16(v), true) => $kernel(v, Element::wide_key, $($argument),*),
        }
    };
}

/// Bits of the keys that a chunk's weights are compared by.
pub(crate) fn key_bits(chunk: &Chunk<'_>, wide: bool) -> u32 {
    match chunk.values {
        _ if wide => WIDE_BITS,
        Values::F64(_) => <f64 as Element>::BITS,
        Values::F32(_) => <f32 as Element>::BITS,
        Values::F16(_) => <half::f16 as Element>::BITS,
        Values::Bf16(_) => <half::bf16 as Element>::BITS,
    }
}

/// Adds the chunk's competing keys to the counts of one level's digits. At the first level it
/// returns the place within the chunk of the first NaN, if there is one.
pub(crate) fn histogram(
    chunk: &Chunk<'_>,
    wide: bool,
    level: Level,
    counts: &mut [u64],
) -> Option<usize> {
    with_keys!(chunk, wide, histogram_of(chunk.within, level, counts))
}

/// Number of competing weights whose key is `key`.
pub(crate) fn count_equal(chunk: &Chunk<'_>, wide: bool, key: u64) -> u64 {
    with_keys!(chunk, wide, count_equal_of(chunk.within, key))
}

/// Writes the chunk's mask words: every competing key of at least `threshold.keep_from`, and of
/// those at the tie the first `quota`.
pub(crate) fn write(
    chunk: &Chunk<'_>,
    wide: bool,
    threshold: Threshold,
    quota: u64,
    out: &mut [u64],
) {
    with_keys!(chunk, wide, write_of(chunk.within, threshold, quota, out));
}

#[inline]
fn histogram_of<E: Element>(
    values: &[E],
    key: impl Fn(E) -> u64,
    within: Option<&[u64]>,
    level: Level,
    counts: &mut [u64],
) -> Option<usize> {
    let mut first_nan = None;
    for_each(values, within, |i, value| {
        let key = key(value);
        if let Some(digit) = level.digit(key) {
            counts[digit] += 1;
        }
        if level.is_first() && value.is_nan() && first_nan.is_none() {
            first_nan = Some(i);
        }
    });
    first_nan
}

#[inline]
fn count_equal_of<E: Element>(
    values: &[E],
    key: impl Fn(E) -> u64,
    within: Option<&[u64]>,
    wanted: u64,
) -> u64 {
    let mut count = 0;
    for_each(values, within, |_, value| count += u64::from(key(value) == wanted));
    count
}

#[inline]
fn write_of<E: Element>(
    values: &[E],
    key: impl Fn(E) -> u64,
    within: Option<&[u64]>,
    threshold: Threshold,
    mut quota: u64,
    out: &mut [u64],
) {
    for (number, (values, out)) in values.chunks(64).zip(out).enumerate() {
        let (mut above, mut equal) = (0_u64, 0_u64);
        for (i, &value) in values.iter().enumerate() {
            let key = key(value);
            above |= u64::from(key >= threshold.keep_from) << i;
            equal |= u64::from(Some(key) == threshold.tie) << i;
        }
        let competing = within.map_or(u64::MAX, |words| words[number]);
        let taken = lowest(equal & competing, quota);
        quota -= u64::from(taken.count_ones());
        *out = above & competing | taken;
    }
}

/// Calls `visit` with place and value of every competing weight, in order.
#[inline]
fn for_each<E: Copy>(values: &[E], within: Option<&[u64]>, mut visit: impl FnMut(usize, E)) {
    let Some(words) = within else {
        for (i, &value) in values.iter().enumerate() {
            visit(i, value);
        }
        return;
    };
    for (number, (values, &word)) in values.chunks(64).zip(words).enumerate() {
        let mut left = word;
        while left != 0 {
            let i = left.trailing_zeros() as usize;
            visit(number * 64 + i, values[i]);
            left &= left - 1;
        }
    }
}

/// The lowest `quota` of the bits set in `word`.
fn lowest(word: u64, quota: u64) -> u64 {
    if u64::from(word.count_ones()) <= quota {
        return word;
    }
    let mut rest = word;
    for _ in 0..quota {
        rest &= rest - 1;
    }
    word & !rest
}

#[cfg(test)]
mod tests {
    use super::lowest;

    #[test]
    fn lowest_takes_the_first_bits() {
        assert_eq!(lowest(0b1011_0100, 2), 0b0001_0100);
        assert_eq!(lowest(0b1011_0100, 0), 0);
        assert_eq!(lowest(0b1011_0100, 4), 0b1011_0100);
        assert_eq!(lowest(u64::MAX, 63), u64::MAX >> 1);
    }
}
