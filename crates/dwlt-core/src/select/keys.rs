//! Magnitudes as integers of the same order.
//!
//! The bits of an IEEE number without its sign, read as an integer, grow with its magnitude:
//! zeros are 0 whatever their sign, infinity is the largest number, NaNs lie beyond it.

use half::{bf16, f16};

use crate::select::input::Dtype;

/// Bits of the key that compares magnitudes across element types: an f64 without its sign.
pub(crate) const WIDE_BITS: u32 = 63;

/// A type of weight.
pub(crate) trait Element: Copy {
    /// The magnitude, comparable among weights of this type.
    fn key(self) -> u64;

    /// The magnitude, comparable among weights of all types: every one is exact in an f64.
    fn wide_key(self) -> u64;

    /// The key of infinity; those above it are NaN.
    fn infinity() -> u64;
}

macro_rules! element {
    ($type:ty, $dtype:ident, $to_f64:expr) => {
        impl Element for $type {
            #[inline]
            fn key(self) -> u64 {
                u64::from(self.to_bits()) & ((1 << Dtype::$dtype.key_bits()) - 1)
            }

            #[inline]
            fn wide_key(self) -> u64 {
                let to_f64: fn($type) -> f64 = $to_f64;
                to_f64(self).to_bits() & ((1 << WIDE_BITS) - 1)
            }

            #[inline]
            fn infinity() -> u64 {
                Dtype::$dtype.infinity()
            }
        }
    };
}

element!(f64, F64, |x| x);
element!(f32, F32, f64::from);
element!(f16, F16, f16::to_f64);
element!(bf16, Bf16, bf16::to_f64);

impl Dtype {
    /// Bits of a weight's magnitude: all but the sign.
    pub(crate) const fn key_bits(self) -> u32 {
        match self {
            Self::F64 => 63,
            Self::F32 => 31,
            Self::F16 | Self::Bf16 => 15,
        }
    }

    /// The key of infinity; those above it are NaN.
    pub(crate) const fn infinity(self) -> u64 {
        match self {
            Self::F64 => 0x7ff << 52,
            Self::F32 => 0xff << 23,
            Self::F16 => 0x1f << 10,
            Self::Bf16 => 0xff << 7,
        }
    }

    /// The wide key of a weight of this type that has this key.
    #[allow(clippy::cast_possible_truncation)] // keys have at most the type's bits
    fn widen(self, key: u64) -> u64 {
        match self {
            Self::F64 => key,
            Self::F32 => f32::from_bits(key as u32).wide_key(),
            Self::F16 => f16::from_bits(key as u16).wide_key(),
            Self::Bf16 => bf16::from_bits(key as u16).wide_key(),
        }
    }

    /// The smallest key of this type whose wide key is at least `wide`; one beyond infinity's
    /// where there is none.
    pub(crate) fn narrow(self, wide: u64) -> u64 {
        let (mut from, mut to) = (0, self.infinity() + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.widen(middle) >= wide { to = middle } else { from = middle + 1 }
        }
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_finds_the_first_key_that_reaches() {
        let wide = |x: f64| x.wide_key();
        assert_eq!(Dtype::F32.narrow(wide(1.5)), 1.5_f32.key());
        assert_eq!(Dtype::F32.narrow(wide(1.5) + 1), 1.5_f32.key() + 1);
        assert_eq!(Dtype::F16.narrow(wide(1e6)), f16::INFINITY.key());
        assert_eq!(Dtype::Bf16.narrow(wide(0.0)), 0);
        assert_eq!(Dtype::Bf16.narrow(wide(f64::INFINITY) + 1), bf16::INFINITY.key() + 1);
        assert_eq!(Dtype::F64.narrow(7), 7);
    }
}
