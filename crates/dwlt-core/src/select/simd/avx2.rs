//! 256-bit vectors: a comparison fills lanes, whose sign bits are then gathered.

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_and_si256, _mm256_blendv_epi8, _mm256_castsi256_pd,
    _mm256_castsi256_ps, _mm256_cmpgt_epi16, _mm256_cmpgt_epi32, _mm256_cmpgt_epi64,
    _mm256_loadu_si256, _mm256_max_epi16, _mm256_max_epi32, _mm256_movemask_epi8,
    _mm256_movemask_pd, _mm256_movemask_ps, _mm256_packs_epi16, _mm256_permute4x64_epi64,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setzero_si256,
};

use super::driver::{Block, Cuts, Tally, Words, drive, kernels};
use crate::select::input::Values;
use crate::select::keys::Element;

fn prefetch<T>(values: &[T; 64]) {
    for line in 0..size_of::<[T; 64]>() / 64 {
        // SAFETY: a hint reads nothing; every machine with AVX has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_byte_add(line * 64).cast()) };
    }
}

#[target_feature(enable = "avx2")]
fn keys<T, const N: usize>(values: &[T; N], magnitude: __m256i) -> __m256i {
    const { assert!(size_of::<[T; N]>() == 32) };
    // SAFETY: an array of 32 bytes; the load asks for no alignment.
    let raw = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
    _mm256_and_si256(raw, magnitude)
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

/// The larger of each two; there is no instruction for this width.
#[target_feature(enable = "avx2")]
fn larger_64(a: __m256i, b: __m256i) -> __m256i {
    _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(b, a))
}

kernels! {
    "avx2,popcnt", prefetch,
    over_64: 4 i64, _mm256_set1_epi64x, keys, greater_64, larger_64;
    over_32: 8 i32, _mm256_set1_epi32, keys, greater_32, _mm256_max_epi32;
    over_16: 16 i16, _mm256_set1_epi16, keys, greater_16, _mm256_max_epi16;
}
