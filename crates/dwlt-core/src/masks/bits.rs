//! Packed bits: 64 to a word, least significant first; what lies beyond the length is zero.

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
        let pack = |chunk: &[bool]| {
            chunk.iter().enumerate().fold(0, |word, (i, &bit)| word | (u64::from(bit) << i))
        };
        Self { len: values.len(), words: values.chunks(64).map(pack).collect() }
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
        let words: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            })
            .collect();
        match words.last() {
            Some(last) if last & !tail(len) != 0 => None,
            _ => Some(Self { len, words }),
        }
    }

    /// Hands out the `ceil(len / 8)` bytes in pieces, in order.
    pub fn for_each_bytes<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        const WORDS: usize = 1024;
        let mut buffer = [0; WORDS * 8];
        let mut left = self.len.div_ceil(8);
        for chunk in self.words.chunks(WORDS) {
            for (slot, word) in buffer.chunks_exact_mut(8).zip(chunk) {
                slot.copy_from_slice(&word.to_le_bytes());
            }
            let now = left.min(chunk.len() * 8);
            take(&buffer[..now])?;
            left -= now;
        }
        Ok(())
    }

    /// Writes each bit as a boolean.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn unpack(&self, out: &mut [bool]) {
        assert_eq!(out.len(), self.len, "bits to unpack");
        for (slots, word) in out.chunks_mut(64).zip(&self.words) {
            for (i, slot) in slots.iter_mut().enumerate() {
                *slot = word >> i & 1 == 1;
            }
        }
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
        let mut bytes = Vec::new();
        let copied: Result<(), ()> = bits.for_each_bytes(|piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!((copied, bytes.as_slice()), (Ok(()), &[13, 2][..]));
        assert_eq!(Bits::from_bytes(10, &bytes), Some(bits.clone()));
        assert_eq!(bits.count(), 4);
        let mut back = [false; 10];
        bits.unpack(&mut back);
        assert_eq!(back, bools);
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
