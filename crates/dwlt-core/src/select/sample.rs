//! A bracket around the threshold, from a random sample of the weights.
//!
//! The bracket decides how fast a selection is, never what it selects, so its randomness comes
//! from the system: nobody can arrange weights against it.

use std::hash::{BuildHasher, RandomState};

use crate::error::Result;
use crate::parallel;
use crate::select::source::{Chunk, mix};

/// Among so few weights a sample saves nothing: all of them are open.
const FEW: u64 = 1 << 14;

/// Standard errors between the estimated rank and either end of the bracket: a bracket misses
/// once in a million selections, and is widened to 13 of 1000 weights at a sample of 2^17.
const ERRORS: f64 = 5.0;

/// Keys between which the threshold lies, probably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bracket {
    /// Keys of at least this are kept or open.
    pub(crate) open_from: u64,
    /// Keys of at least this are kept.
    pub(crate) kept_from: u64,
    /// Whether many weights may share the lowest kept key, or the key next below the open ones.
    pub(crate) ties: bool,
}

impl Bracket {
    /// A bracket with nothing open, for a threshold that is known.
    pub(crate) fn at(key: u64) -> Self {
        Self { open_from: key.saturating_add(1), kept_from: key, ties: true }
    }
}

/// Guesses where the `keep`-th largest of the `competing` keys lies.
pub(crate) fn bracket(
    chunks: &[Chunk<'_>],
    wide: bool,
    keep: u64,
    competing: u64,
    threads: usize,
) -> Result<Bracket> {
    let len: u64 = chunks.iter().map(|chunk| chunk.len as u64).sum();
    if keep == 0 {
        return Ok(Bracket { open_from: u64::MAX, kept_from: u64::MAX, ties: false });
    }
    if keep == competing {
        return Ok(Bracket { open_from: 0, kept_from: 0, ties: false });
    }
    if competing <= FEW.max(len / 256) {
        return Ok(Bracket { open_from: 0, kept_from: u64::MAX, ties: false });
    }
    let wanted = (len / 64).min((len / 1024).clamp(1 << 16, 1 << 20)).max(1 << 12);
    let mut sample = draw(chunks, wide, wanted, (len / competing).clamp(1, 16), threads)?;
    Ok(around(&mut sample, keep, competing))
}

/// The bracket that a sample suggests.
#[allow(clippy::cast_precision_loss)] // an estimate
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the sample
fn around(sample: &mut [u64], keep: u64, competing: u64) -> Bracket {
    let share = keep as f64 / competing as f64;
    let len = sample.len() as f64;
    let margin = ERRORS * (len * share * (1.0 - share)).sqrt() + 4.0;
    // Ranks from the bottom, as ascending order has them.
    let from = (len * (1.0 - share) - margin).floor();
    let to = (len * (1.0 - share) + margin).ceil();
    let mut bracket = Bracket { open_from: 0, kept_from: u64::MAX, ties: false };
    let mut above = &mut *sample;
    let mut skipped = 0;
    if from >= 0.0 && (from as usize) < above.len() {
        let (_, &mut key, rest) = above.select_nth_unstable(from as usize);
        bracket.open_from = key + 1;
        skipped = from as usize + 1;
        above = rest;
    }
    if to < len && (to as usize) >= skipped && (to as usize) - skipped < above.len() {
        let (_, &mut key, _) = above.select_nth_unstable(to as usize - skipped);
        bracket.kept_from = key;
    }
    let count = |key: u64| sample.iter().filter(|&&other| other == key).count();
    bracket.ties = count(bracket.kept_from) > 1
        || bracket.open_from.checked_sub(1).is_some_and(|key| count(key) > 1);
    bracket
}

/// Keys of competing weights at random places, about `wanted` of them. Each chunk gives its
/// share. A place that does not compete is lost, so `tries` times as many are looked at.
fn draw(
    chunks: &[Chunk<'_>],
    wide: bool,
    wanted: u64,
    tries: u64,
    threads: usize,
) -> Result<Vec<u64>> {
    let len: u128 = chunks.iter().map(|chunk| chunk.len as u128).sum();
    let mut before = 0_u128;
    let shares = chunks.iter().map(|chunk| {
        let upto = |place: u128| place * u128::from(wanted * tries) / len;
        let from = upto(before);
        before += chunk.len as u128;
        (chunk, upto(before) - from)
    });
    let seed = RandomState::new().hash_one(wanted);
    let work: Vec<_> = shares.enumerate().collect();
    let new = || Ok(Vec::new());
    let drawn = parallel::share(threads, work, new, |drawn, (number, (chunk, share))| {
        let Ok(keys) = drawn else { return };
        let mut state = mix(seed ^ number as u64);
        for _ in 0..share {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            #[allow(clippy::cast_possible_truncation)] // less than the chunk's length
            let place = ((u128::from(mix(state)) * chunk.len as u128) >> 64) as usize;
            if chunk.within.is_none_or(|words| words[place / 64] >> (place % 64) & 1 == 1) {
                match chunk.key_at(place, wide) {
                    Ok(key) => keys.push(key),
                    Err(error) => {
                        *drawn = Err(error);
                        return;
                    }
                }
            }
        }
    });
    let mut all = Vec::new();
    for keys in drawn {
        all.extend(keys?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{Bracket, around};

    #[test]
    fn the_bracket_is_five_standard_errors_wide() {
        // 10,000 keys, half are kept: rank 5000, standard error 50, margin 5 * 50 + 4.
        let mut sample: Vec<u64> = (0..10_000).rev().collect();
        let bracket = around(&mut sample, 500, 1000);
        assert_eq!(bracket, Bracket { open_from: 4747, kept_from: 5254, ties: false });
    }

    #[test]
    fn the_ends_of_a_sample_leave_the_bracket_open() {
        let mut sample: Vec<u64> = (0..100).collect();
        assert_eq!(around(&mut sample, 1, 1000).kept_from, u64::MAX);
        assert_eq!(around(&mut sample, 999, 1000).open_from, 0);
        assert_eq!(
            around(&mut [], 1, 2),
            Bracket { open_from: 0, kept_from: u64::MAX, ties: false }
        );
    }

    #[test]
    fn a_constant_closes_the_bracket() {
        let bracket = around(&mut [7; 1000], 1, 2);
        assert_eq!(bracket, Bracket { open_from: 8, kept_from: 7, ties: true });
    }
}
