//! The functions of the module.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use dwlt_core::Watch;
use dwlt_core::digest::{self, RawTensor};
use dwlt_core::files::checkpoint::Checkpoint;
use dwlt_core::files::{apply, atomic, packed, safetensors, sniff};
use dwlt_core::select::{self, Keep, Options, Pattern, Scope};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::arrays::Weights;
use crate::buffers::Bytes;
use crate::errors::{Result, mask_error};
use crate::mask_set::MaskSet;
use crate::signals::{Raised, watched, watched_with};

/// How many to keep, as Python gives it: a number in all, or one for each tensor.
#[derive(FromPyObject)]
pub(crate) enum Count {
    Total(u64),
    Each(Vec<u64>),
}

impl Count {
    fn keep(&self) -> Keep<'_> {
        match self {
            Self::Total(total) => Keep::Total(*total),
            Self::Each(counts) => Keep::Each(counts),
        }
    }
}

/// Grows while a function works that was given it; may be read meanwhile, by another thread.
#[pyclass(frozen, module = "dwlt._core")]
#[derive(Default)]
pub(crate) struct Progress(AtomicU64);

#[pymethods]
impl Progress {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Bytes of weights that are done.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Progress {
    /// What the core counts in.
    pub(crate) fn counter(&self) -> &AtomicU64 {
        &self.0
    }
}

fn options<'a>(within: Option<&'a MaskSet>, scope: &str) -> Result<Options<'a>> {
    let scope = match scope {
        "global" => Scope::Global,
        "tensor" => Scope::Tensor,
        other => {
            let message = format!("scope must be \"global\" or \"tensor\", not {other:?}");
            return Err(mask_error(message));
        }
    };
    Ok(Options { within: within.map(MaskSet::inner), scope, ..Options::default() })
}

/// Keep exactly `keep` weights, those of largest magnitude.
#[pyfunction]
#[pyo3(signature = (tensors, *, keep, within=None, scope="global"))]
pub(crate) fn select_magnitude(
    py: Python<'_>,
    tensors: Vec<(String, Bound<'_, PyAny>, String)>,
    keep: Count,
    within: Option<&MaskSet>,
    scope: &str,
) -> Result<MaskSet> {
    let options = options(within, scope)?;
    let masks = with_weights(py, tensors, |given, watch| {
        select::magnitude_anywhere(given, keep.keep(), Options { watch, ..options })
    })?;
    Ok(MaskSet::from(masks))
}

/// LAMP scores of weights, one array of doubles for each tensor.
#[pyfunction]
#[pyo3(signature = (tensors, *, within=None))]
pub(crate) fn lamp_scores<'py>(
    py: Python<'py>,
    tensors: Vec<(String, Bound<'py, PyAny>, String)>,
    within: Option<&MaskSet>,
) -> Result<Vec<Bound<'py, PyArray1<f64>>>> {
    let options = options(within, "global")?;
    let scores = with_weights(py, tensors, |given, watch| {
        select::lamp_scores(given, Options { watch, ..options })
    })?;
    Ok(scores.into_iter().map(|scores| scores.into_pyarray(py)).collect())
}

