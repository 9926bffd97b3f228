//! Whether a run's files are still what the journal says they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde_json::Value;

use crate::digest;
use crate::error::{Error, Result};
use crate::ledger::journal;

/// Looks at the journal and at every file it vouches for; returns what is wrong, one line each.
/// Where a file was committed several times, the last time counts.
pub fn verify(folder: &Path) -> Result<Vec<String>> {
    let contents = match journal::read(folder) {
        Ok(contents) => contents,
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
    let mut expected: BTreeMap<&str, &Value> = BTreeMap::new();
    for record in contents.records.iter().filter(|record| journal::step_of(record).is_some()) {
        for file in record["files"].as_array().into_iter().flatten() {
            expected.insert(file["path"].as_str().unwrap_or_default(), file);
        }
    }
    problems.extend(expected.into_iter().filter_map(|(path, file)| check(folder, path, file)));
    Ok(problems)
}

fn check(folder: &Path, path: &str, expected: &Value) -> Option<String> {
    let path = folder.join(path);
    let shown = path.display();
    let (size, digest) = match File::open(&path).and_then(|mut file| digest::content(&mut file)) {
        Ok(found) => found,
        Err(error) => return Some(format!("{shown}: {error}")),
    };
    if expected["size"] != size {
        return Some(format!("{shown}: {size} bytes, but {} were committed", expected["size"]));
    }
    (expected["digest"] != digest.as_str())
        .then(|| format!("{shown}: its content is not what was committed"))
}
