//! The one pass over all weights: writes the mask bits of those that are surely kept (above the
//! bracket) and collects place and key of those that are open (inside it).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::buffers::Buffer;
use crate::error::Result;
use crate::masks::Bits;
use crate::parallel;
use crate::select::bracket::Bracket;
use crate::select::chunk::{CHUNK, Chunk};
use crate::select::input::{self, Values};
use crate::select::keys::Element;
use crate::select::simd::{self, Cuts, Simd, Tally, Words};
use crate::watch::Watch;

/// How a selection works: what its speed depends on and its result does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) threads: usize,
    pub(crate) simd: Simd,
    /// Whether keys are those of f64, to compare element types by value.
    pub(crate) wide: bool,
    /// Is told of progress and may stop the pass.
    pub(crate) watch: Watch<'a>,
}

/// What the pass needs to know besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// The tensors' names, for errors.
    pub(crate) names: &'a [&'a str],
    /// More open weights than this and the bracket is too wide for the memory that a selection
    /// may take.
    pub(crate) limit: u64,
}

/// What the pass found in one chunk.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) tally: Tally,
    /// Places of the open weights within the chunk, in order.
    pub(crate) places: Vec<u32>,
    /// Their keys.
    pub(crate) keys: Vec<u64>,
}

/// What a thread needs besides: room for a chunk's weights and for its words with open weights.
#[derive(Default)]
pub(crate) struct Scratch {
    buffer: Buffer,
    open: Vec<(u32, u64)>,
}

/// The words that each chunk's mask bits go to.
pub(crate) fn outputs(bits: &mut [Bits]) -> impl Iterator<Item = &mut [u64]> {
    bits.iter_mut().flat_map(|bits| bits.words_mut().chunks_mut(CHUNK / 64))
}

/// Classifies the weights of one chunk: sets the bits of those that are surely kept, and appends
/// the open ones to the notes.
pub(crate) fn classify(
    chunk: &Chunk<'_>,
    bracket: Bracket,
    settings: Settings<'_>,
    scratch: &mut Scratch,
    out: &mut [u64],
    found: &mut Scanned,
) -> Result<()> {
    let Scratch { buffer, open } = scratch;
    let values = chunk.load(buffer)?;
    let Bracket { open_from, kept_from, ties } = bracket;
    let cuts = Cuts::new(values.dtype(), settings.wide, open_from, kept_from, ties);
    open.resize(open.len().max(out.len()), (0, 0));
    let at = Words { within: chunk.within, kept: out, open: &mut open[..] };
    found.tally = simd::classify(settings.simd, values, cuts, at);
    let open = &open[..found.tally.open_words];
    match values {
        Values::F64(values) => collect(values, open, settings.wide, found),
        Values::F32(values) => collect(values, open, settings.wide, found),
        Values::F16(values) => collect(values, open, settings.wide, found),
        Values::Bf16(values) => collect(values, open, settings.wide, found),
    }
    Ok(())
}

/// Notes place and key of every open weight.
fn collect<T: Element>(values: &[T], open: &[(u32, u64)], wide: bool, found: &mut Scanned) {
    let Scanned { tally, places, keys } = found;
    #[allow(clippy::cast_possible_truncation)] // at most the chunk's length
    let count = tally.open as usize;
    places.reserve(count);
    keys.reserve(count);
    for &(word, bits) in open {
        let mut left = bits;
        while left != 0 {
            let place = word * 64 + left.trailing_zeros();
            let value = values[place as usize];
            places.push(place);
            keys.push(if wide { value.wide_key() } else { value.key() });
            left &= left - 1;
        }
    }
}

/// Place of the first competing weight of a chunk that is not a number.
fn first_nan(
    chunk: &Chunk<'_>,
    settings: Settings<'_>,
    scratch: &mut Scratch,
) -> Result<Option<usize>> {
    let mut words = vec![0; chunk.len.div_ceil(64)];
    let mut found = Scanned::default();
    classify(
        chunk,
        Bracket::nan(),
        Settings { wide: true, ..settings },
        scratch,
        &mut words,
        &mut found,
    )?;
    let first = words.iter().enumerate().find(|(_, word)| **word != 0);
    Ok(first.map(|(i, word)| i * 64 + word.trailing_zeros() as usize))
}

/// Classifies every chunk. None where more weights turn out to be open than the limit.
///
/// A NaN among competing weights is an error; it names the first.
pub(crate) fn all(
    chunks: &[Chunk<'_>],
    bracket: Bracket,
    Limits { names, limit }: Limits<'_>,
    settings: Settings<'_>,
    bits: &mut [Bits],
) -> Result<Option<Vec<Scanned>>> {
    let open = AtomicU64::new(0);
    let work: Vec<_> = chunks.iter().enumerate().zip(outputs(bits)).collect();
    let new = || (Scratch::default(), Vec::new());
    let parts =
        parallel::share(settings.threads, work, new, |(scratch, done), ((i, chunk), out)| {
            if open.load(Ordering::Relaxed) > limit {
                return;
            }
            let mut found = Scanned::default();
            let result = settings
                .watch
                .check()
                .and_then(|()| classify(chunk, bracket, settings, scratch, out, &mut found))
                .and_then(|()| {
                    settings.watch.advance((chunk.len * chunk.data.dtype().width()) as u64)
                });
            open.fetch_add(found.tally.open, Ordering::Relaxed);
            // The kernels do not ask whether what is not a number competes.
            let nan = result.and_then(|()| {
                if found.tally.nan { first_nan(chunk, settings, scratch) } else { Ok(None) }
            });
            done.push((i, nan.map(|nan| (found, nan))));
        });
    let mut done: Vec<_> = parts.into_iter().flat_map(|(_, done)| done).collect();
    done.sort_unstable_by_key(|(i, _)| *i);
    let mut all = Vec::with_capacity(done.len());
    for (i, result) in done {
        let (found, nan) = result?;
        if let Some(place) = nan {
            let (name, index) = (names[chunks[i].tensor], chunks[i].start + place);
            return Err(input::not_a_number(name, index));
        }
        all.push(found);
    }
    Ok((open.into_inner() <= limit).then_some(all))
}
