//! The selection from beginning to end: what is refused, the bracket, the pass, the rest.

use crate::counts::apportion;
use crate::error::{Error, Result};
use crate::masks::{Bits, Mask, MaskSet};
use crate::parallel;
use crate::select::bracket::Bracket;
use crate::select::chunk::{self, Chunk};
use crate::select::complete::{self, Position};
use crate::select::input::{self, Part, Tensor, Weights};
use crate::select::options::{Keep, Options, Scope};
use crate::select::scan::{self, Limits, Settings};
use crate::select::simd::Simd;
use crate::select::{radix, sample};

/// Keeps the weights of largest magnitude.
pub fn magnitude<'k>(
    tensors: &[Tensor<'_>],
    keep: impl Into<Keep<'k>>,
    options: Options<'_>,
) -> Result<MaskSet> {
    let parts: Vec<Part<'_>> = tensors.iter().map(Tensor::part).collect();
    of_parts(&parts, keep.into(), options)
}

/// As [`magnitude`], of weights that may be elsewhere.
pub fn magnitude_anywhere<'k>(
    weights: &[Weights<'_>],
    keep: impl Into<Keep<'k>>,
    options: Options<'_>,
) -> Result<MaskSet> {
    let parts: Vec<Part<'_>> = weights.iter().map(Weights::part).collect();
    of_parts(&parts, keep.into(), options)
}

/// Keeps the weights of largest magnitude, wherever they are.
pub(crate) fn of_parts(
    parts: &[Part<'_>],
    keep: Keep<'_>,
    options: Options<'_>,
) -> Result<MaskSet> {
    let competing = input::check(parts, options.within)?;
    let available: u64 = competing.iter().sum();
    let among = if options.within.is_some() { " kept by the mask set" } else { "" };
    let shares = match keep {
        Keep::Total(keep) if keep > available => {
            return Err(Error::mask(format!("cannot keep {keep} of {available} weights{among}")));
        }
        Keep::Total(keep) => match options.scope {
            Scope::Global => None,
            Scope::Tensor => Some(apportion(keep, &competing)),
        },
        Keep::Each(counts) => Some(counts.to_vec()),
    };
    let masks = match (shares, keep) {
        (None, Keep::Total(keep)) => select(parts, keep, available, options)?,
        (None, Keep::Each(_)) => unreachable!("given counts are shares"),
        (Some(shares), _) => {
            if shares.len() != parts.len() {
                let (counts, tensors) = (shares.len(), parts.len());
                return Err(Error::mask(format!("{counts} counts for {tensors} tensors")));
            }
            let mut masks = Vec::with_capacity(parts.len());
            for ((part, share), have) in parts.iter().zip(shares).zip(competing) {
                if share > have {
                    let name = part.name;
                    return Err(Error::mask(format!(
                        "{name}: cannot keep {share} of {have} weights{among}"
                    )));
                }
                masks.extend(select(std::slice::from_ref(part), share, have, options)?);
            }
            masks
        }
    };
    MaskSet::new(masks)
}

fn settings<'a>(parts: &[Part<'_>], options: Options<'a>) -> Settings<'a> {
    Settings {
        threads: parallel::threads(options.threads),
        simd: Simd::choose(options.simd),
        wide: chunk::is_mixed(parts),
        watch: options.watch,
    }
}

