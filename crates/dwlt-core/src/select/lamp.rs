//! LAMP scores: layer-adaptive magnitudes, which may be compared across tensors.
//!
//! Lee et al. 2021 (arXiv 2010.07611), equation 3: the score of a weight is its square over the
//! sum of the squares of all weights of its tensor that are no smaller. Of equal weights the
//! earlier one counts as larger, as everywhere here, so each tensor's largest weight scores 1.

use crate::buffers::Buffer;
use crate::error::Result;
use crate::masks::MaskSet;
use crate::parallel;
use crate::select::chunk::{self, Chunk};
use crate::select::input::{self, Data, Part, Values, Weights};
use crate::select::keys::Element;
use crate::select::magnitude;
use crate::select::options::{Keep, Options};

/// Scores of each tensor's weights, in row-major order. Only weights kept by `options.within`
/// count; others score 0.
pub fn lamp_scores(weights: &[Weights<'_>], options: Options<'_>) -> Result<Vec<Vec<f64>>> {
    let parts: Vec<Part<'_>> = weights.iter().map(Weights::part).collect();
    scores_of_parts(&parts, options)
}

/// Keeps the weights of highest score, wherever they are.
pub(crate) fn of_parts(
    parts: &[Part<'_>],
    keep: Keep<'_>,
    options: Options<'_>,
) -> Result<MaskSet> {
    let scores = scores_of_parts(parts, options)?;
    let scored: Vec<Part<'_>> = parts
        .iter()
        .zip(&scores)
        .map(|(part, scores)| Part { data: Data::Memory(Values::F64(scores)), ..*part })
        .collect();
    // The weights have been counted as looked at already.
    let watch = crate::watch::Watch { done: None, ..options.watch };
    magnitude::of_parts(&scored, keep, Options { watch, ..options })
}

fn scores_of_parts(parts: &[Part<'_>], options: Options<'_>) -> Result<Vec<Vec<f64>>> {
    input::check(parts, options.within)?;
    let work: Vec<(usize, &Part<'_>)> = parts.iter().enumerate().collect();
    let done =
        parallel::share(parallel::threads(options.threads), work, Vec::new, |done, (at, part)| {
            done.push((at, scores(part, options)));
        });
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, scores)| scores).collect()
}

/// Scores of one tensor.
fn scores(part: &Part<'_>, options: Options<'_>) -> Result<Vec<f64>> {
    let mut magnitudes = Vec::new();
    let mut buffer = Buffer::default();
    for chunk in chunk::chunks(std::slice::from_ref(part), options.within) {
        options.watch.check()?;
        match chunk.load(&mut buffer)? {
            Values::F64(values) => note(values, &chunk, part.name, &mut magnitudes)?,
            Values::F32(values) => note(values, &chunk, part.name, &mut magnitudes)?,
            Values::F16(values) => note(values, &chunk, part.name, &mut magnitudes)?,
            Values::Bf16(values) => note(values, &chunk, part.name, &mut magnitudes)?,
        }
        options.watch.advance((chunk.len * chunk.data.dtype().width()) as u64)?;
    }
    // Largest first, the earlier of equal ones first: bits of magnitudes are in their order.
    magnitudes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    options.watch.check()?;
    let largest = magnitudes.first().map_or(0.0, |&(key, _)| f64::from_bits(key));
    let mut scores = vec![0.0; part.len];
    let mut sum = 0.0;
    for (key, place) in magnitudes {
        let square = relative(f64::from_bits(key), largest).powi(2);
        sum += square;
        if sum > 0.0 {
            scores[place] = square / sum;
        }
    }
    Ok(scores)
}

/// A magnitude in units of the largest, so that no square overflows or vanishes where it need not.
fn relative(magnitude: f64, largest: f64) -> f64 {
    if largest.is_infinite() {
        f64::from(u8::from(magnitude.is_infinite()))
    } else {
        magnitude / largest
    }
}

/// Appends magnitude (as bits) and place of every competing weight.
fn note<T: Element>(
    values: &[T],
    chunk: &Chunk<'_>,
    name: &str,
    found: &mut Vec<(u64, usize)>,
) -> Result<()> {
    for (at, value) in values.iter().enumerate() {
        if chunk.within.is_some_and(|words| words[at / 64] >> (at % 64) & 1 == 0) {
            continue;
        }
        if value.key() > T::infinity() {
            return Err(input::not_a_number(name, chunk.start + at));
        }
        found.push((value.wide_key(), chunk.start + at));
    }
    Ok(())
}
