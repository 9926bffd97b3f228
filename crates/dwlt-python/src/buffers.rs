//! Bytes of Python objects (bytes, arrays) without copying. The one place with `unsafe`.
#![allow(unsafe_code)]

use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;

use crate::errors::{Result, mask_error};

/// The bytes of an object that offers them, row-major. While this lives they stay in place.
pub(crate) struct Bytes {
    buffer: PyUntypedBuffer,
}

impl Bytes {
    pub(crate) fn borrow(what: &str, object: &Bound<'_, PyAny>) -> Result<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(mask_error(format!("{what}: the bytes are not contiguous (row-major)")));
        }
        Ok(Self { buffer })
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.buffer.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the buffer is contiguous and holds `len_bytes` bytes, which its owner may
        // neither free nor move while the buffer is held. As with every array that is read
        // without the GIL, a Python thread that writes to it meanwhile gets a digest or file of
        // mixed content; the callers document that.
        unsafe {
            std::slice::from_raw_parts(self.buffer.buf_ptr().cast::<u8>(), self.buffer.len_bytes())
        }
    }
}
