//! Magnitudes as integers of the same order.
//!
//! The bits of an IEEE number without its sign, read as an integer, grow with its magnitude:
//! zeros are 0 whatever their sign, infinity is the largest number, NaNs lie beyond it.

use half::{bf16, f16};

/// Bits of the key that compares magnitudes across element types: an f64 without its sign.
pub(crate) const WIDE_BITS: u32 = 63;

/// A type of weight.
pub(crate) trait Element: Copy {
    /// Bits of [`Element::key`].
    const BITS: u32;

    /// The magnitude, comparable among weights of this type.
    fn key(self) -> u64;

    /// The magnitude, comparable among weights of all types: every one is exact in an f64.
    fn wide_key(self) -> u64;

    /// Whether this is not a number.
    fn is_nan(self) -> bool;
}

macro_rules! element {
    ($type:ty, $bits:literal, $to_f64:expr) => {
        impl Element for $type {
            const BITS: u32 = $bits;

            #[inline]
            fn key(self) -> u64 {
                u64::from(self.to_bits()) & ((1 << $bits) - 1)
            }

            #[inline]
            fn wide_key(self) -> u64 {
                let to_f64: fn($type) -> f64 = $to_f64;
                to_f64(self).to_bits() & ((1 << WIDE_BITS) - 1)
            }

            #[inline]
            fn is_nan(self) -> bool {
                <$type>::is_nan(self)
            }
        }
    };
}

element!(f64, 63, |x| x);
element!(f32, 31, f64::from);
element!(f16, 15, f16::to_f64);
element!(bf16, 15, bf16::to_f64);
