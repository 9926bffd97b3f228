//! The functions of the module.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use dwlt_core::Watch;
use dwlt_core::digest::{self, RawTensor};
use dwlt_core::files::checkpoint::Checkpoint;
use dwlt_core::files::{apply, atomic, packed, safetensors, sniff};
use dwlt_core::select::{self, Keep, Options, Scope};
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
    let raised = Raised::default();
    let borrowed: Vec<Weights<'_>> = tensors
        .into_iter()
        .map(|(name, array, dtype)| Weights::borrow(name, &array, &dtype, &raised))
        .collect::<Result<_>>()?;
    let given = borrowed.iter().map(Weights::given).collect::<Result<Vec<_>>>()?;
    let select = |watch: Watch<'_>| {
        select::magnitude_anywhere(&given, keep.keep(), Options { watch, ..options })
    };
    Ok(MaskSet::from(watched_with(py, None, &raised, select)?))
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

/// Keep exactly `keep` weights of a checkpoint's tensors, those of largest magnitude.
#[pyfunction]
#[pyo3(signature = (path, names, *, keep, within=None, scope="global", progress=None))]
pub(crate) fn select_checkpoint(
    py: Python<'_>,
    path: PathBuf,
    names: Vec<String>,
    keep: Count,
    within: Option<&MaskSet>,
    scope: &str,
    progress: Option<&Progress>,
) -> Result<MaskSet> {
    let options = options(within, scope)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let select = |watch: Watch<'_>| {
        Checkpoint::open(&path)?.magnitude(&names, keep.keep(), Options { watch, ..options })
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
