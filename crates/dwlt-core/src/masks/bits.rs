//! Packed bits: 64 to a word, least significant first; what lies beyond the length is zero.

use crate::{buffers, parallel};

/// Bits per unit of work when many are packed or unpacked.
const PIECE: usize = 1 << 20;

/// The eight bits of each byte as booleans.
const UNPACKED: [[bool; 8]; 256] = {
    let mut table = [[false; 8]; 256];
    let mut i = 0;
    while i < 256 * 8 {
        table[i / 8][i % 8] = ((i / 8) >> (i % 8)) & 1 == 1;
        i += 1;
    }
    table
};

/// Threads for so many bits: starting one for a few would take longer than the work.
fn pieces(len: usize) -> usize {
    if len > PIECE { parallel::threads(None) } else { 1 }
}

/// Up to 64 booleans as a word.
fn pack(values: &[bool]) -> u64 {
    let mut word = 0;
    for (i, eight) in values.chunks(8).enumerate() {
        let byte = match eight.first_chunk::<8>() {
            // The product moves the lowest bit of byte i to bit 56 + i; nothing else meets there.
            Some(eight) => {
                u64::from_le_bytes(eight.map(u8::from)).wrapping_mul(0x0102_0408_1020_4080) >> 56
            }
            None => eight.iter().rev().fold(0, |byte, &bit| byte << 1 | u64::from(bit)),
        };
        word |= byte << (i * 8);
    }
    word
}

/// A fixed number of bits. Equality and counts rely on the unused bits of the last word being 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    len: usize,
    words: Vec<u64>,
}

impl Bits {
    /// `len` bits, all 0.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self { len, words: vec![0; len.div_ceil(64)] }
    }

    /// `len` bits, all 1.
    #[must_use]
    pub fn ones(len: usize) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let Some(last) = words.last_mut() {
            *last = tail(len);
        }
        Self { len, words }
    }

    /// Bits from booleans.
    #[must_use]
    pub fn from_bools(values: &[bool]) -> Self {
        let mut bits = Self::zeros(values.len());
        let work = values.chunks(PIECE).zip(bits.words.chunks_mut(PIECE / 64)).collect();
        parallel::share(
            pieces(values.len()),
            work,
            || (),
            |(), (values, words)| {
                for (values, word) in values.chunks(64).zip(words) {
                    *word = pack(values);
                }
            },
        );
        bits
    }

    /// Bits from `ceil(len / 8)` bytes, bit `i % 8` of byte `i / 8`.
    ///
    /// # Panics
    /// If there are more or fewer bytes than that.
    ///
    /// Returns None where a bit beyond `len` is set.
    #[must_use]
    pub fn from_bytes(len: usize, bytes: &[u8]) -> Option<Self> {
        assert_eq!(bytes.len(), len.div_ceil(8), "byte count of {len} bits");
        let filled: Result<_, std::convert::Infallible> = Self::filled(len, |room| {
            room.copy_from_slice(bytes);
            Ok(())
        });
        let Ok(bits) = filled;
        bits
    }

    /// Bits whose `ceil(len / 8)` bytes `fill` writes; None where a bit beyond `len` is set.
    pub(crate) fn filled<E>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Option<Self>, E> {
        let mut bits = Self::zeros(len);
        fill(&mut buffers::bytes_of_mut(&mut bits.words)[..len.div_ceil(8)])?;
        Ok(match bits.words.last() {
            Some(last) if last & !tail(len) != 0 => None,
            _ => Some(bits),
        })
    }

    /// The `ceil(len / 8)` bytes, bit `i % 8` of byte `i / 8`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &buffers::bytes_of(&self.words)[..self.len.div_ceil(8)]
    }

    /// Writes each bit as a boolean.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn unpack(&self, out: &mut [bool]) {
        assert_eq!(out.len(), self.len, "bits to unpack");
        let work = out.chunks_mut(PIECE).zip(self.as_bytes().chunks(PIECE / 8)).collect();
        parallel::share(
            pieces(self.len),
            work,
            || (),
            |(), (out, bytes): (&mut [bool], &[u8])| {
                for (slots, &byte) in out.chunks_mut(8).zip(bytes) {
                    slots.copy_from_slice(&UNPACKED[byte as usize][..slots.len()]);
                }
            },
        );
    }

    /// Number of bits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no bit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of bits that are 1.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The words, the first bit in the lowest place of the first.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The words, for kernels that fill them. They must leave the bits beyond the length at 0.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Combines two equally long runs of bits word by word. `op` must map (0, 0) to 0.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn combine(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        assert_eq!(self.len, other.len, "bits to combine");
        let words = self.words.iter().zip(&other.words).map(|(&a, &b)| op(a, b)).collect();
        Self { len: self.len, words }
    }
}

/// The bits of the last word that are in use when there are `len` bits.
fn tail(len: usize) -> u64 {
    match len % 64 {
        0 => u64::MAX,
        used => u64::MAX >> (64 - used),
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn bit_i_is_bit_i_mod_8_of_byte_i_div_8() {
        // 1 0 1 1 0 0 0 0 | 0 1 -> 0b00001101 = 13, 0b10 = 2
        let bools = [true, false, true, true, false, false, false, false, false, true];
        let bits = Bits::from_bools(&bools);
        assert_eq!(bits.as_bytes(), [13, 2]);
        assert_eq!(Bits::from_bytes(10, bits.as_bytes()), Some(bits.clone()));
        assert_eq!(bits.count(), 4);
        let mut back = [false; 10];
        bits.unpack(&mut back);
        assert_eq!(back, bools);
    }

    #[test]
    fn packing_and_unpacking_is_identity_at_every_remainder() {
        for len in (0..200).chain([(1 << 21) + 77]) {
            let bools: Vec<bool> = (0..len).map(|i: usize| i * i % 7 < 3).collect();
            let bits = Bits::from_bools(&bools);
            assert_eq!(bits.count(), bools.iter().filter(|&&bit| bit).count() as u64);
            let mut back = vec![true; len];
            bits.unpack(&mut back);
            assert_eq!(back, bools);
        }
    }

    #[test]
    fn set_padding_is_refused() {
        assert_eq!(Bits::from_bytes(10, &[0xff, 0b111]), None);
        assert!(Bits::from_bytes(10, &[0xff, 0b11]).is_some());
        assert!(Bits::from_bytes(0, &[]).is_some());
    }

    #[test]
    fn ones_count_their_length_at_every_remainder() {
        for len in 0..200 {
            let bits = Bits::ones(len);
            assert_eq!((bits.len(), bits.count()), (len, len as u64));
            assert_eq!(bits, Bits::from_bools(&vec![true; len]));
        }
    }
}
