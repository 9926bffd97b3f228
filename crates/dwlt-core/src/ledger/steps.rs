//! The steps of a run and the files they leave.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::disk::{self, File};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// A step and the file, relative to the run folder, that is there once the step is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The plan's word for it.
    pub name: String,
    /// Path of the marker file, with `/` between its parts.
    pub marker: String,
}

/// A file of a run as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Path relative to the run folder, with `/` between its parts.
    pub path: String,
    /// Bytes of its content.
    pub size: u64,
    /// BLAKE3 digest of its content.
    pub digest: String,
}

impl FileRecord {
    /// The record of a file that will have this content.
    pub(crate) fn of(path: &str, content: &[u8]) -> Self {
        let digest = digest::bytes(content);
        Self { path: path.to_owned(), size: content.len() as u64, digest }
    }

    /// What is wrong with the file in `folder`, if anything is: it cannot be read, or its size,
    /// or with `digests` its content, is another.
    pub(crate) fn problem(
        &self,
        folder: &Path,
        digests: bool,
        watch: Watch<'_>,
    ) -> Result<Option<String>> {
        if let Err(error) = check_inside(&self.path) {
            return Ok(Some(error.to_string()));
        }
        let path = folder.join(&self.path);
        let shown = path.display();
        let measured = if digests {
            File::open(&path)
                .map_err(|error| Error::read(&path, error))
                .and_then(|file| digest::content(&file, &path, watch))
        } else {
            disk::metadata(&path)
                .map(|about| (about.len(), self.digest.clone()))
                .map_err(|error| Error::read(&path, error))
        };
        Ok(match measured {
            Err(Error::Read { source, .. }) => Some(format!("{shown}: {source}")),
            Err(error) => return Err(error),
            Ok((size, _)) if size != self.size => {
                Some(format!("{shown}: {size} bytes, but {} were committed", self.size))
            }
            Ok((_, digest)) if digest != self.digest => {
                Some(format!("{shown}: its content is not what was committed"))
            }
            Ok(_) => None,
        })
    }
}

/// What is wrong with files in `folder`, one line each; see [`FileRecord::problem`].
pub(crate) fn problems<'a>(
    files: impl IntoIterator<Item = &'a FileRecord>,
    folder: &Path,
    digests: bool,
    watch: Watch<'_>,
) -> Result<Vec<String>> {
    let problem = |file: &FileRecord| file.problem(folder, digests, watch).transpose();
    files.into_iter().filter_map(problem).collect()
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
pub(crate) fn describe(
    folder: &Path,
    files: &[String],
    watch: Watch<'_>,
) -> Result<Vec<FileRecord>> {
    let record = |file: &String| {
        check_inside(file)?;
        let path = folder.join(file);
        let failed = |error| Error::io("commit", &path, error);
        let open = File::open(&path).map_err(failed)?;
        if cfg!(unix) {
            // Elsewhere a file open for reading cannot be flushed.
            let handle = open.try_clone().map_err(failed)?;
            watch.wait_for(move || handle.sync())?.map_err(failed)?;
        }
        let (size, digest) = digest::content(&open, &path, watch)?;
        Ok(FileRecord { path: file.clone(), size, digest })
    };
    files.iter().map(record).collect()
}

fn check_inside(file: &str) -> Result<()> {
    let mut parts = Path::new(file).components();
    let inside = !file.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)));
    if inside {
        return Ok(());
    }
    Err(Error::ledger(format!("{file:?} is not a path inside the run folder")))
}
