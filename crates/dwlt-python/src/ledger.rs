//! The class `Ledger`.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dwlt_core::Watch;
use dwlt_core::ledger::{self, FileRecord, State, Step};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

use crate::buffers::Bytes;
use crate::errors::{Result, ledger_error};
use crate::signals::watched;

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

    /// Calls a method that may take long.
    fn watched(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut ledger::Ledger, Watch<'_>) -> dwlt_core::Result<()> + Send,
    ) -> Result<()> {
        let done = watched(py, None, |watch| {
            // The error of a ledger that is closed is not the core's, so it comes out apart.
            Ok(self.with(|ledger| Ok(act(ledger, watch))))
        })?;
        Ok(done??)
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
        let ledger =
            watched(py, None, |watch| ledger::Ledger::open(&folder, &header, steps(plan), watch))?;
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

    /// Write a step's marker file and journal the step as done.
    fn finish(
        &self,
        py: Python<'_>,
        step: &str,
        files: Vec<String>,
        result: &Bound<'_, PyAny>,
    ) -> Result<()> {
        let result = Bytes::borrow("result", result)?;
        self.watched(py, |ledger, watch| ledger.finish(step, &files, result.as_slice(), watch))
    }

    /// Journal a step whose marker file is there as done, with size and digest of each file.
    fn commit(&self, py: Python<'_>, step: &str, files: Vec<String>) -> Result<()> {
        self.watched(py, |ledger, watch| ledger.commit(step, &files, watch))
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

    /// Compare steps with what is in a run folder. Takes no lock and changes nothing.
    #[staticmethod]
    #[pyo3(signature = (folder, plan, *, digests=false))]
    fn check(
        py: Python<'_>,
        folder: PathBuf,
        plan: Vec<(String, String)>,
        digests: bool,
    ) -> Result<Bound<'_, PyDict>> {
        let plan = steps(plan);
        let by_step = PyDict::new(py);
        for checked in watched(py, None, |watch| ledger::check(&folder, &plan, digests, watch))? {
            let about = PyDict::new(py);
            about.set_item("state", word(checked.state))?;
            let files = PyDict::new(py);
            for FileRecord { path, size, digest } in checked.files {
                files.set_item(path, (size, digest))?;
            }
            about.set_item("files", files)?;
            about.set_item("problems", checked.problems)?;
            by_step.set_item(checked.step, about)?;
        }
        Ok(by_step)
    }

    /// Read a run's journal and every file it vouches for; what is wrong, one line each.
    #[staticmethod]
    #[pyo3(signature = (folder, *, result="result.json"))]
    fn verify(py: Python<'_>, folder: PathBuf, result: &str) -> Result<Vec<String>> {
        watched(py, None, |watch| ledger::verify(&folder, result, watch))
    }
}

fn steps(plan: Vec<(String, String)>) -> Vec<Step> {
    plan.into_iter().map(|(name, marker)| Step { name, marker }).collect()
}

fn word(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Uncommitted => "uncommitted",
        State::Committed => "committed",
        State::Damaged => "damaged",
    }
}
