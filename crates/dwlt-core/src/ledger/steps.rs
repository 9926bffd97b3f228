//! The steps of a run and the files they leave.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Component, Path};

use serde_json::{Value, json};

use crate::digest;
use crate::error::{Error, Result};

/// A step and the file, relative to the run folder, that is there once the step is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The plan's word for it.
    pub name: String,
    /// Path of the marker file, with `/` between its parts.
    pub marker: String,
}

/// Refuses a plan in which a step or a marker file occurs twice, or a marker leads elsewhere.
pub(crate) fn check(plan: &[Step]) -> Result<()> {
    let mut names = BTreeSet::new();
    let mut markers = BTreeSet::new();
    for step in plan {
        check_inside(&step.marker)?;
        if !names.insert(&step.name) {
            return Err(Error::ledger(format!("the plan has step {:?} twice", step.name)));
        }
        if !markers.insert(&step.marker) {
            return Err(Error::ledger(format!("two steps have the file {:?}", step.marker)));
        }
    }
    Ok(())
}

/// Path, size and digest of files of a run. They are brought to the disk first, so that the
/// journal never vouches for bytes that a power failure can still take.
pub(crate) fn describe(folder: &Path, files: &[String]) -> Result<Value> {
    let described = files.iter().map(|file| {
        check_inside(file)?;
        let path = folder.join(file);
        let (size, digest) = measure(&path).map_err(|error| Error::io("commit", &path, error))?;
        Ok(json!({"path": file, "size": size, "digest": digest}))
    });
    Ok(Value::Array(described.collect::<Result<_>>()?))
}

fn measure(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    if cfg!(unix) {
        file.sync_all()?; // elsewhere a file open for reading cannot be flushed
    }
    digest::content(&mut file)
}

fn check_inside(file: &str) -> Result<()> {
    let mut parts = Path::new(file).components();
    let inside = !file.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)));
    if inside {
        return Ok(());
    }
    Err(Error::ledger(format!("{file:?} is not a path inside the run folder")))
}
