//! The class `MaskSet`.

use std::path::PathBuf;

use dwlt_core::files::mask_file::{self, Origin};
use dwlt_core::masks::{self, Bits, Mask, Op};
use numpy::{
    Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyTuple};

use crate::errors::{Result, mask_error};
use crate::signals::watched;

/// A network's masks by parameter name: one bit per prunable weight, 1 = kept. Immutable.
#[pyclass(frozen, eq, module = "dwlt._core")]
pub(crate) struct MaskSet {
    masks: masks::MaskSet,
    origin: Option<Origin>,
}

impl PartialEq for MaskSet {
    fn eq(&self, other: &Self) -> bool {
        self.masks == other.masks
    }
}

impl From<masks::MaskSet> for MaskSet {
    fn from(masks: masks::MaskSet) -> Self {
        Self { masks, origin: None }
    }
}

impl MaskSet {
    /// The core's set.
    pub(crate) fn inner(&self) -> &masks::MaskSet {
        &self.masks
    }

    fn mask(&self, name: &str) -> Result<&Mask> {
        let mask = self.masks.get(name);
        mask.ok_or_else(|| mask_error(format!("{name}: the mask set has no such mask")))
    }

    fn combine(&self, py: Python<'_>, other: &Self, op: Op) -> Result<Self> {
        Ok(py.detach(|| self.masks.combine(&other.masks, op))?.into())
    }
}

