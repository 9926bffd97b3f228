//! Which weights to keep: exactly `keep` of them, the largest magnitudes, ties to the earliest.
//!
//! Equal magnitudes are kept in the order (tensor, flat index): the earlier weight wins. -0.0
//! equals 0.0, infinities are largest, NaN is refused. Weights outside `within` are not looked
//! at, so what they hold, NaN included, does not matter. Tensors of different element types are
//! compared by value. The result does not depend on the number of threads.

mod input;
mod kernels;
mod keys;
mod threshold;

use std::num::NonZeroUsize;

pub use input::{Dtype, Tensor, Values};

use crate::counts::apportion;
use crate::error::{Error, Result};
use crate::masks::{Bits, Mask, MaskSet};
use crate::parallel;
use input::Chunk;
use threshold::Threshold;

/// What competes with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All weights of all tensors compete with each other.
    #[default]
    Global,
    /// Each tensor keeps its proportional share of `keep`: the floor of the exact share, and what
    /// is left over goes to the largest remainders, ties to the earlier tensor.
    Tensor,
}

/// How to select.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Only weights kept here compete; nothing else is kept. None: all compete.
    pub within: Option<&'a MaskSet>,
    /// What competes with what.
    pub scope: Scope,
    /// Threads to use; None: as many as the machine offers.
    pub threads: Option<NonZeroUsize>,
}

/// Keeps the `keep` weights of largest magnitude.
pub fn magnitude(tensors: &[Tensor<'_>], keep: u64, options: Options<'_>) -> Result<MaskSet> {
    let competing = input::check(tensors, options.within)?;
    let available: u64 = competing.iter().sum();
    if keep > available {
        let among = if options.within.is_some() { " kept by the mask set" } else { "" };
        return Err(Error::mask(format!("cannot keep {keep} of {available} weights{among}")));
    }
    let threads = parallel::threads(options.threads);
    let masks = match options.scope {
        Scope::Global => select(tensors, keep, options.within, threads)?,
        Scope::Tensor => {
            let mut masks = Vec::with_capacity(tensors.len());
            for (tensor, share) in tensors.iter().zip(apportion(keep, &competing)) {
                let one = std::slice::from_ref(tensor);
                masks.extend(select(one, share, options.within, threads)?);
            }
            masks
        }
    };
    MaskSet::new(masks)
}

/// Selects among tensors that were checked, `keep` of at least as many.
fn select(
    tensors: &[Tensor<'_>],
    keep: u64,
    within: Option<&MaskSet>,
    threads: usize,
) -> Result<Vec<(String, Mask)>> {
    let chunks = input::chunks(tensors, within);
    let wide = input::is_mixed(tensors);
    let threshold =
        threshold::find(&chunks, wide, keep, threads).map_err(|(tensor, index)| Error::Mask {
            message: format!("{}: weight {index} is NaN", tensors[tensor].name),
            hint: Some("weights that are not numbers cannot be ranked; look at the training run"),
        })?;
    let quotas = tie_quotas(&chunks, wide, threshold, threads);
    let mut bits: Vec<Bits> =
        tensors.iter().map(|tensor| Bits::zeros(tensor.values.len())).collect();
    let outputs = bits.iter_mut().flat_map(|bits| bits.words_mut().chunks_mut(input::CHUNK / 64));
    let work: Vec<_> = chunks.iter().zip(quotas).zip(outputs).collect();
    parallel::share(
        threads,
        work,
        || (),
        |(), ((chunk, quota), out)| {
            kernels::write(chunk, wide, threshold, quota, out);
        },
    );
    let named = tensors.iter().zip(bits);
    named
        .map(|(tensor, bits)| Ok((tensor.name.to_owned(), Mask::new(tensor.shape.to_vec(), bits)?)))
        .collect()
}

/// How many weights at the threshold itself each chunk keeps: earlier chunks first.
fn tie_quotas(chunks: &[Chunk<'_>], wide: bool, threshold: Threshold, threads: usize) -> Vec<u64> {
    let Some(key) = threshold.tie else { return vec![0; chunks.len()] };
    let numbered: Vec<_> = chunks.iter().enumerate().collect();
    let counted = parallel::share(threads, numbered, Vec::new, |counts, (i, chunk)| {
        counts.push((i, kernels::count_equal(chunk, wide, key)));
    });
    let mut quotas = vec![0; chunks.len()];
    for (i, count) in counted.into_iter().flatten() {
        quotas[i] = count;
    }
    let mut left = threshold.ties_kept;
    for quota in &mut quotas {
        *quota = left.min(*quota);
        left -= *quota;
    }
    quotas
}
