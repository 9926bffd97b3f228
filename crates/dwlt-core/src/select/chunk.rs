//! Chunks of weights: the units of work, loaded from memory, a file, another place, or a seed.

use crate::buffers::Buffer;
use crate::error::{Error, Result};
use crate::masks::MaskSet;
use crate::select::input::{Data, Dtype, Part, Values};
use crate::select::keys::Element;
use crate::select::simd;

/// Weights per unit of work: a multiple of 64, so that chunks own whole mask words, and small
/// enough (1 MiB of f32) to stay in a core's cache and to keep every thread busy.
pub(crate) const CHUNK: usize = 1 << 18;

/// At most [`CHUNK`] consecutive weights of one tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    /// Which tensor, by its place in the list.
    pub(crate) tensor: usize,
    /// Flat index of the first weight, a multiple of 64.
    pub(crate) start: usize,
    /// Number of weights.
    pub(crate) len: usize,
    /// The whole tensor's weights.
    pub(crate) data: Data<'a>,
    /// One bit per weight: which of them compete. None: all.
    pub(crate) within: Option<&'a [u64]>,
}

/// The first weights of a filled buffer.
fn view(buffer: &Buffer, dtype: Dtype, len: usize) -> Values<'_> {
    match dtype {
        Dtype::F64 => Values::F64(buffer.view(len)),
        Dtype::F32 => Values::F32(buffer.view(len)),
        Dtype::F16 => Values::F16(buffer.view(len)),
        Dtype::Bf16 => Values::Bf16(buffer.view(len)),
    }
}

impl<'a> Chunk<'a> {
    /// The weights, read into `buffer` where they are not in memory already.
    pub(crate) fn load<'b>(&self, buffer: &'b mut Buffer) -> Result<Values<'b>>
    where
        'a: 'b,
    {
        let (start, len) = (self.start, self.len);
        Ok(match self.data {
            Data::Memory(values) => values.slice(start, start + len),
            Data::File { file, path, at, dtype } => {
                let bytes = buffer.view_mut(len * dtype.width());
                let from = at + (start * dtype.width()) as u64;
                file.read_at(bytes, from).map_err(|error| Error::read(path, error))?;
                view(buffer, dtype, len)
            }
            Data::Elsewhere { fetch, dtype } => {
                fetch.fetch(start, buffer.view_mut(len * dtype.width()))?;
                view(buffer, dtype, len)
            }
            Data::Random { seed } => {
                for (place, slot) in buffer.view_mut::<u64>(len).iter_mut().enumerate() {
                    *slot = noise(seed, (start + place) as u64);
                }
                Values::F64(buffer.view(len))
            }
        })
    }

    /// At most `len` of its weights, from the one at `from` on, which is a multiple of 64.
    pub(crate) fn part(&self, from: usize, len: usize) -> Self {
        let len = len.min(self.len - from);
        let within = self.within.map(|words| &words[from / 64..(from + len).div_ceil(64)]);
        Self { start: self.start + from, len, within, ..*self }
    }

    /// Gets a few weights that will be due soon into the cache, where they are in memory.
    pub(crate) fn prefetch(&self) {
        if let Data::Memory(values) = self.data {
            simd::prefetch(values.slice(self.start, self.start + self.len));
        }
    }

    /// Number of competing weights.
    pub(crate) fn competing(&self) -> u64 {
        match self.within {
            None => self.len as u64,
            Some(words) => words.iter().map(|word| u64::from(word.count_ones())).sum(),
        }
    }
}

impl Values<'_> {
    pub(crate) fn key_at(&self, index: usize, wide: bool) -> u64 {
        fn key<T: Element>(value: T, wide: bool) -> u64 {
            if wide { value.wide_key() } else { value.key() }
        }
        match self {
            Self::F64(values) => key(values[index], wide),
            Self::F32(values) => key(values[index], wide),
            Self::F16(values) => key(values[index], wide),
            Self::Bf16(values) => key(values[index], wide),
        }
    }
}

/// Numbers below 2^62, so that as bits of an f64 they are ordinary: `SplitMix64` at a place.
#[inline]
fn noise(seed: u64, place: u64) -> u64 {
    mix(seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15))) >> 2
}

/// The finaliser of `SplitMix64`: every bit of the result depends on every bit of `z`.
#[inline]
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether magnitudes of different element types have to be compared.
pub(crate) fn is_mixed(parts: &[Part<'_>]) -> bool {
    parts.windows(2).any(|pair| pair[0].data.dtype() != pair[1].data.dtype())
}

/// All weights in order, in chunks. The masks of `within` must fit.
pub(crate) fn chunks<'a>(parts: &[Part<'a>], within: Option<&'a MaskSet>) -> Vec<Chunk<'a>> {
    let mut chunks = Vec::new();
    for (tensor, part) in parts.iter().enumerate() {
        let words = within.and_then(|set| set.get(part.name)).map(|mask| mask.bits().words());
        for start in (0..part.len).step_by(CHUNK) {
            let end = part.len.min(start + CHUNK);
            chunks.push(Chunk {
                tensor,
                start,
                len: end - start,
                data: part.data,
                within: words.map(|words| &words[start / 64..end.div_ceil(64)]),
            });
        }
    }
    chunks
}
