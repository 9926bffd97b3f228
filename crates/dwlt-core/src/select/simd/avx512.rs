//! 512-bit vectors: a comparison gives its bits directly.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_and_si512, _mm512_cmpgt_epi16_mask,
    _mm512_cmpgt_epi32_mask, _mm512_cmpgt_epi64_mask, _mm512_loadu_si512, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_set1_epi64,
};

use super::driver::{Block, Cuts, Look, Tally, compare, drive};
use super::scalar::key;
use crate::select::input::Values;
use crate::select::keys::Element;

/// Bytes between what is compared and what is asked for.
const AHEAD: usize = 4096;

/// # Safety
/// The machine must have AVX-512 F and BW and POPCNT.
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
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
    ($name:ident, $lanes:literal, $int:ty, $set:ident, $greater:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,popcnt")]
        #[allow(clippy::cast_possible_truncation)] // cuts have the bits of the weights' keys
        fn $name<const TIES: bool, T: Element>(values: &[T], cuts: Cuts, at: Look<'_>) -> Tally {
            const { assert!(size_of::<T>() * $lanes == 64) };
            let magnitude = $set(<$int>::MAX);
            let (over, under) = cuts.ties.unwrap_or((0, 0));
            let [nan, kept, open, over, under] =
                [cuts.nan, cuts.kept, cuts.open, over, under].map(|cut| $set(cut as $int));
            let load = |i: usize, part: usize| -> __m512i {
                let values: &[T; $lanes] =
                    values[i * 64 + part * $lanes..].first_chunk().expect("a whole block");
                // SAFETY: an array of 64 bytes; the load asks for no alignment.
                let raw = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
                // The hardware stops looking ahead at the end of a page. A hint reads nothing, so
                // it may lie beyond the weights.
                _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_byte_add(AHEAD).cast());
                _mm512_and_si512(raw, magnitude)
            };
            let tail = |i: usize| compare(&values[i * 64..], cuts, key);
            let block = |i: usize| -> Block {
                let mut masks = [0_u64; 5];
                for part in 0..64 / $lanes {
                    let keys = load(i, part);
                    let shift = part * $lanes;
                    masks[0] |= u64::from($greater(keys, nan)) << shift;
                    masks[1] |= u64::from($greater(keys, kept)) << shift;
                    masks[2] |= u64::from($greater(keys, open)) << shift;
                    if TIES {
                        masks[3] |= u64::from($greater(keys, over)) << shift;
                        masks[4] |= u64::from($greater(keys, under)) << shift;
                    }
                }
                masks
            };
            drive::<TIES>(values.len(), at, block, tail)
        }
    };
}

over!(over_64, 8, i64, _mm512_set1_epi64, _mm512_cmpgt_epi64_mask);
over!(over_32, 16, i32, _mm512_set1_epi32, _mm512_cmpgt_epi32_mask);
over!(over_16, 32, i16, _mm512_set1_epi16, _mm512_cmpgt_epi16_mask);
