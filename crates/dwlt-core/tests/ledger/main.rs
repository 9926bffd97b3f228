//! The ledger: plans, commits, healing after a crash, damage, and who holds the folder.
#![allow(clippy::unwrap_used)]

mod damage;
mod steps;

use dwlt_core::ledger::{self, Checked, Ledger, State, Step, check, holder, read};
use dwlt_core::{Error, Result, Watch};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn plan() -> Vec<Step> {
    let step =
        |n: u32| Step { name: format!("round {n}"), marker: format!("round-{n:02}/result.json") };
    (0..3).map(step).collect()
}

fn open(folder: &Path) -> Result<Ledger> {
    Ledger::open(folder, &json!({"id": "0a1b2c3d"}), plan(), Watch::default())
}

/// Writes a step's marker file and one more.
fn work(folder: &Path, round: u32) -> Vec<String> {
    let files = ["mask.safetensors", "result.json"].map(|name| format!("round-{round:02}/{name}"));
    fs::create_dir_all(folder.join(format!("round-{round:02}"))).unwrap();
    for file in &files {
        fs::write(folder.join(file), format!("content of {file}")).unwrap();
    }
    files.to_vec()
}

fn verify(folder: &Path) -> Result<Vec<String>> {
    ledger::verify(folder, "result.json", Watch::default())
}

/// The state of the first round.
fn first(folder: &Path, digests: bool) -> Checked {
    check(folder, &plan(), digests, Watch::default()).unwrap().remove(0)
}

fn events(folder: &Path) -> Vec<String> {
    let event = |line: &String| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["event"].as_str().unwrap().to_owned()
    };
    read(folder).unwrap().iter().map(event).collect()
}

fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result.unwrap_err() {
        Error::Ledger { message, .. } => message,
        other => panic!("another kind of error: {other:?}"),
    }
}
