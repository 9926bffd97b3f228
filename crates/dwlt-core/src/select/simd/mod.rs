//! Classifies up to a chunk of weights: which are surely kept, which are open, how many of each.
//!
//! The same function for every instruction set, chosen at run time; all give the same bits.
//! This module and its children hold the core's `unsafe` code for SIMD.
#![allow(unsafe_code)]

mod driver;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub(crate) use driver::{Cuts, Tally, Words};

use crate::select::input::Values;

/// An instruction set that the kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Simd {
    /// Plain Rust, on every machine.
    Scalar,
    /// ARM's 128-bit vectors.
    Neon,
    /// Intel's and AMD's 256-bit vectors.
    Avx2,
    /// Intel's and AMD's 512-bit vectors with masks.
    Avx512,
}

impl Simd {
    /// The instruction sets of this machine, the fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::Scalar];
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self::Neon);
        }
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("popcnt")
            {
                found.push(Self::Avx2);
                if std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                {
                    found.push(Self::Avx512);
                }
            }
        }
        found
    }

    /// The one to use: `asked` if this machine has it, otherwise the fastest.
    pub(crate) fn choose(asked: Option<Self>) -> Self {
        let available = Self::available();
        let fastest = available[available.len() - 1];
        asked.filter(|simd| available.contains(simd)).unwrap_or(fastest)
    }
}

/// Asks memory for weights that will be due soon, on machines where that can be asked.
pub(crate) fn prefetch(values: Values<'_>) {
    fn lines<T>(values: &[T]) {
        for line in 0..size_of_val(values).div_ceil(64) {
            let place = values.as_ptr().wrapping_byte_add(line * 64);
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a hint reads nothing, and every such machine has it.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = place;
        }
    }
    match values {
        Values::F64(values) => lines(values),
        Values::F32(values) => lines(values),
        Values::F16(values) => lines(values),
        Values::Bf16(values) => lines(values),
    }
}

/// Classifies the weights by `cuts` and writes a word of kept ones for each 64 of them.
///
/// `simd` must come from [`Simd::choose`].
pub(crate) fn classify(simd: Simd, values: Values<'_>, cuts: Cuts, at: Words<'_>) -> Tally {
    match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `choose` gives these only where the machine has the features.
        Simd::Avx512 => unsafe { avx512::classify(values, cuts, at) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Simd::Avx2 => unsafe { avx2::classify(values, cuts, at) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Simd::Neon => unsafe { neon::classify(values, cuts, at) },
        _ => scalar::classify(values, cuts, at),
    }
}
