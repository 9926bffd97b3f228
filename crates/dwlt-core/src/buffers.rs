//! Memory that is read as numbers of another type than it was written as. With `select::simd`
//! the only place of the core that has `unsafe` code.
#![allow(unsafe_code)]

use half::{bf16, f16};

#[cfg(target_endian = "big")]
compile_error!("files hold little-endian numbers, which are read here without swapping bytes");

/// Room for numbers of any type, aligned for all of them.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    words: Vec<u64>,
}

/// A type of which every pattern of bits is a value, and which has no padding.
///
/// # Safety
/// Implemented only where that is so, for types that need no stricter alignment than `u64`.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: numbers; f16 and bf16 are transparent around u16.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for f16 {}
// SAFETY: as above.
unsafe impl Plain for bf16 {}
// SAFETY: as above.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for f64 {}

impl Buffer {
    /// The first `len` places as numbers of type `T`.
    pub(crate) fn view<T: Plain>(&self, len: usize) -> &[T] {
        assert!(len * size_of::<T>() <= self.words.len() * 8, "{len} places of the buffer");
        // SAFETY: the memory is initialised, long enough (just checked) and aligned for u64, so
        // for T; any bits are a T.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), len) }
    }

    /// The first `len` places as numbers of type `T`, to be filled; the buffer grows to hold them.
    pub(crate) fn view_mut<T: Plain>(&mut self, len: usize) -> &mut [T] {
        let words = (len * size_of::<T>()).div_ceil(8);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
        // SAFETY: as in `view`, borrowed mutably; any T leaves initialised words behind.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), len) }
    }
}

/// Words as the bytes that they are in memory, which is little-endian.
pub(crate) fn bytes_of(words: &[u64]) -> &[u8] {
    // SAFETY: u64 has no padding, and bytes need no alignment.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 8) }
}

/// As [`bytes_of`], to be filled.
pub(crate) fn bytes_of_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as above; any bytes make a u64.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 8) }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, bytes_of};

    #[test]
    fn bytes_become_numbers() {
        let mut buffer = Buffer::default();
        buffer.view_mut::<u8>(9).copy_from_slice(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 7]);
        assert_eq!(buffer.view::<f32>(2), [1.0, 2.0]);
        assert_eq!(buffer.view::<u8>(9)[8], 7);
        assert_eq!(bytes_of(&[0x0102]), [2, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "3 places")]
    fn what_was_never_filled_is_not_shown() {
        let mut buffer = Buffer::default();
        buffer.view_mut::<u8>(8);
        let _ = buffer.view::<f32>(3);
    }
}
