//! What all instruction sets share: the loop over blocks of 64 weights. Only the comparison of a
//! block differs.

use crate::select::input::Dtype;

/// Where to cut the keys of one element type; a key belongs where it is *greater than* the cut,
/// as signed numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Greater: not a number.
    pub(crate) nan: i64,
    /// Greater: surely kept.
    pub(crate) kept: i64,
    /// Greater: kept or open.
    pub(crate) open: i64,
    /// Greater: above the lowest kept key; and above the key next below the open ones, less one.
    /// None where nobody will ask how many weights lie exactly there.
    pub(crate) ties: Option<(i64, i64)>,
}

impl Cuts {
    /// The cuts for weights of one type. Keys from `kept_from` on are kept, from `open_from` on
    /// open; both count in the key space of the selection, `wide` or the type's own.
    pub(crate) fn new(
        dtype: Dtype,
        wide: bool,
        open_from: u64,
        kept_from: u64,
        ties: bool,
    ) -> Self {
        let below = |from: u64| {
            let limit = dtype.infinity() + 1;
            let first = if wide { dtype.narrow(from) } else { from.min(limit) };
            i64::try_from(first).expect("keys have at most 63 bits") - 1
        };
        Self {
            nan: below(u64::MAX),
            kept: below(kept_from),
            open: below(open_from),
            ties: ties
                .then(|| (below(kept_from.saturating_add(1)), below(open_from.saturating_sub(1)))),
        }
    }
}

/// What is looked at besides the weights, and where results go.
pub(crate) struct Look<'a> {
    /// One bit per weight: which of them compete. None: all.
    pub(crate) within: Option<&'a [u64]>,
    /// One word per 64 weights: set to those kept.
    pub(crate) kept: &'a mut [u64],
    /// Filled from the front with number and bits of each word that has open weights; must have
    /// a place for each word.
    pub(crate) open: &'a mut [(u32, u64)],
}

/// How many competing weights lie where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Whether any is not a number.
    pub(crate) nan: bool,
    /// Surely kept.
    pub(crate) kept: u64,
    /// Open.
    pub(crate) open: u64,
    /// Kept, and not at the lowest key that is. 0 unless ties were asked for.
    pub(crate) over_kept: u64,
    /// Kept, open, or at the key next below. 0 unless ties were asked for.
    pub(crate) under_open: u64,
    /// Entries used of [`Look::open`].
    pub(crate) open_words: usize,
}

/// The five comparisons of up to 64 weights, a bit each: greater than `nan`, `kept`, `open` and
/// the two `ties`.
pub(crate) type Block = [u64; 5];

/// Runs over all blocks. `TIES` says whether the last two of a [`Block`] mean anything.
#[inline(always)]
#[allow(clippy::inline_always)] // it must become part of a function with the target's features
pub(crate) fn drive<const TIES: bool>(
    len: usize,
    at: Look<'_>,
    mut block: impl FnMut(usize) -> Block,
    mut tail: impl FnMut(usize) -> Block,
) -> Tally {
    let mut tally = Tally::default();
    let mut nan = 0;
    let words = len.div_ceil(64);
    let Look { within, kept, open } = at;
    let (kept, open) = (&mut kept[..words], &mut open[..words]);
    let within = within.map(|within| &within[..words]);
    for i in 0..words {
        let masks = if i < len / 64 { block(i) } else { tail(i) };
        let competing = within.map_or(u64::MAX, |within| within[i]);
        let [is_nan, is_kept, is_open, over, under] = masks.map(|mask| mask & competing);
        nan |= is_nan;
        kept[i] = is_kept;
        tally.kept += u64::from(is_kept.count_ones());
        if TIES {
            tally.over_kept += u64::from(over.count_ones());
            tally.under_open += u64::from(under.count_ones());
        }
        // Open weights are few and fall anywhere, so a branch would be mispredicted.
        let left = is_open & !is_kept;
        tally.open += u64::from(left.count_ones());
        #[allow(clippy::cast_possible_truncation)] // a chunk has fewer than 2^32 words
        {
            open[tally.open_words] = (i as u32, left);
        }
        tally.open_words += usize::from(left != 0);
    }
    tally.nan = nan != 0;
    tally
}

/// The comparisons of a block one weight at a time.
#[inline(always)]
#[allow(clippy::inline_always)] // as above
pub(crate) fn compare<T: Copy>(values: &[T], cuts: Cuts, key: impl Fn(T) -> i64) -> Block {
    let (over, under) = cuts.ties.unwrap_or((cuts.kept, cuts.open));
    let mut masks = [0; 5];
    for (mask, cut) in masks.iter_mut().zip([cuts.nan, cuts.kept, cuts.open, over, under]) {
        for (bit, &value) in values.iter().enumerate() {
            *mask |= u64::from(key(value) > cut) << bit;
        }
    }
    masks
}
