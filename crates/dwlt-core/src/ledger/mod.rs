//! The run ledger: what a run is, what is done, what comes next, who is working on it.
//!
//! A run folder holds a journal (see [`journal`]) and a lock (see [`lock`]). A step of the run is
//! done when the journal says so, with the size and digest of each of its files. The last of these
//! is its marker file, the result: [`Ledger::finish`] first journals that it is about to be
//! written and what all files must then be (`prepare`), then writes it, then journals the step as
//! done (`commit`). After a crash between the last two, opening the ledger compares the files with
//! what was prepared and, where all agree, journals that (`heal`). A marker file that nothing
//! vouches for does not make a step done.

mod history;
mod journal;
mod lock;
mod steps;
mod verify;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use history::{Checked, State, check};
pub use lock::{Holder, holder};
pub use steps::{FileRecord, Step};
pub use verify::verify;

use crate::canonical::canonical_json;
use crate::disk;
use crate::error::{Error, Result};
use crate::files::atomic;
use crate::watch::Watch;
use history::History;
use journal::{Event, Journal};
use lock::Lock;

/// A run folder, held by this process until dropped.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    plan: Vec<Step>,
    history: History,
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
    pub fn open(folder: &Path, header: &Value, plan: Vec<Step>, watch: Watch<'_>) -> Result<Self> {
        if !header.is_object() {
            return Err(Error::ledger("the header of a run must be a JSON object"));
        }
        steps::check(&plan)?;
        disk::create_folder(folder).map_err(|error| Error::io("create", folder, error))?;
        let lock = Lock::take(folder, watch)?;
        atomic::sweep(folder).map_err(|error| Error::io("clean", folder, error))?;
        let (mut journal, records) = Journal::open(folder)?;
        match records.first() {
            None => journal.append(Event::Open, json!({"version": 1, "header": header}))?,
            Some(first) => check_header(folder, first, header)?,
        }
        let history = History::of(&records)?;
        let process = std::process::id();
        let folder = folder.to_owned();
        let mut ledger = Self { folder, plan, history, journal, _lock: lock, process };
        ledger.heal(watch)?;
        Ok(ledger)
    }

    /// The first step of the plan that is not done; None when all are.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.plan.iter().map(|step| step.name.as_str()).find(|name| !self.history.is_done(name))
    }

    /// Whether a step of the plan is done.
    pub fn is_done(&self, step: &str) -> Result<bool> {
        self.step(step)?;
        Ok(self.history.is_done(step))
    }

    /// Writes a step's marker file, its result, and journals the step as done, with size and
    /// digest of that and of each other file, which must be there. A crash at any point leaves a
    /// step that is either not begun to be finished, or is healed when the ledger is next opened.
    pub fn finish(
        &mut self,
        step: &str,
        files: &[String],
        result: &[u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        self.check_process()?;
        let marker = self.step(step)?.marker.clone();
        if self.history.is_done(step) {
            return Err(committed_before(step));
        }
        let others: Vec<String> = files.iter().filter(|file| **file != marker).cloned().collect();
        let mut all = steps::describe(&self.folder, &others, watch)?;
        all.push(FileRecord::of(&marker, result));
        self.journal.append(Event::Prepare, json!({"step": step, "files": all}))?;
        let path = self.folder.join(&marker);
        let folder = disk::folder_of(&path);
        disk::create_folder(folder).map_err(|error| Error::io("create", folder, error))?;
        atomic::write(&path, result, watch)?;
        self.journal.append(Event::Commit, json!({"step": step, "files": all}))?;
        self.history.add(step, all);
        Ok(())
    }

    /// Journals a step as done whose marker file is there already, with size and digest of each of
    /// its files; the marker file is one of them whether named or not. For a step that is done,
    /// only files may be added that the journal does not have yet.
    pub fn commit(&mut self, step: &str, files: &[String], watch: Watch<'_>) -> Result<()> {
        self.check_process()?;
        let marker = self.step(step)?.marker.clone();
        let mut all = files.to_vec();
        if !all.contains(&marker) {
            all.push(marker);
        }
        if self.history.is_done(step) {
            let known: BTreeSet<String> =
                self.history.committed(step).into_iter().map(|file| file.path).collect();
            all.retain(|file| !known.contains(file));
            if all.is_empty() {
                return Err(committed_before(step));
            }
        }
        let described = steps::describe(&self.folder, &all, watch)?;
        self.journal.append(Event::Commit, json!({"step": step, "files": described}))?;
        self.history.add(step, described);
        Ok(())
    }

    /// Journals a remark: a JSON object whose "event" says what happened.
    pub fn note(&mut self, note: &Value) -> Result<()> {
        self.check_process()?;
        self.journal.note(note)
    }

    /// Journals the steps that a crash left finished but not committed, where every file is what
    /// it was prepared to be.
    fn heal(&mut self, watch: Watch<'_>) -> Result<()> {
        for step in &self.plan {
            let there = self.folder.join(&step.marker).is_file();
            let done = self.history.is_done(&step.name);
            if done && !there {
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
            let prepared = self.history.prepared(&step.name);
            let proven = there
                && !done
                && prepared.iter().any(|file| file.path == step.marker)
                && steps::problems(&prepared, &self.folder, true, watch)?.is_empty();
            if proven {
                self.journal.append(Event::Heal, json!({"step": step.name, "files": prepared}))?;
                self.history.add(&step.name, prepared);
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

fn committed_before(step: &str) -> Error {
    Error::ledger(format!("step {step:?} was committed before"))
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
