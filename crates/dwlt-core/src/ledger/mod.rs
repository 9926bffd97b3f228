//! The run ledger: what a run is, what is done, what comes next, who is working on it.
//!
//! A run folder holds a journal (see [`journal`]) and a lock (see [`lock`]). A step of the run is
//! done when the journal says so, or when its marker file exists: marker files are written last
//! and whole, so one that the journal does not know was written just before a crash, and opening
//! the ledger journals it then.

mod journal;
mod lock;
mod steps;
mod verify;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use lock::{Holder, holder};
pub use steps::Step;
pub use verify::verify;

use crate::canonical::canonical_json;
use crate::error::{Error, Result};
use crate::files::atomic;
use journal::{Event, Journal};
use lock::Lock;

/// A run folder, held by this process until dropped.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    plan: Vec<Step>,
    done: BTreeSet<String>,
    journal: Journal,
    // Last, so that the lock is released after everything else is closed.
    _lock: Lock,
    process: u32,
}

impl Ledger {
    /// Takes the folder, which is made if need be, and reads what is done.
    ///
    /// `header` is what the run is, any JSON object: the first opening journals it, later ones
    /// must bring the same. `plan` lists the steps in the order they are done.
    ///
    /// An unfinished last line of the journal, and unfinished files, are removed: a process was
    /// killed while it wrote them.
    pub fn open(folder: &Path, header: &Value, plan: Vec<Step>) -> Result<Self> {
        if !header.is_object() {
            return Err(Error::ledger("the header of a run must be a JSON object"));
        }
        steps::check(&plan)?;
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let lock = Lock::take(folder)?;
        atomic::sweep(folder).map_err(|error| Error::io("clean", folder, error))?;
        let (mut journal, records) = Journal::open(folder)?;
        match records.first() {
            None => journal.append(Event::Open, json!({"version": 1, "header": header}))?,
            Some(first) => check_header(folder, first, header)?,
        }
        let done = records.iter().filter_map(journal::step_of).map(str::to_owned).collect();
        let process = std::process::id();
        let folder = folder.to_owned();
        let mut ledger = Self { folder, plan, done, journal, _lock: lock, process };
        ledger.heal()?;
        Ok(ledger)
    }

    /// The first step of the plan that is not done; None when all are.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.plan.iter().map(|step| step.name.as_str()).find(|name| !self.done.contains(*name))
    }

    /// Whether a step of the plan is done.
    pub fn is_done(&self, step: &str) -> Result<bool> {
        self.step(step)?;
        Ok(self.done.contains(step))
    }

    /// Journals a step as done, with size and digest of each of its files; the marker file is one
    /// of them whether named or not. The files must be there, and a step is committed once.
    pub fn commit(&mut self, step: &str, files: &[String]) -> Result<()> {
        self.check_process()?;
        let marker = self.step(step)?.marker.clone();
        if self.done.contains(step) {
            return Err(Error::ledger(format!("step {step:?} was committed before")));
        }
        let mut all = files.to_vec();
        if !all.contains(&marker) {
            all.push(marker);
        }
        let described = steps::describe(&self.folder, &all)?;
        self.journal.append(Event::Commit, json!({"step": step, "files": described}))?;
        self.done.insert(step.to_owned());
        Ok(())
    }

    /// Journals a remark: a JSON object whose "event" says what happened.
    pub fn note(&mut self, note: &Value) -> Result<()> {
        self.check_process()?;
        self.journal.note(note)
    }

    /// Journals the steps whose marker files are there although no commit is.
    fn heal(&mut self) -> Result<()> {
        for step in &self.plan {
            let there = self.folder.join(&step.marker).is_file();
            let journalled = self.done.contains(&step.name);
            if journalled && !there {
                return Err(Error::Ledger {
                    message: format!(
                        "{}: step {:?} is done, but its file {} is gone",
                        self.folder.display(),
                        step.name,
                        step.marker
                    ),
                    hint: Some("put the file back, or remove the run folder and start over"),
                });
            }
            if there && !journalled {
                let described = steps::describe(&self.folder, std::slice::from_ref(&step.marker))?;
                self.journal.append(Event::Heal, json!({"step": step.name, "files": described}))?;
                self.done.insert(step.name.clone());
            }
        }
        Ok(())
    }

    fn step(&self, name: &str) -> Result<&Step> {
        self.plan.iter().find(|step| step.name == name).ok_or_else(|| {
            Error::ledger(format!("{}: its plan has no step {name:?}", self.folder.display()))
        })
    }

    /// A forked child holds the same open files; were it to write, two would.
    fn check_process(&self) -> Result<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(Error::ledger("only the process that opened a ledger may write to it"))
    }
}

/// The records of a run's journal in order, each as canonical JSON. Takes no lock; an unfinished
/// last line is left out.
pub fn read(folder: &Path) -> Result<Vec<String>> {
    let contents = journal::read(folder)?;
    Ok(contents.records.iter().map(canonical_json).collect())
}

fn check_header(folder: &Path, first: &Value, header: &Value) -> Result<()> {
    let stored = &first["header"];
    if canonical_json(stored) == canonical_json(header) {
        return Ok(());
    }
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    let differing: Vec<String> = keys(stored)
        .union(&keys(header))
        .filter(|key| stored.get(key.as_str()) != header.get(key.as_str()))
        .cloned()
        .collect();
    Err(Error::Ledger {
        message: format!(
            "{}: its journal belongs to another run; they differ in {}",
            folder.display(),
            differing.join(", ")
        ),
        hint: Some("choose another --runs folder, or remove this run folder"),
    })
}
