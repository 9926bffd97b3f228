//! 512-bit vectors: a comparison gives its bits directly.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_and_si512, _mm512_cmpgt_epi16_mask,
    _mm512_cmpgt_epi32_mask, _mm512_cmpgt_epi64_mask, _mm512_loadu_si512, _mm512_max_epi16,
    _mm512_max_epi32, _mm512_max_epi64, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64,
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

#[target_feature(enable = "avx512f,avx512bw")]
fn keys<T, const N: usize>(values: &[T; N], magnitude: __m512i) -> __m512i {
    const { assert!(size_of::<[T; N]>() == 64) };
    // SAFETY: an array of 64 bytes; the load asks for no alignment.
    let raw = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
    _mm512_and_si512(raw, magnitude)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn greater_64(keys: __m512i, cut: __m512i) -> u64 {
    u64::from(_mm512_cmpgt_epi64_mask(keys, cut))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn greater_32(keys: __m512i, cut: __m512i) -> u64 {
    u64::from(_mm512_cmpgt_epi32_mask(keys, cut))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn greater_16(keys: __m512i, cut: __m512i) -> u64 {
    u64::from(_mm512_cmpgt_epi16_mask(keys, cut))
}

kernels! {
    "avx512f,avx512bw,popcnt", prefetch,
    over_64: 8 i64, _mm512_set1_epi64, keys, greater_64, _mm512_max_epi64;
    over_32: 16 i32, _mm512_set1_epi32, keys, greater_32, _mm512_max_epi32;
    over_16: 32 i16, _mm512_set1_epi16, keys, greater_16, _mm512_max_epi16;
}
