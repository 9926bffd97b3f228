//! Completes the mask bits after the pass: which of the open weights (those inside the bracket), or
//! of those that tie at one of its ends, are kept.

use crate::error::Result;
use crate::masks::Bits;
use crate::parallel;
use crate::select::bracket::Bracket;
use crate::select::chunk::Chunk;
use crate::select::scan::{self, Scanned, Scratch, Settings};

/// So many open keys are simply sorted.
const FEW: usize = 1 << 13;

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

/// Where the threshold lies in the light of the pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// The largest so many of the open weights are kept.
    Open(u64),
    /// Of the weights at the lowest kept key only the first so many are kept.
    AtKept(u64),
    /// All open weights are kept, and the first so many at the key next below.
    BelowOpen(u64),
    /// Beyond the bracket, in a direction that the pass did not count.
    Missed,
}

/// Where the threshold lies if `keep` weights are kept.
pub(crate) fn locate(found: &[Scanned], bracket: Bracket, keep: u64) -> Position {
    let sum = |of: fn(&Scanned) -> u64| found.iter().map(of).sum::<u64>();
    let kept = sum(|found| found.tally.kept);
    let open = sum(|found| found.tally.open);
    if (kept..=kept + open).contains(&keep) {
        return Position::Open(keep - kept);
    }
    if !bracket.ties {
        return Position::Missed;
    }
    let over = sum(|found| found.tally.over_kept);
    let under = sum(|found| found.tally.under_open);
    if (over..kept).contains(&keep) {
        Position::AtKept(keep - over)
    } else if (kept + open..=under).contains(&keep) {
        Position::BelowOpen(keep - kept - open)
    } else {
        Position::Missed
    }
}

