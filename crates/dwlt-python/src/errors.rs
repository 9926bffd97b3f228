//! The one map from the core's errors to the classes of `dwlt.errors`.

use dwlt_core::Error;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What functions of this module return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// An error on its way to Python.
pub(crate) enum Failure {
    /// From the core: becomes a class of `dwlt.errors`.
    Core(Error),
    /// Already Python's, as from a conversion.
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(error) => error,
            Failure::Core(error) => Python::attach(|py| raise(py, &error)),
        }
    }
}

/// An error for a call that no core function is there to refuse.
pub(crate) fn mask_error(message: String) -> Failure {
    Failure::Core(Error::Mask { message, hint: None })
}

/// An error for a ledger that was closed, or for text that is not JSON.
pub(crate) fn ledger_error(message: String) -> Failure {
    Failure::Core(Error::Ledger { message, hint: None })
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::Mask { .. } => "MaskError",
        Error::Format { .. } | Error::Read { .. } => "FormatError",
        Error::Busy { .. } => "BusyError",
        Error::Ledger { .. } => "LedgerError",
        Error::Stopped => "InterruptError",
        Error::Io { .. } => "DwltError",
    }
}

/// What the system said, as Python's own error: callers ask it for the number and the file.
fn cause(error: &Error) -> Option<PyErr> {
    let (Error::Io { path, source, .. } | Error::Read { path, source }) = error else {
        return None;
    };
    let number = source.raw_os_error()?;
    Some(PyOSError::new_err((number, source.to_string(), path.clone())))
}

/// Imported when first needed: `dwlt.errors` does not import this module, but its package may be
/// half initialised while this one is loaded.
fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = py.import("dwlt.errors").and_then(|module| {
        let hint = PyDict::new(py);
        hint.set_item("hint", error.hint())?;
        module.getattr(class(error))?.call((error.to_string(),), Some(&hint))
    });
    match made {
        Ok(exception) => {
            let made = PyErr::from_value(exception);
            made.set_cause(py, cause(error));
            made
        }
        Err(other) => other,
    }
}
