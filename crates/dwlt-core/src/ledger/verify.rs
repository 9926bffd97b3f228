//! Whether a run's files are what the journal says they are, and its results are journalled.

use std::io;
use std::path::Path;

use crate::disk;
use crate::error::{Error, Result};
use crate::ledger::history::History;
use crate::ledger::{journal, steps};
use crate::watch::Watch;

/// Reads a run's journal and every file it vouches for; returns what is wrong, one line each.
///
/// Wrong are: a journal that is missing, damaged or cut short; a committed file that is missing or
/// has another content (where it was committed several times, the last time counts); and a file
/// named `result`, in the folder or below, that no commit vouches for. Of a result that was
/// prepared but not committed the prepared files are compared too.
pub fn verify(folder: &Path, result: &str, watch: Watch<'_>) -> Result<Vec<String>> {
    let results = named(folder, result).map_err(|error| Error::io("read", folder, error))?;
    let read = journal::read(folder)
        .and_then(|contents| History::of(&contents.records).map(|history| (contents, history)));
    let (contents, history) = match read {
        Ok(read) => read,
        Err(Error::Ledger { message, .. }) => return Ok(vec![message]),
        Err(error) => return Err(error),
    };
    let mut problems = Vec::new();
    if !contents.exists {
        problems.push(format!("{}: there is no journal", folder.display()));
    }
    if contents.torn > 0 {
        problems.push(format!(
            "{}: the last line of the journal is cut short; the next run drops it",
            folder.display()
        ));
    }
    problems.extend(steps::problems(history.files(), folder, true, watch)?);
    for path in results {
        if history.files().any(|file| file.path == path) {
            continue;
        }
        let shown = folder.join(&path);
        problems.push(format!("{}: a result that was never committed", shown.display()));
        let prepared = history.unfinished().find(|(_, files)| files.iter().any(|f| f.path == path));
        let files = prepared.map(|(_, files)| files).unwrap_or_default();
        problems.extend(steps::problems(files, folder, true, watch)?);
    }
    Ok(problems)
}

/// Paths of the files of a name in a folder and below, relative to it, in order. Links to folders
/// are not followed, and a folder that does not exist has none.
fn named(folder: &Path, name: &str) -> io::Result<Vec<String>> {
    fn collect(folder: &Path, inside: &str, name: &str, found: &mut Vec<String>) -> io::Result<()> {
        for entry in disk::list(folder)? {
            let entry = entry?;
            let Ok(file) = entry.file_name().into_string() else { continue };
            let path = format!("{inside}{file}");
            if entry.file_type()?.is_dir() {
                collect(&entry.path(), &format!("{path}/"), name, found)?;
            } else if file == name {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    match collect(folder, "", name, &mut found) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => found.sort(),
    }
    Ok(found)
}
