//! A bracket around the threshold, from random blocks of the weights.
//!
//! The bracket decides how fast a selection is, never what it selects, so its randomness comes
//! from the system, and no arrangement of weights can make it slow on purpose.
//!
//! A block is a few cache lines of neighbours, which cost little more than one weight. Neighbours
//! are alike, so how sure the sample is shows in how much blocks differ, not in the number of
//! weights. A few blocks give a coarse bracket; more blocks, compared with it, a finer one.

use std::hash::{BuildHasher, RandomState};

use crate::error::Result;
use crate::parallel;
use crate::select::bracket::Bracket;
use crate::select::chunk::{Chunk, mix};
use crate::select::input::Data;
use crate::select::scan::{self, Scanned, Scratch, Settings};

/// Among so few weights a sample saves nothing: all of them are open.
const FEW: u64 = 1 << 14;

/// Weights of a block: whole mask words.
const BLOCK: usize = 256;

/// Blocks of the coarsest sample, and how many times as many the next one has, about.
const FIRST: f64 = 64.0;
const MORE: f64 = 16.0;

/// Blocks that a thread takes at a time, and how many it asks memory for before they are due.
const RUN: u64 = 64;
const AHEAD: usize = 6;

/// Standard errors between the estimated rank and either end of the bracket.
const ERRORS: f64 = 5.0;

/// So many weights that tie at an end of the bracket are open, at most: noting them is cheaper
/// than looking for them again. Beyond, they are counted. As a share of all, and as bytes.
const OPEN_TIES: (f64, f64) = (1.0 / 128.0, (4_u32 << 20) as f64);

/// What was seen of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// Competing weights.
    competing: u64,
    /// Those that a bracket says are kept.
    kept: u64,
    /// Those that it leaves open.
    open: usize,
}

/// Blocks in the order of the weights, and the keys of their open weights one after another.
#[derive(Debug, Default)]
struct Sample {
    blocks: Vec<Block>,
    keys: Vec<u64>,
}

