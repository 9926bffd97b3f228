//! The class `Ledger`.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dwlt_core::ledger::{self, Step};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use crate::errors::{Result, ledger_error};

/// What is done in a run folder and what comes next. Holds the folder until closed.
#[pyclass(frozen, module = "dwlt._core")]
pub(crate) struct Ledger {
    open: Mutex<Option<ledger::Ledger>>,
}

impl Ledger {
    fn with<T>(&self, act: impl FnOnce(&mut ledger::Ledger) -> Result<T>) -> Result<T> {
        let closed = || ledger_error("the ledger is closed".to_owned());
        act(self.lock().as_mut().ok_or_else(closed)?)
    }

    // A panic while the guard was held leaves the journal as it is on disk, which is what counts.
    fn lock(&self) -> MutexGuard<'_, Option<ledger::Ledger>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| ledger_error(format!("{what} is not JSON: {error}")))
}

#[pymethods]
impl Ledger {
    /// Take a run folder. `plan` lists the steps in order, each with its marker file.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        folder: PathBuf,
        header_json: &str,
        plan: Vec<(String, String)>,
    ) -> Result<Self> {
        let header = json("the header of a run", header_json)?;
        let plan = plan.into_iter().map(|(name, marker)| Step { name, marker }).collect();
        let ledger = py.detach(|| ledger::Ledger::open(&folder, &header, plan))?;
        Ok(Self { open: Mutex::new(Some(ledger)) })
    }

    /// The first step that is not done; None when all are.
    fn next(&self, py: Python<'_>) -> Result<Option<String>> {
        py.detach(|| self.with(|ledger| Ok(ledger.next().map(str::to_owned))))
    }

    /// Whether a step is done.
    fn done(&self, py: Python<'_>, step: &str) -> Result<bool> {
        py.detach(|| self.with(|ledger| Ok(ledger.is_done(step)?)))
    }

    /// Journal a step as done, with size and digest of each file.
    fn commit(&self, py: Python<'_>, step: &str, files: Vec<String>) -> Result<()> {
        py.detach(|| self.with(|ledger| Ok(ledger.commit(step, &files)?)))
    }

    /// Journal a remark: a JSON object with an "event".
    fn note(&self, py: Python<'_>, note_json: &str) -> Result<()> {
        let note = json("a note", note_json)?;
        py.detach(|| self.with(|ledger| Ok(ledger.note(&note)?)))
    }

    /// Let go of the folder. Closing twice is fine.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.lock().take()));
    }

    /// Who holds a run folder: pid, host, since. None when nobody does.
    #[staticmethod]
    fn holder(py: Python<'_>, folder: PathBuf) -> Result<Option<Bound<'_, PyDict>>> {
        let Some(holder) = py.detach(|| ledger::holder(&folder))? else { return Ok(None) };
        let about = PyDict::new(py);
        about.set_item("pid", holder.pid)?;
        about.set_item("host", holder.host)?;
        about.set_item("since", holder.since)?;
        Ok(Some(about))
    }

    /// The records of a run's journal, each as a line of JSON.
    #[staticmethod]
    fn read(py: Python<'_>, folder: PathBuf) -> Result<Vec<String>> {
        Ok(py.detach(|| ledger::read(&folder))?)
    }

    /// Read every journalled file again; what is wrong, one line each.
    #[staticmethod]
    fn verify(py: Python<'_>, folder: PathBuf) -> Result<Vec<String>> {
        Ok(py.detach(|| ledger::verify(&folder))?)
    }
}
