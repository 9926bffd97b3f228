//! ARM's 128-bit vectors: a comparison fills lanes, each is cut to a bit of its own and summed.

use std::arch::aarch64::{
    uint16x8_t, uint32x4_t, uint64x2_t, vaddvq_u16, vaddvq_u32, vaddvq_u64, vandq_u16, vandq_u32,
    vandq_u64, vcgtq_s16, vcgtq_s32, vcgtq_s64, vdupq_n_s16, vdupq_n_s32, vdupq_n_s64, vdupq_n_u16,
    vdupq_n_u32, vdupq_n_u64, vld1q_u16, vld1q_u32, vld1q_u64, vreinterpretq_s16_u16,
    vreinterpretq_s32_u32, vreinterpretq_s64_u64,
};

use super::driver::{Block, Cuts, Look, Tally, compare, drive};
use super::scalar::key;
use crate::select::input::Values;
use crate::select::keys::Element;

/// # Safety
/// The machine must have NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn look(values: Values<'_>, cuts: Cuts, at: Look<'_>) -> Tally {
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

/// A function over weights of one width. `$lanes` weights fill a vector; the magnitude is all
/// but the highest bit.
macro_rules! over {
    (
        $name:ident, $lanes:literal, $int:ty, $uint:ty, $vector:ty, $weights:expr,
        $load:ident, $and:ident, $dup_u:ident, $dup_s:ident, $signed:ident, $greater:ident,
        $sum:ident
    ) => {
        #[target_feature(enable = "neon")]
        #[allow(clippy::cast_possible_truncation)] // cuts have the bits of the weights' keys
        #[allow(clippy::cast_sign_loss)] // the largest signed number is all bits but the sign
        fn $name<const TIES: bool, T: Element>(values: &[T], cuts: Cuts, at: Look<'_>) -> Tally {
            const WEIGHTS: [$uint; $lanes] = $weights;
            const { assert!(size_of::<T>() * $lanes == 16) };
            // SAFETY: an array of 16 bytes.
            let weights: $vector = unsafe { $load(WEIGHTS.as_ptr()) };
            let magnitude = $dup_u(<$int>::MAX as $uint);
            let (over, under) = cuts.ties.unwrap_or((0, 0));
            let [nan, kept, open, over, under] =
                [cuts.nan, cuts.kept, cuts.open, over, under].map(|cut| $dup_s(cut as $int));
            let load = |i: usize, part: usize| -> $vector {
                let values: &[T; $lanes] =
                    values[i * 64 + part * $lanes..].first_chunk().expect("a whole block");
                // SAFETY: an array of 16 bytes, aligned for its elements.
                $and(unsafe { $load(values.as_ptr().cast()) }, magnitude)
            };
            let tail = |i: usize| compare(&values[i * 64..], cuts, key);
            let block = |i: usize| -> Block {
                let mut masks = [0_u64; 5];
                for part in 0..64 / $lanes {
                    let keys = $signed(load(i, part));
                    let shift = part * $lanes;
                    let bits = |cut| u64::from($sum($and($greater(keys, cut), weights))) << shift;
                    masks[0] |= bits(nan);
                    masks[1] |= bits(kept);
                    masks[2] |= bits(open);
                    if TIES {
                        masks[3] |= bits(over);
                        masks[4] |= bits(under);
                    }
                }
                masks
            };
            drive::<TIES>(values.len(), at, block, tail)
        }
    };
}

over!(
    over_64,
    2,
    i64,
    u64,
    uint64x2_t,
    [1, 2],
    vld1q_u64,
    vandq_u64,
    vdupq_n_u64,
    vdupq_n_s64,
    vreinterpretq_s64_u64,
    vcgtq_s64,
    vaddvq_u64
);
over!(
    over_32,
    4,
    i32,
    u32,
    uint32x4_t,
    [1, 2, 4, 8],
    vld1q_u32,
    vandq_u32,
    vdupq_n_u32,
    vdupq_n_s32,
    vreinterpretq_s32_u32,
    vcgtq_s32,
    vaddvq_u32
);
over!(
    over_16,
    8,
    i16,
    u16,
    uint16x8_t,
    [1, 2, 4, 8, 16, 32, 64, 128],
    vld1q_u16,
    vandq_u16,
    vdupq_n_u16,
    vdupq_n_s16,
    vreinterpretq_s16_u16,
    vcgtq_s16,
    vaddvq_u16
);
