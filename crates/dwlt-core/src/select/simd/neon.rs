//! ARM's 128-bit vectors: a comparison fills lanes, each is cut to a bit of its own and summed.

use std::arch::aarch64::{
    int16x8_t, int32x4_t, int64x2_t, vaddvq_u16, vaddvq_u32, vaddvq_u64, vandq_s16, vandq_s32,
    vandq_s64, vandq_u16, vandq_u32, vandq_u64, vbslq_s64, vcgtq_s16, vcgtq_s32, vcgtq_s64,
    vdupq_n_s16, vdupq_n_s32, vdupq_n_s64, vld1q_s16, vld1q_s32, vld1q_s64, vld1q_u16, vld1q_u32,
    vld1q_u64, vmaxq_s16, vmaxq_s32,
};

use super::driver::{Block, Cuts, Tally, Words, drive, kernels};
use crate::select::input::Values;
use crate::select::keys::Element;

/// The functions of one width: a vector's weights without their signs, and a bit for each that is
/// greater than a cut.
macro_rules! lanes {
    (
        $keys:ident, $greater:ident, $lanes:literal, $int:ty, $uint:ty, $bits:expr, $load:ident,
        $and:ident, $load_bits:ident, $cut:ident, $and_bits:ident, $sum:ident
    ) => {
        #[target_feature(enable = "neon")]
        fn $keys<T>(values: &[T; $lanes], magnitude: $int) -> $int {
            const { assert!(size_of::<[T; $lanes]>() == 16) };
            // SAFETY: an array of 16 bytes, aligned for its elements.
            $and(unsafe { $load(values.as_ptr().cast()) }, magnitude)
        }

        #[target_feature(enable = "neon")]
        fn $greater(keys: $int, cut: $int) -> u64 {
            const BITS: [$uint; $lanes] = $bits;
            // SAFETY: an array of 16 bytes.
            let bits = unsafe { $load_bits(BITS.as_ptr()) };
            u64::from($sum($and_bits($cut(keys, cut), bits)))
        }
    };
}

lanes!(
    keys_64,
    greater_64,
    2,
    int64x2_t,
    u64,
    [1, 2],
    vld1q_s64,
    vandq_s64,
    vld1q_u64,
    vcgtq_s64,
    vandq_u64,
    vaddvq_u64
);
lanes!(
    keys_32,
    greater_32,
    4,
    int32x4_t,
    u32,
    [1, 2, 4, 8],
    vld1q_s32,
    vandq_s32,
    vld1q_u32,
    vcgtq_s32,
    vandq_u32,
    vaddvq_u32
);
lanes!(
    keys_16,
    greater_16,
    8,
    int16x8_t,
    u16,
    [1, 2, 4, 8, 16, 32, 64, 128],
    vld1q_s16,
    vandq_s16,
    vld1q_u16,
    vcgtq_s16,
    vandq_u16,
    vaddvq_u16
);

/// Does nothing: the hardware's own prefetching suffices.
fn prefetch<T>(_: &[T; 64]) {}

/// The larger of each two; there is no instruction for this width.
#[target_feature(enable = "neon")]
fn larger_64(a: int64x2_t, b: int64x2_t) -> int64x2_t {
    vbslq_s64(vcgtq_s64(b, a), b, a)
}

kernels! {
    "neon", prefetch,
    over_64: 2 i64, vdupq_n_s64, keys_64, greater_64, larger_64;
    over_32: 4 i32, vdupq_n_s32, keys_32, greater_32, vmaxq_s32;
    over_16: 8 i16, vdupq_n_s16, keys_16, greater_16, vmaxq_s16;
}