/// Completes the bits that the pass wrote. `position` must not be `Missed`.
pub(crate) fn complete(
    chunks: &[Chunk<'_>],
    found: &[Scanned],
    bracket: Bracket,
    position: Position,
    settings: Settings<'_>,
    bits: &mut [Bits],
) -> Result<()> {
    let (tie, at_tie): (u64, Vec<u64>) = match position {
        Position::Open(keep) => {
            keep_largest(found, bracket, keep, settings, bits);
            return Ok(());
        }
        Position::AtKept(_) => (
            bracket.kept_from,
            found.iter().map(|found| found.tally.kept - found.tally.over_kept).collect(),
        ),
        Position::BelowOpen(_) | Position::Missed => (
            bracket.open_from - 1,
            found
                .iter()
                .map(|found| found.tally.under_open - found.tally.kept - found.tally.open)
                .collect(),
        ),
    };
    let (Position::AtKept(keep) | Position::BelowOpen(keep) | Position::Open(keep)) = position
    else {
        unreachable!("a missed threshold has no position to complete");
    };
    let shares = in_order(&at_tie, keep);
    let mut work = Vec::new();
    for ((i, share), out) in shares.into_iter().enumerate().zip(scan::outputs(bits)) {
        // What the pass wrote: at the kept key all, below the open ones none.
        let written = if matches!(position, Position::AtKept(_)) { at_tie[i] } else { 0 };
        if matches!(position, Position::BelowOpen(_)) {
            set_all(out, &found[i].places);
        }
        if share != written {
            work.push((&chunks[i], share, at_tie[i], out));
        }
    }
    let new = || (Scratch::default(), Ok(()));
    let states =
        parallel::share(settings.threads, work, new, |(scratch, all), (chunk, share, of, out)| {
            if all.is_ok() {
                *all = rewrite(chunk, tie, (share, of), settings, scratch, out);
            }
        });
    states.into_iter().try_for_each(|(_, all)| all)
}

/// Writes a chunk again: every key above `tie`, and of those at it the first `share`.
fn rewrite(
    chunk: &Chunk<'_>,
    tie: u64,
    (share, of): (u64, u64),
    settings: Settings<'_>,
    scratch: &mut Scratch,
    out: &mut [u64],
) -> Result<()> {
    settings.watch.check()?;
    let from = if share == of { tie } else { tie + 1 };
    let open_from = if share == 0 { from } else { tie };
    let bracket = Bracket { open_from, kept_from: from, ties: false };
    let mut found = Scanned::default();
    scan::classify(chunk, bracket, settings, scratch, out, &mut found)?;
    // Ties are handed out in order, so only one chunk keeps some of them and not all.
    if share != of {
        #[allow(clippy::cast_possible_truncation)] // at most the chunk's length
        set_all(out, &found.places[..share as usize]);
    }
    Ok(())
}

fn set_all(words: &mut [u64], places: &[u32]) {
    for &place in places {
        words[place as usize / 64] |= 1 << (place % 64);
    }
}

/// Hands `keep` out to parts that have so many each: earlier parts first.
fn in_order(have: &[u64], mut keep: u64) -> Vec<u64> {
    let mut take = |have: &u64| {
        let taken = keep.min(*have);
        keep -= taken;
        taken
    };
    have.iter().map(&mut take).collect()
}

/// Keeps the largest `keep` of the open weights.
fn keep_largest(
    found: &[Scanned],
    bracket: Bracket,
    keep: u64,
    settings: Settings<'_>,
    bits: &mut [Bits],
) {
    if keep == 0 {
        return;
    }
    let Threshold { keep_from, tie, ties_kept } = cut_among(found, bracket, keep, settings.threads);
    let shares = tie.map(|tie| in_order(&count_ties(found, tie, settings.threads), ties_kept));
    let share = |i: usize| shares.as_ref().map_or(0, |shares| shares[i]);
    let work: Vec<_> = found
        .iter()
        .enumerate()
        .map(|(i, found)| (found, share(i)))
        .zip(scan::outputs(bits))
        .collect();
    parallel::share(
        settings.threads,
        work,
        || (),
        |(), ((found, mut share), out)| {
            for (&place, &key) in found.places.iter().zip(&found.keys) {
                let ties = Some(key) == tie && share > 0;
                share -= u64::from(ties);
                let bit = u64::from(key >= keep_from || ties);
                out[place as usize / 64] |= bit << (place % 64);
            }
        },
    );
}

/// How many open weights of each chunk have this key.
fn count_ties(found: &[Scanned], key: u64, threads: usize) -> Vec<u64> {
    let mut counts = vec![0; found.len()];
    let work = found.iter().zip(&mut counts).collect();
    parallel::share(
        threads,
        work,
        || (),
        |(), (found, count): (&Scanned, &mut u64)| {
            *count = found.keys.iter().filter(|&&other| other == key).count() as u64;
        },
    );
    counts
}

/// Where to cut among the open keys so that the largest `keep` of them, at least one, are kept.
///
/// Counts them by the leading part of where they lie in the bracket, and again within the part
/// where the count is reached, until few are left to sort.
fn cut_among(found: &[Scanned], bracket: Bracket, keep: u64, threads: usize) -> Threshold {
    const PARTS: u32 = 12;
    let (mut from, mut to) = (bracket.open_from, bracket.kept_from);
    let mut need = keep;
    let mut left = found.iter().map(|found| found.keys.len()).sum::<usize>();
    while left > FEW && to - from > 1 {
        let shift = (64 - (to - from - 1).leading_zeros()).saturating_sub(PARTS);
        let counts = count(found, from, to, shift, threads);
        let mut part = counts.len() - 1;
        while counts[part] < need {
            need -= counts[part];
            part -= 1;
        }
        let begin = from + ((part as u64) << shift);
        #[allow(clippy::cast_possible_truncation)] // keys in memory
        {
            left = counts[part] as usize;
        }
        to = to.min(begin.saturating_add(1 << shift));
        from = begin;
    }
    let mut keys = Vec::new();
    let new = Vec::<u64>::new;
    for part in parallel::share(threads, found.iter().collect(), new, |keys, found: &Scanned| {
        keys.extend(found.keys.iter().filter(|&key| (from..to).contains(key)));
    }) {
        keys.extend(part);
    }
    #[allow(clippy::cast_possible_truncation)] // a rank among keys in memory
    let rank = keys.len() - need as usize;
    let (below, &mut key, above) = keys.select_nth_unstable(rank);
    let same = |keys: &[u64]| keys.iter().filter(|&&other| other == key).count() as u64;
    let (over, all) = (above.len() as u64 - same(above), same(below) + 1 + same(above));
    if need - over == all {
        Threshold { keep_from: key, tie: None, ties_kept: 0 }
    } else {
        Threshold { keep_from: key + 1, tie: Some(key), ties_kept: need - over }
    }
}

/// Counts of the keys of `from..to` by `key - from >> shift`.
fn count(found: &[Scanned], from: u64, to: u64, shift: u32, threads: usize) -> Vec<u64> {
    let parts = usize::try_from(((to - from - 1) >> shift) + 1).expect("at most 4096 parts");
    let new = || vec![0_u64; parts];
    let each = parallel::share(threads, found.iter().collect(), new, |counts, found: &Scanned| {
        for &key in &found.keys {
            if (from..to).contains(&key) {
                #[allow(clippy::cast_possible_truncation)] // less than `parts`
                {
                    counts[((key - from) >> shift) as usize] += 1;
                }
            }
        }
    });
    let mut total = vec![0; parts];
    for counts in each {
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    total
}
