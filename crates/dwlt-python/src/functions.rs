//! The functions of the module.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dwlt_core::digest::{self, RawTensor};
use dwlt_core::files::atomic;
use dwlt_core::select::{self, Options, Scope, Tensor};
use pyo3::prelude::*;

use crate::arrays::Weights;
use crate::buffers::Bytes;
use crate::errors::{Result, mask_error};
use crate::mask_set::MaskSet;

/// Keep exactly `keep` weights, those of largest magnitude.
#[pyfunction]
#[pyo3(signature = (tensors, *, keep, within=None, scope="global"))]
pub(crate) fn select_magnitude(
    py: Python<'_>,
    tensors: Vec<(String, Bound<'_, PyAny>, String)>,
    keep: u64,
    within: Option<&MaskSet>,
    scope: &str,
) -> Result<MaskSet> {
    let scope = match scope {
        "global" => Scope::Global,
        "tensor" => Scope::Tensor,
        other => {
            let message = format!("scope must be \"global\" or \"tensor\", not {other:?}");
            return Err(mask_error(message));
        }
    };
    let borrowed: Vec<Weights<'_>> = tensors
        .into_iter()
        .map(|(name, array, dtype)| Weights::borrow(name, &array, &dtype))
        .collect::<Result<_>>()?;
    let tensors: Vec<Tensor<'_>> = borrowed
        .iter()
        .map(|w| Ok(Tensor { name: &w.name, shape: &w.shape, values: w.values()? }))
        .collect::<Result<_>>()?;
    let options = Options { within: within.map(MaskSet::inner), scope, threads: None };
    let masks = py.detach(|| select::magnitude(&tensors, keep, options))?;
    Ok(MaskSet::from(masks))
}

/// Number of weights that `rate` removes from `remaining`: Python's round(rate * remaining).
#[pyfunction]
pub(crate) fn count_to_remove(remaining: u64, rate: f64) -> Result<u64> {
    Ok(dwlt_core::count_to_remove(remaining, rate)?)
}

/// Digest of named tensors, whatever their order; what `digest_file` says of a file with them.
#[pyfunction]
pub(crate) fn digest_tensors(
    py: Python<'_>,
    tensors: Vec<(String, String, Vec<u64>, Bound<'_, PyAny>)>,
) -> Result<String> {
    let borrowed: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, buffer)| Ok((name, dtype, shape, Bytes::borrow(name, buffer)?)))
        .collect::<Result<_>>()?;
    let raw: Vec<RawTensor<'_>> = borrowed
        .iter()
        .map(|(name, dtype, shape, bytes)| RawTensor {
            name,
            dtype,
            shape,
            bytes: bytes.as_slice(),
        })
        .collect();
    Ok(py.detach(|| digest::digest_tensors(&raw))?)
}

/// Digest of the tensors in a safetensors file, read in pieces.
#[pyfunction]
pub(crate) fn digest_file(py: Python<'_>, path: PathBuf) -> Result<String> {
    Ok(py.detach(|| digest::digest_file(&path))?)
}

/// Write a file whole or not at all: a sibling first, to the disk, then renamed.
#[pyfunction]
pub(crate) fn write_atomic(
    py: Python<'_>,
    path: PathBuf,
    content: &Bound<'_, PyAny>,
) -> Result<()> {
    let bytes = Bytes::borrow("content", content)?;
    Ok(py.detach(|| atomic::write(&path, bytes.as_slice()))?)
}

/// The id of a run: eight hexadecimal digits from stage, values (a JSON object) and starts.
#[pyfunction]
pub(crate) fn run_id(
    stage: &str,
    values_json: &str,
    starts: BTreeMap<String, String>,
) -> Result<String> {
    Ok(dwlt_core::canonical::run_id(stage, values_json, &starts)?)
}