/// Selects among tensors that were checked, `keep` of `competing` weights, which are at least as
/// many.
fn select(
    parts: &[Part<'_>],
    keep: u64,
    competing: u64,
    options: Options<'_>,
) -> Result<Vec<(String, Mask)>> {
    let settings = settings(parts, options);
    select_by(parts, keep, options, settings, |chunks, attempt| match attempt {
        0 | 1 => sample::bracket(chunks, keep, competing, settings),
        _ => Ok(Bracket::at(radix::threshold(chunks, keep, settings)?)),
    })
}

/// Selects with the first bracket of those that `guess` gives, attempt by attempt, which holds
/// the threshold.
fn select_by(
    parts: &[Part<'_>],
    keep: u64,
    options: Options<'_>,
    settings: Settings<'_>,
    guess: impl Fn(&[Chunk<'_>], u32) -> Result<Bracket>,
) -> Result<Vec<(String, Mask)>> {
    let chunks = chunk::chunks(parts, options.within);
    let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
    let mut bits: Vec<Bits> = parts.iter().map(|part| Bits::zeros(part.len)).collect();
    // Open weights cost 12 bytes each: with this limit 2% of the weights' bytes and 64 MiB.
    let bytes: usize = parts.iter().map(|part| part.len * part.data.dtype().width()).sum();
    let limit = bytes as u64 / 600 + (5 << 20);
    for attempt in 0.. {
        let bracket = guess(&chunks, attempt)?;
        let limits = Limits { names: &names, limit };
        let Some(found) = scan::all(&chunks, bracket, limits, settings, &mut bits)? else {
            continue;
        };
        let position = complete::locate(&found, bracket, keep);
        if position != Position::Missed {
            complete::complete(&chunks, &found, bracket, position, settings, &mut bits)?;
            break;
        }
    }
    let named = parts.iter().zip(bits);
    named
        .map(|(part, bits)| Ok((part.name.to_owned(), Mask::new(part.shape.to_vec(), bits)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::select::input::Values;

    /// Numbers in no order, some of them often.
    fn weights(len: u32) -> Vec<f32> {
        let number = |i: u32| i.wrapping_mul(2_654_435_761) >> 16;
        (0..len).map(|i| f32::from_bits(0x3f00_0000 | number(i))).collect()
    }

    #[test]
    fn a_bracket_that_misses_is_tried_again_to_the_same_masks() {
        let values = weights(700_000);
        let part = Tensor { name: "w", shape: &[700_000], values: Values::F32(&values) }.part();
        let parts = [part];
        let settings = settings(&parts, Options::default());
        let largest = u64::from(f32::MAX.to_bits());
        for keep in [1, 350_000, 699_999] {
            let right = select(&parts, keep, 700_000, Options::default()).unwrap();
            let bracket = |open_from, kept_from, ties| Bracket { open_from, kept_from, ties };
            for wrong in [
                bracket(largest, largest, false), // all too low
                bracket(largest, largest, true),
                bracket(0, 0, false), // all too high
                bracket(0, 0, true),
                bracket(largest - 1, largest, true),
            ] {
                let tried = Cell::new(0);
                let found =
                    select_by(&parts, keep, Options::default(), settings, |chunks, attempt| {
                        tried.set(attempt + 1);
                        match attempt {
                            0 | 1 => Ok(wrong),
                            _ => Ok(Bracket::at(radix::threshold(chunks, keep, settings)?)),
                        }
                    });
                assert!(found.unwrap() == right, "{wrong:?}, keep {keep}");
                assert_eq!(tried.get(), 3, "{wrong:?}, keep {keep}");
            }
        }
    }

    #[test]
    fn a_bracket_that_would_take_too_much_memory_is_tried_again() {
        // More than the limit of 5 Mi open weights and 1/600 of the bytes.
        let values = weights(6_000_000);
        let part = Tensor { name: "w", shape: &[6_000_000], values: Values::F32(&values) }.part();
        let parts = [part];
        let settings = settings(&parts, Options::default());
        let keep = 1_234_567;
        let tried = Cell::new(0);
        let found = select_by(&parts, keep, Options::default(), settings, |chunks, attempt| {
            tried.set(attempt + 1);
            match attempt {
                0 => Ok(Bracket { open_from: 0, kept_from: u64::MAX, ties: false }),
                _ => sample::bracket(chunks, keep, 6_000_000, settings),
            }
        });
        assert!(found.unwrap() == select(&parts, keep, 6_000_000, Options::default()).unwrap());
        assert!(tried.get() >= 2);
    }
}
