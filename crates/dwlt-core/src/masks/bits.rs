//! Packed bits: 64 to a word, least significant first; what lies beyond the length is zero.

use crate::{buffers, parallel};

/// Bits per unit of work when many are packed or unpacked.
const PIECE: usize = 1 << 20;

/// Threads for so many bits: starting one for a few would take longer than the work.
fn pieces(len: usize) -> usize {
    if len > PIECE { parallel::threads(None) } else { 1 }
}

/// Booleans as words, 64 to each.
fn pack(values: &[bool], words: &mut [u64]) {
    let (blocks, rest) = values.as_chunks::<64>();
    for (block, word) in blocks.iter().zip(&mut *words) {
        let mut bytes = [0; 8];
        for (eight, byte) in block.as_chunks::<8>().0.iter().zip(&mut bytes) {
            // The product moves the lowest bit of byte i to bit 56 + i; nothing else meets there.
            let product =
                u64::from_le_bytes(eight.map(u8::from)).wrapping_mul(0x0102_0408_1020_4080);
            *byte = product.to_le_bytes()[7];
        }
        *word = u64::from_le_bytes(bytes);
    }
    if let Some(word) = words.get_mut(blocks.len()) {
        *word = rest.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
    }
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
            |(), (values, words)| pack(values, words),
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
        let filled: Result<_, std::convert::Infallible> = Self::filled(len, |at, room| {
            room.copy_from_slice(&bytes[at..at + room.len()]);
            Ok(())
        });
        let Ok(bits) = filled;
        bits
    }

    /// Bits whose `ceil(len / 8)` bytes `fill` writes, from several threads, a stretch from some
    /// byte on at a time; None where a bit beyond `len` is set.
    pub(crate) fn filled<E: Send>(
        len: usize,
        fill: impl Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<Option<Self>, E> {
        let mut bits = Self::zeros(len);
        let bytes = &mut buffers::bytes_of_mut(&mut bits.words)[..len.div_ceil(8)];
        let work = (0..).step_by(PIECE).zip(bytes.chunks_mut(PIECE)).collect();
        let new = || Ok(());
        let states = parallel::share(pieces(len / 8), work, new, |state, (at, bytes)| {
            if state.is_ok() {
                *state = fill(at, bytes);
            }
        });
        states.into_iter().collect::<Result<(), E>>()?;
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
        self.unpack_as(out, false, true);
    }

    /// Writes `zero` or `one` for each bit.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn unpack_as<T: Copy + Send + Sync>(&self, out: &mut [T], zero: T, one: T) {
        assert_eq!(out.len(), self.len, "bits to unpack");
        // What the eight bits of each byte become.
        let mut table = [[zero; 8]; 256];
        for (byte, slots) in table.iter_mut().enumerate() {
            for (bit, slot) in slots.iter_mut().enumerate() {
                *slot = if byte >> bit & 1 == 1 { one } else { zero };
            }
        }
        let work = out.chunks_mut(PIECE).zip(self.as_bytes().chunks(PIECE / 8)).collect();
        parallel::share(
            pieces(self.len),
            work,
            || (),
            |(), (out, bytes): (&mut [T], &[u8])| {
                let (eights, rest) = out.as_chunks_mut::<8>();
                for (slots, &byte) in eights.iter_mut().zip(bytes) {
                    *slots = table[usize::from(byte)];
                }
                if let Some(&byte) = bytes.get(eights.len()) {
                    rest.copy_from_slice(&table[usize::from(byte)][..rest.len()]);
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
        let work = self.words.chunks(PIECE / 8).collect();
        let count = |sum: &mut u64, words: &[u64]| {
            *sum += words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        };
        parallel::share(pieces(self.len / 16), work, || 0, count).iter().sum()
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
    fn bits_become_any_two_values() {
        for len in [0, 1, 7, 8, 77] {
            let bools: Vec<bool> = (0..len).map(|i: usize| i * i % 7 < 3).collect();
            let mut out = vec![9_u16; len];
            Bits::from_bools(&bools).unpack_as(&mut out, 3, 500);
            assert!(out.iter().zip(bools).all(|(&x, bit)| x == if bit { 500 } else { 3 }));
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
