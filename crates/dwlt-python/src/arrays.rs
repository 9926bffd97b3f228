//! NumPy arrays as slices of the core's types, without copying.

use std::fmt;

use dwlt_core::select::{self, Dtype, Fetch, Tensor, Values};
use half::slice::HalfBitsSliceExt;
use half::{bf16, f16};
use numpy::{
    Element, PyArrayDescrMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::buffers::Bytes;
use crate::errors::{Result, mask_error};
use crate::signals::Raised;

/// A borrowed array of weights. While this lives, its memory cannot go away.
pub(crate) struct Weights<'py> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    values: Borrowed<'py>,
}

/// An object that gives bytes of its weights.
struct Far {
    name: String,
    fetch: Py<PyAny>,
    raised: Raised,
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Far({})", self.name)
    }
}

impl Fetch for Far {
    /// Calls `fetch(start, count)`, which gives so many bytes from weight `start` on.
    fn fetch(&self, start: usize, bytes: &mut [u8]) -> dwlt_core::error::Result<()> {
        let (fetch, name) = (&self.fetch, &self.name);
        let mut copy = |py: Python<'_>| -> Result<()> {
            let given = fetch.bind(py).call1((start, bytes.len()))?;
            let given = Bytes::borrow(name, &given)?;
            if given.as_slice().len() != bytes.len() {
                let (have, need) = (given.as_slice().len(), bytes.len());
                return Err(mask_error(format!("{name}: {have} bytes came instead of {need}")));
            }
            bytes.copy_from_slice(given.as_slice());
            Ok(())
        };
        Python::attach(|py| {
            let Err(failure) = copy(py) else { return Ok(()) };
            let error = PyErr::from(failure);
            if !error.is_instance_of::<PyException>(py) {
                // Ctrl-C came while Python worked: no fault of the weights.
                self.raised.keep(error);
                return Err(dwlt_core::Error::Stopped);
            }
            let message = format!("{name}: cannot copy weights: {error}");
            Err(dwlt_core::Error::Mask { message, hint: None })
        })
    }
}

enum Borrowed<'py> {
    /// Elsewhere: what gives bytes, and their type.
    Far(Far, Dtype),
    F64(PyReadonlyArrayDyn<'py, f64>),
    F32(PyReadonlyArrayDyn<'py, f32>),
    F16(PyReadonlyArrayDyn<'py, f16>),
    /// The bits of half precision or bfloat16, as the flag says.
    Bits(PyReadonlyArrayDyn<'py, u16>, Dtype),
}

impl<'py> Weights<'py> {
    /// Borrows an array, or an object with `shape` and `fetch`, of the element type that `dtype`
    /// names. bfloat16, which NumPy does not have, comes as uint16; so may half precision.
    pub(crate) fn borrow(
        name: String,
        array: &Bound<'py, PyAny>,
        dtype: &str,
        raised: &Raised,
    ) -> Result<Self> {
        let parsed = Dtype::parse(dtype).ok_or_else(|| {
            mask_error(format!("{name}: weights of type {dtype:?} have no order"))
        })?;
        if let Ok(fetch) = array.getattr("fetch") {
            let shape = array.getattr("shape")?.extract()?;
            let far = Far { name: name.clone(), fetch: fetch.unbind(), raised: raised.clone() };
            return Ok(Self { name, shape, values: Borrowed::Far(far, parsed) });
        }
        let untyped = array
            .cast::<PyUntypedArray>()
            .map_err(|_| mask_error(format!("{name}: the weights are not a NumPy array")))?;
        let shape = untyped.shape().to_vec();
        let values = match parsed {
            Dtype::F64 => Borrowed::F64(typed(&name, untyped, dtype)?),
            Dtype::F32 => Borrowed::F32(typed(&name, untyped, dtype)?),
            Dtype::F16 if untyped.dtype().is_equiv_to(&numpy::dtype::<f16>(array.py())) => {
                Borrowed::F16(typed(&name, untyped, dtype)?)
            }
            Dtype::F16 | Dtype::Bf16 => Borrowed::Bits(typed(&name, untyped, dtype)?, parsed),
        };
        Ok(Self { name, shape, values })
    }

    /// The weights for the core.
    pub(crate) fn given(&self) -> Result<select::Weights<'_>> {
        let (name, shape) = (self.name.as_str(), self.shape.as_slice());
        Ok(match &self.values {
            Borrowed::Far(fetch, dtype) => {
                select::Weights::Elsewhere { name, shape, dtype: *dtype, fetch }
            }
            here => {
                let values = self.values(here)?;
                select::Weights::Here(Tensor { name, shape, values })
            }
        })
    }

    /// The weights in row-major order.
    fn values<'a>(&self, borrowed: &'a Borrowed<'py>) -> Result<Values<'a>> {
        let bad = |_| mask_error(format!("{}: the array's memory is not aligned", self.name));
        Ok(match borrowed {
            Borrowed::Far(..) => unreachable!("weights elsewhere are no values"),
            Borrowed::F64(array) => Values::F64(array.as_slice().map_err(bad)?),
            Borrowed::F32(array) => Values::F32(array.as_slice().map_err(bad)?),
            Borrowed::F16(array) => Values::F16(array.as_slice().map_err(bad)?),
            Borrowed::Bits(array, Dtype::Bf16) => {
                Values::Bf16(array.as_slice().map_err(bad)?.reinterpret_cast::<bf16>())
            }
            Borrowed::Bits(array, _) => {
                Values::F16(array.as_slice().map_err(bad)?.reinterpret_cast::<f16>())
            }
        })
    }
}

fn typed<'py, T: Element>(
    name: &str,
    array: &Bound<'py, PyUntypedArray>,
    dtype: &str,
) -> Result<PyReadonlyArrayDyn<'py, T>> {
    // A Fortran array is contiguous too, in another order than flat indices count.
    if !array.is_c_contiguous() {
        return Err(mask_error(format!("{name}: the array is not contiguous (row-major)")));
    }
    array.extract().map_err(|_: PyErr| {
        mask_error(format!("{name}: the array holds {}, not {dtype}", array.dtype()))
    })
}
