//! Structured masks: of every `of` consecutive weights that one output sums over, at most `keep`.
//!
//! Groups lie along the second axis of a tensor, which is that of its inputs: the columns of a
//! matrix, the input channels of a convolution at one place of its kernel. There the patterns
//! stand that sparse matrix units compute with (2:4). A tensor of one dimension is one row. Where
//! the inputs are no multiple of `of`, the last group is smaller and keeps at most `keep` as well,
//! as if zeros filled it up.

use std::fmt;
use std::str::FromStr;

use crate::buffers::Buffer;
use crate::error::{Error, Result};
use crate::masks::{Bits, Mask, MaskSet};
use crate::parallel;
use crate::select::chunk::{CHUNK, Chunk};
use crate::select::input::{self, Part, Values, Weights};
use crate::select::keys::Element;
use crate::select::options::Options;

/// Largest group: larger ones are no pattern that anything computes with.
const LARGEST: usize = 64;

/// At most `keep` of every `of` weights, written "2:4".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    keep: usize,
    of: usize,
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |part: &str| part.parse::<usize>().ok();
        let parts = text.split_once(':').and_then(|(n, m)| Some((number(n)?, number(m)?)));
        match parts {
            Some((keep, of)) if (1..of).contains(&keep) && of <= LARGEST => Ok(Self { keep, of }),
            _ => Err(Error::mask(format!(
                "{text:?} is no pattern such as 2:4: at least 1, of more, and of at most {LARGEST}"
            ))),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.keep, self.of)
    }
}

/// How the weights of one tensor lie: rows of `channels` inputs with `inner` weights each.
#[derive(Debug, Clone, Copy)]
struct Rows {
    channels: usize,
    inner: usize,
}

impl Rows {
    fn of(shape: &[usize]) -> Self {
        match shape {
            [] => Self { channels: 1, inner: 1 },
            [only] => Self { channels: *only, inner: 1 },
            [_, channels, inner @ ..] => {
                Self { channels: *channels, inner: inner.iter().product() }
            }
        }
    }

    fn len(self) -> usize {
        self.channels * self.inner
    }
}

/// Keeps the weights of largest magnitude of every group; equal ones in the order of their index.
///
/// Within `options.within` only weights kept there compete, so that a group may keep fewer.
pub fn structured(
    weights: &[Weights<'_>],
    pattern: Pattern,
    options: Options<'_>,
) -> Result<MaskSet> {
    let parts: Vec<Part<'_>> = weights.iter().map(Weights::part).collect();
    of_parts(&parts, pattern, options)
}

/// As [`structured`], wherever the weights are.
pub(crate) fn of_parts(
    parts: &[Part<'_>],
    pattern: Pattern,
    options: Options<'_>,
) -> Result<MaskSet> {
    input::check(parts, options.within)?;
    let mut bits: Vec<Bits> = parts.iter().map(|part| Bits::zeros(part.len)).collect();
    let mut work = Vec::new();
    for ((tensor, part), bits) in parts.iter().enumerate().zip(&mut bits) {
        let rows = Rows::of(part.shape);
        if part.len == 0 {
            continue;
        }
        let within = options.within.and_then(|set| set.get(part.name));
        let words = within.map(|mask| mask.bits().words());
        // 64 rows fill whole words of the mask, whatever their length.
        let len = rows.len() * 64 * (CHUNK / (rows.len() * 64)).max(1);
        for (at, out) in bits.words_mut().chunks_mut(len / 64).enumerate() {
            let start = at * len;
            let end = part.len.min(start + len);
            let within = words.map(|words| &words[start / 64..end.div_ceil(64)]);
            let chunk = Chunk { tensor, start, len: end - start, data: part.data, within };
            work.push((chunk, rows, out));
        }
    }
    let threads = parallel::threads(options.threads);
    let failed = parallel::share(
        threads,
        work,
        || (Buffer::default(), Vec::new()),
        |(buffer, failed), (chunk, rows, out)| {
            let done = options.watch.check().and_then(|()| {
                let nan = match chunk.load(buffer)? {
                    Values::F64(values) => mark(values, rows, pattern, chunk.within, out),
                    Values::F32(values) => mark(values, rows, pattern, chunk.within, out),
                    Values::F16(values) => mark(values, rows, pattern, chunk.within, out),
                    Values::Bf16(values) => mark(values, rows, pattern, chunk.within, out),
                };
                options.watch.advance((chunk.len * chunk.data.dtype().width()) as u64)?;
                nan.map_or(Ok(()), |place| {
                    Err(input::not_a_number(parts[chunk.tensor].name, chunk.start + place))
                })
            });
            if let Err(error) = done {
                failed.push(((chunk.tensor, chunk.start), error));
            }
        },
    );
    let mut failed: Vec<_> = failed.into_iter().flat_map(|(_, failed)| failed).collect();
    failed.sort_by_key(|(place, _)| *place);
    if let Some((_, error)) = failed.into_iter().next() {
        return Err(error);
    }
    let named = parts.iter().zip(bits);
    let masks = named
        .map(|(part, bits)| Ok((part.name.to_owned(), Mask::new(part.shape.to_vec(), bits)?)))
        .collect::<Result<_>>()?;
    MaskSet::new(masks)
}

/// Sets the bits of what whole rows keep. Returns the place of the first competing NaN.
fn mark<T: Element>(
    values: &[T],
    rows: Rows,
    pattern: Pattern,
    within: Option<&[u64]>,
    out: &mut [u64],
) -> Option<usize> {
    let Rows { channels, inner } = rows;
    let competes = |place: usize| within.is_none_or(|w| w[place / 64] >> (place % 64) & 1 == 1);
    let mut nan: Option<usize> = None;
    // One more than the key: 0 is left for what does not compete.
    let mut keys = [0_u64; LARGEST];
    for row in (0..values.len()).step_by(rows.len()) {
        for first in (0..channels).step_by(pattern.of) {
            let size = pattern.of.min(channels - first);
            for place in 0..inner {
                let at = |member: usize| row + (first + member) * inner + place;
                for (member, key) in keys[..size].iter_mut().enumerate() {
                    let place = at(member);
                    *key = if competes(place) { values[place].key() + 1 } else { 0 };
                    if *key > T::infinity() + 1 {
                        nan = Some(nan.map_or(place, |found| found.min(place)));
                    }
                }
                for (member, &key) in keys[..size].iter().enumerate() {
                    // Earlier ones win ties, so later ones must be larger to stand before it.
                    let before = keys[..member].iter().filter(|&&other| other >= key).count()
                        + keys[member + 1..size].iter().filter(|&&other| other > key).count();
                    if key > 0 && before < pattern.keep {
                        let place = at(member);
                        out[place / 64] |= 1 << (place % 64);
                    }
                }
            }
        }
    }
    nan
}
