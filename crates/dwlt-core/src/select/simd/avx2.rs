//! 256-bit vectors: a comparison fills lanes, whose sign bits are then gathered.

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_and_si256, _mm256_castsi256_pd, _mm256_castsi256_ps,
    _mm256_cmpgt_epi16, _mm256_cmpgt_epi32, _mm256_cmpgt_epi64, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_movemask_pd, _mm256_movemask_ps, _mm256_packs_epi16,
    _mm256_permute4x64_epi64, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_setzero_si256,
};

use super::driver::{Block, Cuts, Look, Tally, compare, drive};
use super::scalar::key;
use crate::select::input::Values;
use crate::select::keys::Element;

/// Bytes between what is compared and what is asked for.
const AHEAD: usize = 4096;

/// # Safety
/// The machine must have AVX2 and POPCNT.
#[target_feature(enable = "avx2,popcnt")]
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

#[target_feature(enable = "avx2")]
#[allow(clippy::cast_sign_loss)] // four bits
fn greater_64(keys: __m256i, cut: __m256i) -> u64 {
    u64::from(_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(keys, cut))) as u32)
}

#[target_feature(enable = "avx2")]
#[allow(clippy::cast_sign_loss)] // eight bits
fn greater_32(keys: __m256i, cut: __m256i) -> u64 {
    u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(keys, cut))) as u32)
}

#[target_feature(enable = "avx2")]
#[allow(clippy::cast_sign_loss)] // sixteen bits are left
fn greater_16(keys: __m256i, cut: __m256i) -> u64 {
    // Packing works within each half of a vector; the permutation puts the halves in order.
    let lanes = _mm256_packs_epi16(_mm256_cmpgt_epi16(keys, cut), _mm256_setzero_si256());
    let lanes = _mm256_permute4x64_epi64::<0b11_01_10_00>(lanes);
    u64::from(_mm256_movemask_epi8(lanes) as u32)
}

/// A function over weights of one width. `$lanes` weights fill a vector; the magnitude is all
/// but the highest bit.
macro_rules! over {
    ($name:ident, $lanes:literal, $int:ty, $set:ident, $greater:ident) => {
        #[target_feature(enable = "avx2,popcnt")]
        #[allow(clippy::cast_possible_truncation)] // cuts have the bits of the weights' keys
        fn $name<const TIES: bool, T: Element>(values: &[T], cuts: Cuts, at: Look<'_>) -> Tally {
            const { assert!(size_of::<T>() * $lanes == 32) };
            let magnitude = $set(<$int>::MAX);
            let (over, under) = cuts.ties.unwrap_or((0, 0));
            let [nan, kept, open, over, under] =
                [cuts.nan, cuts.kept, cuts.open, over, under].map(|cut| $set(cut as $int));
            let load = |i: usize, part: usize| -> __m256i {
                let values: &[T; $lanes] =
                    values[i * 64 + part * $lanes..].first_chunk().expect("a whole block");
                // SAFETY: an array of 32 bytes; the load asks for no alignment.
                let raw = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
                // The hardware stops looking ahead at the end of a page. A hint reads nothing, so
                // it may lie beyond the weights.
                _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_byte_add(AHEAD).cast());
                _mm256_and_si256(raw, magnitude)
            };
            let tail = |i: usize| compare(&values[i * 64..], cuts, key);
            let block = |i: usize| -> Block {
                let mut masks = [0_u64; 5];
                for part in 0..64 / $lanes {
                    let keys = load(i, part);
                    let shift = part * $lanes;
                    masks[0] |= $greater(keys, nan) << shift;
                    masks[1] |= $greater(keys, kept) << shift;
                    masks[2] |= $greater(keys, open) << shift;
                    if TIES {
                        masks[3] |= $greater(keys, over) << shift;
                        masks[4] |= $greater(keys, under) << shift;
                    }
                }
                masks
            };
            drive::<TIES>(values.len(), at, block, tail)
        }
    };
}

over!(over_64, 4, i64, _mm256_set1_epi64x, greater_64);
over!(over_32, 8, i32, _mm256_set1_epi32, greater_32);
over!(over_16, 16, i16, _mm256_set1_epi16, greater_16);
