//! What all instruction sets share: the loop over blocks of 64 weights. Only the comparison of a
//! block differs.

use crate::select::input::Dtype;
use crate::select::keys::Element;

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
    /// None where the number of weights that lie exactly there is not needed.
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

/// The mask words that belong to the weights: one of input, two of output.
pub(crate) struct Words<'a> {
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
    /// Whether any is not a number, competing or not. If so, the caller checks the competing ones
    /// alone, since only those count.
    pub(crate) nan: bool,
    /// Surely kept.
    pub(crate) kept: u64,
    /// Open.
    pub(crate) open: u64,
    /// Kept, and not at the lowest key that is. 0 unless ties were asked for.
    pub(crate) over_kept: u64,
    /// Kept, open, or at the key next below. 0 unless ties were asked for.
    pub(crate) under_open: u64,
    /// Entries used of [`Words::open`].
    pub(crate) open_words: usize,
}

/// Comparisons of up to 64 weights, a bit each: greater than `kept`, `open` and the two `ties`.
pub(crate) type Block = [u64; 4];

/// Runs over all blocks of 64 weights; those left at the end are compared one at a time. `prefetch`
/// gets a block into the cache. `TIES` says whether the last two of a [`Block`] mean anything.
#[inline(always)]
#[allow(clippy::inline_always)] // it must become part of a function with the target's features
pub(crate) fn drive<const TIES: bool, T: Element>(
    values: &[T],
    cuts: Cuts,
    at: Words<'_>,
    prefetch: impl Fn(&[T; 64]),
    mut block: impl FnMut(&[T; 64]) -> Block,
) -> Tally {
    /// Bytes between what is compared and what is asked for.
    const AHEAD: usize = 4096;
    let mut tally = Tally::default();
    let words = values.len().div_ceil(64);
    let Words { within, kept, open } = at;
    let (kept, open) = (&mut kept[..words], &mut open[..words]);
    let within = within.map(|within| &within[..words]);
    let mut note = |tally: &mut Tally, i: usize, masks: Block| {
        let competing = within.map_or(u64::MAX, |within| within[i]);
        let [is_kept, is_open, over, under] = masks.map(|mask| mask & competing);
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
    };
    let (blocks, rest) = values.as_chunks::<64>();
    for (i, values) in blocks.iter().enumerate() {
        // The hardware stops looking ahead at the end of a page.
        if let Some(coming) = blocks.get(i + AHEAD / size_of::<[T; 64]>()) {
            prefetch(coming);
        }
        note(&mut tally, i, block(values));
    }
    if !rest.is_empty() {
        note(&mut tally, blocks.len(), compare(rest, cuts));
        tally.nan = has_nan(rest, cuts);
    }
    tally
}

/// The comparisons of a block one weight at a time.
#[inline(always)]
#[allow(clippy::inline_always)] // as above
pub(crate) fn compare<T: Element>(values: &[T], cuts: Cuts) -> Block {
    let (over, under) = cuts.ties.unwrap_or((cuts.kept, cuts.open));
    let mut masks = Block::default();
    for (mask, cut) in masks.iter_mut().zip([cuts.kept, cuts.open, over, under]) {
        for (bit, &value) in values.iter().enumerate() {
            *mask |= u64::from(signed(value) > cut) << bit;
        }
    }
    masks
}

/// Whether any weight is not a number.
pub(crate) fn has_nan<T: Element>(values: &[T], cuts: Cuts) -> bool {
    values.iter().any(|&value| signed(value) > cuts.nan)
}

/// The key, which has at most 63 bits, as a signed number.
#[allow(clippy::cast_possible_wrap)]
#[inline]
fn signed<T: Element>(value: T) -> i64 {
    value.key() as i64
}

/// Makes the functions of one instruction set from what differs: its features, how to get a block
/// of weights into the cache, and for each width of weights how many fill a vector, the integer
/// that they are compared as, and four functions: a vector of one number; a vector's weights
/// without their signs; a bit for each of those that is greater than a cut; the larger of each
/// two.
macro_rules! kernels {
    (
        $features:literal, $prefetch:ident,
        $($over:ident: $lanes:literal $int:ty, $splat:ident, $keys:ident, $greater:ident,
        $larger:ident;)*
    ) => {
        /// # Safety
        /// The machine must have the features.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn classify(values: Values<'_>, cuts: Cuts, at: Words<'_>) -> Tally {
            let ties = cuts.ties.is_some();
            match values {
                Values::F64(values) if ties => over_64::<true, _>(values, cuts, at),
                Values::F64(values) => over_64::<false, _>(values, cuts, at),
                Values::F32(values) if ties => over_32::<true, _>(values, cuts, at),
                Values::F32(values) => over_32::<false, _>(values, cuts, at),
                Values::F16(values) if ties => over_16::<true, _>(values, cuts, at),
                Values::F16(values) => over_16::<false, _>(values, cuts, at),
                Values::Bf16(values) if ties => over_16::<true, _>(values, cuts, at),
                Values::Bf16(values) => over_16::<false, _>(values, cuts, at),
            }
        }

        $(
            #[target_feature(enable = $features)]
            #[allow(clippy::cast_possible_truncation)] // cuts have the bits of the weights' keys
            fn $over<const TIES: bool, T: Element>(
                values: &[T],
                cuts: Cuts,
                at: Words<'_>,
            ) -> Tally {
                let magnitude = $splat(<$int>::MAX);
                let (over, under) = cuts.ties.unwrap_or((0, 0));
                let [nan, kept, open, over, under] =
                    [cuts.nan, cuts.kept, cuts.open, over, under].map(|cut| $splat(cut as $int));
                let mut largest = $splat(0);
                let block = |values: &[T; 64]| -> Block {
                    let mut masks = Block::default();
                    for (part, values) in values.as_chunks::<$lanes>().0.iter().enumerate() {
                        let keys = $keys(values, magnitude);
                        let shift = part * $lanes;
                        largest = $larger(largest, keys);
                        masks[0] |= $greater(keys, kept) << shift;
                        masks[1] |= $greater(keys, open) << shift;
                        if TIES {
                            masks[2] |= $greater(keys, over) << shift;
                            masks[3] |= $greater(keys, under) << shift;
                        }
                    }
                    masks
                };
                let mut tally = drive::<TIES, T>(values, cuts, at, $prefetch, block);
                tally.nan |= $greater(largest, nan) != 0;
                tally
            }
        )*
    };
}

pub(super) use kernels;