/// Guesses where the `keep`-th largest of the `competing` keys lies.
#[allow(clippy::cast_precision_loss)] // an estimate
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number of blocks
pub(crate) fn bracket(
    chunks: &[Chunk<'_>],
    keep: u64,
    competing: u64,
    settings: Settings<'_>,
) -> Result<Bracket> {
    let len: u64 = chunks.iter().map(|chunk| chunk.len as u64).sum();
    if keep == 0 {
        return Ok(Bracket { open_from: u64::MAX, kept_from: u64::MAX, ties: false });
    }
    if keep == competing {
        return Ok(Bracket { open_from: 0, kept_from: 0, ties: false });
    }
    if competing <= FEW.max(len / 256) {
        return Ok(Bracket::WIDEST);
    }
    let share = keep as f64 / competing as f64;
    let (len, competing) = (len as f64, competing as f64);
    // Where one more block costs as much as the open weights that it saves.
    let wanted = (len * competing.sqrt() / len.sqrt()).powf(2.0 / 3.0) * 0.025;
    // On another device, each block costs a call.
    let far = chunks.iter().any(|chunk| matches!(chunk.data, Data::Elsewhere { .. }));
    let wanted = if far { wanted / 16.0 } else { wanted };
    let first = FIRST * (len / competing).clamp(1.0, 16.0);
    let steps = (wanted / first).log(MORE).round().max(0.0);
    let more = if steps > 0.0 { (wanted / first).powf(1.0 / steps) } else { 1.0 };
    let mut bracket = Bracket::WIDEST;
    for step in 0..=steps as i32 {
        let count = (first * more.powi(step)) as u64;
        bracket = narrow(&draw(chunks, count, bracket, settings)?, bracket, share, competing);
    }
    Ok(bracket)
}

/// A number below `to`, from a random one.
#[allow(clippy::cast_possible_truncation)] // less than `to`
fn scale(random: u64, to: u64) -> u64 {
    ((u128::from(random) * u128::from(to)) >> 64) as u64
}

/// Compares about `count` blocks with a bracket. The weights are divided into that many equal
/// stretches, and one block is taken at a random place of each.
#[allow(clippy::cast_possible_truncation)] // numbers of blocks in memory or a file
fn draw(
    chunks: &[Chunk<'_>],
    count: u64,
    bracket: Bracket,
    settings: Settings<'_>,
) -> Result<Sample> {
    let mut upto = 0;
    let ends: Vec<u64> = chunks
        .iter()
        .map(|chunk| {
            upto += chunk.len.div_ceil(BLOCK) as u64;
            upto
        })
        .collect();
    let all = upto;
    let count = count.min(all);
    let seed = RandomState::new().hash_one(count);
    let begin = |stretch: u64| (u128::from(stretch) * u128::from(all) / u128::from(count)) as u64;
    let part = |stretch: u64| {
        let (from, to) = (begin(stretch), begin(stretch + 1));
        let number = from + scale(mix(seed ^ stretch), to - from);
        let chunk = ends.partition_point(|&end| end <= number);
        let before = chunk.checked_sub(1).map_or(0, |chunk| ends[chunk]);
        chunks[chunk].part((number - before) as usize * BLOCK, BLOCK)
    };
    let bracket = Bracket { ties: false, ..bracket };
    let new = || (Scratch::default(), Vec::new());
    let work = (0..count.div_ceil(RUN)).collect();
    let threads = if count > 16 * RUN { settings.threads } else { 1 };
    let states = parallel::share(threads, work, new, |(scratch, done), run: u64| {
        let mut found = Scanned::default();
        let mut blocks = Vec::new();
        let stretches = run * RUN..count.min(run * RUN + RUN);
        let parts: Vec<Chunk<'_>> = stretches.map(part).collect();
        parts.iter().take(AHEAD).for_each(Chunk::prefetch);
        let seen = settings.watch.check().and_then(|()| {
            parts.iter().enumerate().try_for_each(|(i, part)| {
                if let Some(coming) = parts.get(i + AHEAD) {
                    coming.prefetch();
                }
                let before = found.keys.len();
                scan::classify(part, bracket, settings, scratch, &mut [0; BLOCK / 64], &mut found)?;
                blocks.push(Block {
                    competing: part.competing(),
                    kept: found.tally.kept,
                    open: found.keys.len() - before,
                });
                Ok(())
            })
        });
        done.push((run, seen.map(|()| Sample { blocks, keys: found.keys })));
    });
    let mut runs: Vec<_> = states.into_iter().flat_map(|(_, done)| done).collect();
    runs.sort_unstable_by_key(|(run, _)| *run);
    let mut sample = Sample::default();
    for (_, run) in runs {
        let Sample { blocks, keys } = run?;
        sample.blocks.extend(blocks);
        sample.keys.extend(keys);
    }
    Ok(sample)
}

/// The bracket that a sample suggests, within the one that it was seen through, if a `share` of
/// the `competing` weights is kept.
#[allow(clippy::cast_precision_loss)] // an estimate
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the sample
fn narrow(sample: &Sample, bracket: Bracket, share: f64, competing: f64) -> Bracket {
    let Some(last) = sample.keys.len().checked_sub(1) else { return bracket };
    let (mut seen, mut kept) = (0, 0);
    for block in &sample.blocks {
        seen += block.competing;
        kept += block.kept;
    }
    let seen = seen as f64;
    // Ranks from the top, counted among the open keys.
    let middle = seen * share - kept as f64;
    let mut ranked = sample.keys.clone();
    let mut at = |rank: f64| *ranked.select_nth_unstable_by(rank as usize, |a, b| b.cmp(a)).1;
    let center = at(middle.clamp(0.0, last as f64));
    // Where many tie at the center, their rank is as unsure as that of the next key above.
    let variance = (seen * share * (1.0 - share))
        .max(variance(sample, share, center))
        .max(variance(sample, share, center.saturating_add(1)));
    let margin = ERRORS * variance.sqrt() + 4.0;
    let (top, bottom) = ((middle - margin).floor(), (middle + margin).ceil());
    let few = |key: u64| {
        let ties = sample.keys.iter().filter(|&&other| other == key).count() as f64 / seen;
        ties <= OPEN_TIES.0 && ties * competing <= OPEN_TIES.1
    };
    let mut narrowed = bracket;
    let mut ties = [bracket.ties; 2];
    if top >= 0.0 && top <= last as f64 {
        let key = at(top);
        ties[0] = !few(key);
        narrowed.kept_from = key + u64::from(!ties[0]);
    }
    if bottom >= 0.0 && bottom <= last as f64 {
        let key = at(bottom);
        ties[1] = !few(key);
        narrowed.open_from = key + u64::from(ties[1]);
    }
    narrowed.ties = ties[0] || ties[1];
    narrowed
}

/// Variance of the number of sampled keys of at least `cut`, given how many are competing.
///
/// From the differences of successive blocks: those lie in one layer mostly, and layers differ.
#[allow(clippy::cast_precision_loss)] // an estimate
fn variance(sample: &Sample, share: f64, cut: u64) -> f64 {
    let mut keys = &sample.keys[..];
    let mut before = None;
    let mut sum = 0.0;
    for block in &sample.blocks {
        let (mine, rest) = keys.split_at(block.open);
        keys = rest;
        let above = block.kept + mine.iter().filter(|&&key| key >= cut).count() as u64;
        let excess = above as f64 - share * block.competing as f64;
        sum += before.map_or(0.0, |before: f64| (excess - before).powi(2) / 2.0);
        before = Some(excess);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{Block, Bracket, Sample, narrow};

    /// Blocks of `size` keys, all of them open.
    fn sample(keys: impl IntoIterator<Item = u64>, size: usize) -> Sample {
        let keys: Vec<u64> = keys.into_iter().collect();
        let block =
            |part: &[u64]| Block { competing: part.len() as u64, kept: 0, open: part.len() };
        Sample { blocks: keys.chunks(size).map(block).collect(), keys }
    }

    #[test]
    fn the_bracket_is_five_standard_errors_wide() {
        // Each block has one key of every hundred: no difference between blocks. 10,000 keys, half
        // of them kept: standard error sqrt(10,000 / 4) = 50, margin 5 * 50 + 4, around rank 5000
        // from the top, where key 4999 is.
        let sample = sample((0..10_000).map(|i| i % 100 * 100 + i / 100), 100);
        let bracket = narrow(&sample, Bracket::WIDEST, 0.5, 1e6);
        assert_eq!(bracket, Bracket { open_from: 4745, kept_from: 5254, ties: false });
    }

    #[test]
    fn blocks_that_differ_widen_the_bracket() {
        // Of 100 blocks every other is above all the rest: 99 differences of 100 keys, variance
        // 99 * 100^2 / 2, standard error 703, margin 3522.
        let keys = (0..10_000).map(|i| if i / 100 % 2 == 0 { 20_000 + i } else { i });
        let Bracket { open_from, kept_from, .. } =
            narrow(&sample(keys, 100), Bracket::WIDEST, 0.5, 1e6);
        assert!(open_from < 3100 && kept_from > 26_900, "{open_from} {kept_from}");
    }

    #[test]
    fn the_ends_of_a_sample_leave_the_bracket_as_it_was() {
        let sample = sample(0..100, 10);
        let before = Bracket { open_from: 0, kept_from: 1000, ties: false };
        assert_eq!(narrow(&sample, before, 0.001, 1e6).kept_from, 1000);
        assert_eq!(narrow(&sample, before, 0.999, 1e6).open_from, 0);
        assert_eq!(narrow(&Sample::default(), before, 0.5, 1e6), before);
    }

    #[test]
    fn a_constant_closes_the_bracket() {
        let bracket = narrow(&sample([7; 1000], 10), Bracket::WIDEST, 0.5, 1e6);
        assert_eq!(bracket, Bracket { open_from: 8, kept_from: 7, ties: true });
    }

    #[test]
    fn small_ties_are_open() {
        // Ten of each key among 10,000: one in a thousand ties.
        let keys = (0..10_000).map(|i| i % 1000);
        let bracket = narrow(&sample(keys, 100), Bracket::WIDEST, 0.5, 1e6);
        assert!(!bracket.ties && bracket.open_from < 500 && bracket.kept_from > 500);
        let keys = (0..10_000).map(|i| i % 1000);
        let bracket = narrow(&sample(keys, 100), Bracket::WIDEST, 0.5, 1e12);
        assert!(bracket.ties, "too many to note");
    }
}
