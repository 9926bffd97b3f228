//! What a journal says of a run's steps and files, and whether the files bear it out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::ledger::journal::{self, Event};
use crate::ledger::steps::{self, FileRecord, Step};
use crate::watch::Watch;

/// How far a step is, as its files and the journal say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Neither committed nor is its marker file there.
    Open,
    /// Its marker file is there, but the journal does not say that the step is done: a crash came
    /// between the two, or the journal lost a line. Nothing vouches for its other files.
    Uncommitted,
    /// Committed, and every committed file is there with the size it had.
    Committed,
    /// Committed, but a file is missing or is not what was committed.
    Damaged,
}

/// What [`check`] says of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The plan's word for the step.
    pub step: String,
    /// How far it is.
    pub state: State,
    /// The files that the journal has for it: those committed, or those prepared where it is
    /// uncommitted.
    pub files: Vec<FileRecord>,
    /// What is wrong with these files, one line each.
    pub problems: Vec<String>,
}

/// Compares steps with what is in the run folder. Takes no lock and changes nothing.
///
/// Sizes are compared; with `digests` every file is read and its content is compared too. While
/// another process finishes a step, the step may look uncommitted for a moment, so a caller
/// that wants to act on that opens the ledger first.
pub fn check(
    folder: &Path,
    plan: &[Step],
    digests: bool,
    watch: Watch<'_>,
) -> Result<Vec<Checked>> {
    steps::check(plan)?;
    // Before the journal is read: a step that is finished meanwhile must not look uncommitted.
    let there: Vec<bool> = plan.iter().map(|step| folder.join(&step.marker).is_file()).collect();
    let history = History::of(&journal::read(folder)?.records)?;
    let checked = plan.iter().zip(there).map(|(step, there)| {
        let committed = history.is_done(&step.name);
        let files =
            if committed { history.committed(&step.name) } else { history.prepared(&step.name) };
        let mut problems = Vec::new();
        if committed || there {
            problems = steps::problems(&files, folder, digests, watch)?;
        }
        if committed && !there && !files.iter().any(|file| file.path == step.marker) {
            problems.push(format!("{}: it is gone", folder.join(&step.marker).display()));
        }
        let state = match (committed, there) {
            (true, _) if problems.is_empty() => State::Committed,
            (true, _) => State::Damaged,
            (false, true) => State::Uncommitted,
            (false, false) => State::Open,
        };
        Ok(Checked { step: step.name.clone(), state, files, problems })
    });
    checked.collect()
}

/// The steps and files of a journal's records.
#[derive(Debug, Default)]
pub(crate) struct History {
    prepared: BTreeMap<String, Vec<FileRecord>>,
    done: BTreeMap<String, BTreeSet<String>>,
    latest: BTreeMap<String, FileRecord>,
}

impl History {
    pub(crate) fn of(records: &[Value]) -> Result<Self> {
        let mut history = Self::default();
        for record in records {
            let event = record["event"].as_str().unwrap_or_default();
            let declares = [Event::Commit, Event::Heal].iter().any(|own| own.word() == event);
            if !declares && event != Event::Prepare.word() {
                continue;
            }
            let step = record["step"].as_str().unwrap_or_default();
            let files: Vec<FileRecord> =
                serde_json::from_value(record["files"].clone()).map_err(|error| {
                    Error::ledger(format!("record {} of the journal: {error}", record["seq"]))
                })?;
            if declares {
                history.add(step, files);
            } else {
                history.prepared.insert(step.to_owned(), files);
            }
        }
        Ok(history)
    }

    /// Notes that a step is done with these files.
    pub(crate) fn add(&mut self, step: &str, files: Vec<FileRecord>) {
        let paths = self.done.entry(step.to_owned()).or_default();
        for file in files {
            paths.insert(file.path.clone());
            self.latest.insert(file.path.clone(), file);
        }
    }

    /// Whether a step was committed or healed.
    pub(crate) fn is_done(&self, step: &str) -> bool {
        self.done.contains_key(step)
    }

    /// The files of a step that is done. Where a file was committed several times, by whatever
    /// step, the last time counts.
    pub(crate) fn committed(&self, step: &str) -> Vec<FileRecord> {
        let paths = self.done.get(step).into_iter().flatten();
        paths.map(|path| self.latest[path].clone()).collect()
    }

    /// The files that were prepared when a step's result was last about to be written.
    pub(crate) fn prepared(&self, step: &str) -> Vec<FileRecord> {
        self.prepared.get(step).cloned().unwrap_or_default()
    }

    /// Every committed file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRecord> {
        self.latest.values()
    }

    /// Steps that were prepared and are not done, with their files.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (&str, &[FileRecord])> {
        let open = self.prepared.iter().filter(|(step, _)| !self.is_done(step));
        open.map(|(step, files)| (step.as_str(), files.as_slice()))
    }
}