/// Writes `one` for each bit that is 1, `T`'s zero for each other.
fn fill<T>(mask: &Mask, out: &Bound<'_, PyArray1<T>>, one: T) -> Result<()>
where
    T: Element + Copy + Default + Send + Sync,
{
    let mut writable = out.try_readwrite().map_err(PyErr::from)?;
    let slots = writable.as_slice_mut().map_err(PyErr::from)?;
    if slots.len() != mask.bits().len() {
        let (have, need) = (slots.len(), mask.bits().len());
        return Err(mask_error(format!("the array has {have} places, the mask has {need}")));
    }
    out.py().detach(|| mask.bits().unpack_as(slots, T::default(), one));
    Ok(())
}

/// That every byte of an array of booleans is 0 or 1.
///
/// `NumPy` takes any byte as a boolean where a file or another array's memory is read as such. To Rust
/// another byte is no value of the type, so it is looked at before anything takes it as one.
fn require_booleans(name: &str, array: &Bound<'_, PyArrayDyn<bool>>) -> Result<()> {
    let bytes: PyReadonlyArrayDyn<'_, u8> = array.call_method1("view", ("uint8",))?.extract()?;
    let whole = match bytes.as_slice() {
        Ok(values) => values.iter().fold(0, |all, byte| all | byte) <= 1,
        Err(_) => bytes.as_array().iter().all(|&byte| byte <= 1),
    };
    if whole {
        return Ok(());
    }
    Err(mask_error(format!("{name}: a mask holds 0 and 1 alone, this one has other bytes")))
}

#[pymethods]
impl MaskSet {
    /// Masks from boolean arrays by name, True = kept.
    #[staticmethod]
    fn from_bools(masks: &Bound<'_, PyMapping>) -> Result<Self> {
        let mut packed = Vec::with_capacity(masks.len()?);
        for item in masks.items()? {
            let (name, array): (String, Bound<'_, PyAny>) = item.extract()?;
            let array: PyReadonlyArrayDyn<'_, bool> = array
                .extract()
                .map_err(|_: PyErr| mask_error(format!("{name}: not a NumPy array of bool")))?;
            require_booleans(&name, &array)?;
            let shape = array.shape().to_vec();
            let bits = match array.as_slice() {
                Ok(values) if array.is_c_contiguous() => Bits::from_bools(values),
                _ => Bits::from_bools(&array.as_array().iter().copied().collect::<Vec<_>>()),
            };
            packed.push((name, Mask::new(shape, bits)?));
        }
        Ok(masks::MaskSet::new(packed)?.into())
    }

    /// Masks that keep everything, from shapes by name.
    #[staticmethod]
    fn dense(shapes: &Bound<'_, PyMapping>) -> Result<Self> {
        let items = shapes.items()?;
        let shapes = items.iter().map(|item| item.extract()).collect::<PyResult<Vec<_>>>()?;
        Ok(masks::MaskSet::dense(shapes)?.into())
    }

    /// Read a mask file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> Result<Self> {
        let (masks, origin) = watched(py, None, |watch| mask_file::load(&path, watch))?;
        Ok(Self { masks, origin: Some(origin) })
    }

    /// Write a mask file. The same masks and arguments give the same bytes.
    #[pyo3(signature = (path, *, round=0, weights=None, parent=None))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        round: u32,
        weights: Option<String>,
        parent: Option<String>,
    ) -> Result<()> {
        let origin = Origin { round, weights, parent };
        watched(py, None, |watch| mask_file::save(&path, &self.masks, &origin, watch))
    }

    /// Number of weights kept.
    #[getter]
    fn kept(&self) -> u64 {
        self.masks.kept()
    }

    /// Number of weights.
    #[getter]
    fn total(&self) -> u64 {
        self.masks.total()
    }

    /// Share of the weights kept; 1 where there are none.
    #[getter]
    #[allow(clippy::cast_precision_loss)] // a ratio for people; the counts stay exact
    fn density(&self) -> f64 {
        match self.masks.total() {
            0 => 1.0,
            total => self.masks.kept() as f64 / total as f64,
        }
    }

    /// Share of the weights removed.
    #[getter]
    fn sparsity(&self) -> f64 {
        1.0 - self.density()
    }

    /// Names of the tensors, in the set's order.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.masks.iter().map(|(name, _)| name).collect()
    }

    /// Shape of each tensor by name.
    #[getter]
    fn shapes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let shapes = PyDict::new(py);
        for (name, mask) in self.masks.iter() {
            shapes.set_item(name, PyTuple::new(py, mask.shape())?)?;
        }
        Ok(shapes)
    }

    /// Names the set: digest of names, shapes and bits, whatever their order.
    #[getter]
    fn digest(&self, py: Python<'_>) -> String {
        py.detach(|| self.masks.digest())
    }

    /// What the file said of the masks' origin: round, weights, parent. Empty if not from a file.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let meta = PyDict::new(py);
        if let Some(origin) = &self.origin {
            meta.set_item("round", origin.round)?;
            meta.set_item("weights", origin.weights.as_deref())?;
            meta.set_item("parent", origin.parent.as_deref())?;
        }
        Ok(meta)
    }

    /// Name, number kept and number of weights of each tensor, in the set's order.
    fn layers(&self) -> Vec<(&str, u64, u64)> {
        self.masks.iter().map(|(name, mask)| (name, mask.kept(), mask.total())).collect()
    }

    /// Whether every weight kept here is kept in `other` too.
    fn is_subset(&self, py: Python<'_>, other: &Self) -> Result<bool> {
        Ok(py.detach(|| self.masks.is_subset(&other.masks))?)
    }

    /// Refuse a set that keeps a weight which `parent` had removed.
    fn check_lineage(&self, py: Python<'_>, parent: &Self) -> Result<()> {
        Ok(py.detach(|| self.masks.check_lineage(&parent.masks))?)
    }

    /// What two sets have in common, all tensors together.
    fn overlap(&self, py: Python<'_>, other: &Self) -> Result<Overlap> {
        Ok(Overlap(py.detach(|| self.masks.overlap(&other.masks))?))
    }

    /// What two sets have in common, by name of the tensor.
    fn overlaps<'py>(&self, py: Python<'py>, other: &Self) -> Result<Bound<'py, PyDict>> {
        let overlaps = PyDict::new(py);
        for (name, overlap) in py.detach(|| self.masks.overlaps(&other.masks))? {
            overlaps.set_item(name, Overlap(overlap))?;
        }
        Ok(overlaps)
    }

    fn __and__(&self, py: Python<'_>, other: &Self) -> Result<Self> {
        self.combine(py, other, Op::And)
    }

    fn __or__(&self, py: Python<'_>, other: &Self) -> Result<Self> {
        self.combine(py, other, Op::Or)
    }

    fn __sub__(&self, py: Python<'_>, other: &Self) -> Result<Self> {
        self.combine(py, other, Op::Minus)
    }

    fn __xor__(&self, py: Python<'_>, other: &Self) -> Result<Self> {
        self.combine(py, other, Op::Xor)
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        name: &str,
    ) -> Result<Bound<'py, PyArrayDyn<bool>>> {
        let mask = self.mask(name)?;
        // NumPy's own way of making room: in large pages where the system has them.
        let room = py.import("numpy")?.call_method1("empty", (mask.total(), "uint8"))?;
        let room = room.cast_into::<PyArray1<u8>>().map_err(PyErr::from)?;
        fill(mask, &room, 1)?;
        let shape = PyTuple::new(py, mask.shape())?;
        let array = room.call_method1("view", ("bool",))?.call_method1("reshape", (shape,))?;
        Ok(array.cast_into::<PyArrayDyn<bool>>().map_err(PyErr::from)?)
    }

    /// Write `one` for each kept weight of a tensor and 0 for each other into a flat array.
    fn unpack_into(&self, name: &str, out: &Bound<'_, PyAny>, one: u64) -> Result<()> {
        let mask = self.mask(name)?;
        let large = |_| mask_error(format!("{name}: {one} does not fit the array's type"));
        if let Ok(out) = out.cast::<PyArray1<u8>>() {
            fill(mask, out, u8::try_from(one).map_err(large)?)
        } else if let Ok(out) = out.cast::<PyArray1<u16>>() {
            fill(mask, out, u16::try_from(one).map_err(large)?)
        } else if let Ok(out) = out.cast::<PyArray1<u32>>() {
            fill(mask, out, u32::try_from(one).map_err(large)?)
        } else if let Ok(out) = out.cast::<PyArray1<u64>>() {
            fill(mask, out, one)
        } else {
            Err(mask_error(format!("{name}: not a flat array of unsigned integers")))
        }
    }

    /// The masks as tensors of PyTorch, which is imported only here.
    #[pyo3(signature = (device=None, dtype=None))]
    fn to_torch<'py>(
        slf: &Bound<'py, Self>,
        device: Option<Bound<'py, PyAny>>,
        dtype: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let convert = slf.py().import("dwlt.masks.tensors")?.getattr("to_tensors")?;
        Ok(convert.call1((slf, device, dtype))?)
    }

    fn __contains__(&self, name: &str) -> bool {
        self.masks.get(name).is_some()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(self.names().into_pyobject(py)?.call_method0("__iter__")?)
    }

    fn __len__(&self) -> usize {
        self.masks.len()
    }

    fn __repr__(&self) -> String {
        let (kept, total) = (self.masks.kept(), self.masks.total());
        format!("MaskSet({} tensors, {kept} of {total} weights kept)", self.masks.len())
    }
}

/// What two masks have in common, as counts of weights.
#[pyclass(frozen, eq, module = "dwlt._core")]
#[derive(PartialEq)]
pub(crate) struct Overlap(masks::Overlap);

#[pymethods]
impl Overlap {
    /// Kept in both.
    #[getter]
    fn both(&self) -> u64 {
        self.0.both
    }

    /// Kept in the left one.
    #[getter]
    fn left(&self) -> u64 {
        self.0.left
    }

    /// Kept in the right one.
    #[getter]
    fn right(&self) -> u64 {
        self.0.right
    }

    /// All weights.
    #[getter]
    fn total(&self) -> u64 {
        self.0.total
    }

    /// Intersection over union; None where neither keeps anything.
    #[getter]
    fn iou(&self) -> Option<f64> {
        self.0.iou()
    }

    /// The intersection relative to that of random masks with these counts: 1 is chance.
    #[getter]
    fn lift(&self) -> Option<f64> {
        self.0.lift()
    }

    fn __repr__(&self) -> String {
        let masks::Overlap { both, left, right, total } = self.0;
        format!("Overlap(both={both}, left={left}, right={right}, total={total})")
    }
}