/// Keep the weights of largest magnitude that a pattern such as 2:4 allows.
#[pyfunction]
#[pyo3(signature = (tensors, *, pattern, within=None))]
pub(crate) fn select_structured(
    py: Python<'_>,
    tensors: Vec<(String, Bound<'_, PyAny>, String)>,
    pattern: &str,
    within: Option<&MaskSet>,
) -> Result<MaskSet> {
    let (options, pattern) = (options(within, "global")?, pattern.parse()?);
    let masks = with_weights(py, tensors, |given, watch| {
        select::structured(given, pattern, Options { watch, ..options })
    })?;
    Ok(MaskSet::from(masks))
}

/// Borrows weights, and has the core work with them.
fn with_weights<T: Send>(
    py: Python<'_>,
    tensors: Vec<(String, Bound<'_, PyAny>, String)>,
    work: impl FnOnce(&[select::Weights<'_>], Watch<'_>) -> dwlt_core::Result<T> + Send,
) -> Result<T> {
    let raised = Raised::default();
    let borrowed: Vec<Weights<'_>> = tensors
        .into_iter()
        .map(|(name, array, dtype)| Weights::borrow(name, &array, &dtype, &raised))
        .collect::<Result<_>>()?;
    let given = borrowed.iter().map(Weights::given).collect::<Result<Vec<_>>>()?;
    watched_with(py, None, &raised, |watch: Watch<'_>| work(&given, watch))
}

/// Keep exactly `keep` weights at random, as the seed, names and indices say.
#[pyfunction]
#[pyo3(signature = (shapes, *, keep, seed, within=None, scope="global"))]
pub(crate) fn select_random(
    py: Python<'_>,
    shapes: Vec<(String, Vec<usize>)>,
    keep: Count,
    seed: u64,
    within: Option<&MaskSet>,
    scope: &str,
) -> Result<MaskSet> {
    let options = options(within, scope)?;
    let shapes: Vec<(&str, &[usize])> =
        shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let select =
        |watch: Watch<'_>| select::random(&shapes, keep.keep(), seed, Options { watch, ..options });
    Ok(MaskSet::from(watched(py, None, select)?))
}

/// Name, element type and shape of a checkpoint's tensors, sorted by name.
#[pyfunction]
pub(crate) fn checkpoint_tensors(
    py: Python<'_>,
    path: PathBuf,
) -> Result<Vec<(String, String, Vec<u64>)>> {
    let checkpoint = py.detach(|| Checkpoint::open(&path))?;
    let tensors = checkpoint.tensors().cloned();
    Ok(tensors.map(|tensor| (tensor.name, tensor.dtype, tensor.shape)).collect())
}

/// Keep weights of a checkpoint's tensors: `keep` of largest magnitude or highest LAMP score, or
/// those that a pattern allows.
#[pyfunction]
#[pyo3(signature = (path, names, *, keep=None, within=None, scope="global", progress=None,
    criterion="magnitude", pattern=None))]
#[allow(clippy::too_many_arguments)] // they are keywords in Python
pub(crate) fn select_checkpoint(
    py: Python<'_>,
    path: PathBuf,
    names: Vec<String>,
    keep: Option<Count>,
    within: Option<&MaskSet>,
    scope: &str,
    progress: Option<&Progress>,
    criterion: &str,
    pattern: Option<&str>,
) -> Result<MaskSet> {
    let options = options(within, scope)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pattern: Option<Pattern> = pattern.map(str::parse).transpose()?;
    let lamp = match criterion {
        "magnitude" => false,
        "lamp" => true,
        other => {
            let message = format!("criterion must be \"magnitude\" or \"lamp\", not {other:?}");
            return Err(mask_error(message));
        }
    };
    if pattern.is_some() == keep.is_some() || (pattern.is_some() && lamp) {
        return Err(mask_error("give a number of weights to keep, or a pattern".to_owned()));
    }
    let select = |watch: Watch<'_>| {
        let (open, options) = (Checkpoint::open(&path)?, Options { watch, ..options });
        match (pattern, &keep) {
            (Some(pattern), _) => open.structured(&names, pattern, options),
            (None, Some(keep)) if lamp => open.lamp(&names, keep.keep(), options),
            (None, Some(keep)) => open.magnitude(&names, keep.keep(), options),
            (None, None) => unreachable!("one of them is given"),
        }
    };
    Ok(MaskSet::from(watched(py, progress, select)?))
}

/// Write a checkpoint with every masked weight +0.0, read in pieces.
#[pyfunction]
#[pyo3(signature = (weights, masks, out, *, progress=None))]
pub(crate) fn apply_to_file(
    py: Python<'_>,
    weights: PathBuf,
    masks: &MaskSet,
    out: PathBuf,
    progress: Option<&Progress>,
) -> Result<()> {
    watched(py, progress, |watch| apply::apply(&weights, masks.inner(), &out, watch))
}

/// Write a checkpoint packed: of each masked tensor its bits and its kept values.
#[pyfunction]
#[pyo3(signature = (weights, masks, out, *, progress=None))]
pub(crate) fn pack_to_file(
    py: Python<'_>,
    weights: PathBuf,
    masks: &MaskSet,
    out: PathBuf,
    progress: Option<&Progress>,
) -> Result<()> {
    watched(py, progress, |watch| packed::pack(&weights, masks.inner(), &out, watch))
}

/// Write the dense checkpoint behind a packed one, masked weights +0.0.
#[pyfunction]
#[pyo3(signature = (packed_file, out, *, progress=None))]
pub(crate) fn unpack_to_file(
    py: Python<'_>,
    packed_file: PathBuf,
    out: PathBuf,
    progress: Option<&Progress>,
) -> Result<()> {
    watched(py, progress, |watch| packed::unpack(&packed_file, &out, watch))
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
    watched(py, None, |watch| digest::digest_tensors(&raw, watch))
}

/// Digest of the tensors in a safetensors file or in a checkpoint of several, read in pieces.
#[pyfunction]
#[pyo3(signature = (path, *, progress=None))]
pub(crate) fn digest_file(
    py: Python<'_>,
    path: PathBuf,
    progress: Option<&Progress>,
) -> Result<String> {
    watched(py, progress, |watch| Checkpoint::open(&path)?.digest(watch))
}

/// Write a file whole or not at all: a sibling first, to the disk, then renamed.
#[pyfunction]
pub(crate) fn write_atomic(
    py: Python<'_>,
    path: PathBuf,
    content: &Bound<'_, PyAny>,
) -> Result<()> {
    let bytes = Bytes::borrow("content", content)?;
    watched(py, None, |watch| atomic::write(&path, bytes.as_slice(), watch))
}

/// What a file is that begins with these bytes, where it is not the one it should be.
#[pyfunction]
pub(crate) fn sniff_file(start: &[u8]) -> Option<&'static str> {
    sniff::remark(start)
}

/// Bits of one element of a safetensors type; None for a type that is unknown.
#[pyfunction]
pub(crate) fn dtype_bits(dtype: &str) -> Option<u64> {
    safetensors::bits(dtype)
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
