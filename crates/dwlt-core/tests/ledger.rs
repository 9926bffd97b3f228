//! The ledger: plans, commits, healing after a crash, damage, and who holds the folder.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use dwlt_core::ledger::{self, Checked, Ledger, State, Step, check, holder, read};
use dwlt_core::{Error, Result, Watch};
use serde_json::{Value, json};

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

#[test]
fn steps_are_done_in_order_and_stay_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for round in 0..3 {
        let mut ledger = open(folder).unwrap();
        let step = format!("round {round}");
        assert_eq!(ledger.next(), Some(step.as_str()));
        assert!(!ledger.is_done(&step).unwrap());
        let files = work(folder, round);
        ledger.commit(&step, &files, Watch::default()).unwrap();
        assert!(ledger.is_done(&step).unwrap());
    }
    assert_eq!(open(folder).unwrap().next(), None);
    assert_eq!(events(folder), ["open", "commit", "commit", "commit"]);
    assert_eq!(verify(folder).unwrap(), Vec::<String>::new());
}

#[test]
fn a_commit_journals_size_and_digest_of_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ledger = open(folder).unwrap();
    work(folder, 0);
    // The marker file is journalled though it is not named.
    ledger.commit("round 0", &["round-00/mask.safetensors".to_owned()], Watch::default()).unwrap();
    let record: Value = serde_json::from_str(&read(folder).unwrap()[1]).unwrap();
    let expected = |file: &str| {
        let content = format!("content of {file}");
        let digest = format!("b3:{}", blake3::hash(content.as_bytes()).to_hex());
        json!({"path": file, "size": content.len(), "digest": digest})
    };
    assert_eq!(
        record["files"],
        json!([expected("round-00/mask.safetensors"), expected("round-00/result.json")])
    );
    assert_eq!((&record["step"], &record["seq"]), (&json!("round 0"), &json!(1)));
}

#[test]
fn a_step_that_a_kill_left_without_its_commit_is_healed_only_if_its_files_are_proven() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = work(folder, 0);
    let result = fs::read(folder.join(&files[1])).unwrap();
    let mut ledger = open(folder).unwrap();
    ledger.finish("round 0", &files, &result, Watch::default()).unwrap();
    assert!(
        said(ledger.finish("round 0", &files, &result, Watch::default()))
            .ends_with("was committed before")
    );
    drop(ledger);
    assert_eq!(events(folder), ["open", "prepare", "commit"]);
    assert_eq!(first(folder, true).state, State::Committed);
    assert_eq!(first(folder, true).files.len(), 2);

    // A kill between result and commit: the journal lacks its last line.
    let journal = fs::read_to_string(folder.join("journal")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    fs::write(folder.join("journal"), lines[..2].concat()).unwrap();
    let found = first(folder, true);
    assert_eq!((found.state, found.files.len(), found.problems.len()), (State::Uncommitted, 2, 0));
    let shown = folder.join(&files[1]);
    let uncommitted = format!("{}: a result that was never committed", shown.display());
    assert_eq!(verify(folder).unwrap(), std::slice::from_ref(&uncommitted));

    // Another content in the checkpoint: found, and not healed.
    let checkpoint = folder.join(&files[0]);
    let good = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, vec![b'x'; good.len()]).unwrap();
    let differs = format!("{}: its content is not what was committed", checkpoint.display());
    assert_eq!(verify(folder).unwrap(), [uncommitted.clone(), differs.clone()]);
    assert_eq!(first(folder, true).problems, [differs]);
    assert_eq!(first(folder, false).problems, Vec::<String>::new());
    assert_eq!(open(folder).unwrap().next(), Some("round 0"));
    assert_eq!(events(folder), ["open", "prepare"]);

    // The content that was prepared: healed, once.
    fs::write(&checkpoint, &good).unwrap();
    assert_eq!(open(folder).unwrap().next(), Some("round 1"));
    assert_eq!(open(folder).unwrap().next(), Some("round 1"));
    assert_eq!(events(folder), ["open", "prepare", "heal"]);
    assert_eq!(verify(folder).unwrap(), Vec::<String>::new());
    assert_eq!(first(folder, true).files.len(), 2);

    // Nothing but the beginning of the journal: nothing vouches for the files.
    fs::write(folder.join("journal"), lines[0]).unwrap();
    assert_eq!(verify(folder).unwrap(), [uncommitted]);
    let found = first(folder, false);
    assert_eq!((found.state, found.files.len()), (State::Uncommitted, 0));
    let mut ledger = open(folder).unwrap();
    assert_eq!(ledger.next(), Some("round 0"));
    // The caller has proven them by other means.
    ledger.commit("round 0", &[], Watch::default()).unwrap();
    ledger.commit("round 0", &files, Watch::default()).unwrap(); // the file that the first commit left out
    assert_eq!(
        said(ledger.commit("round 0", &files, Watch::default())),
        "step \"round 0\" was committed before"
    );
    drop(ledger);
    assert_eq!(verify(folder).unwrap(), Vec::<String>::new());
    assert_eq!(first(folder, true).files.len(), 2);
}

#[test]
fn a_step_is_finished_again_after_a_kill_before_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = work(folder, 0);
    let mut ledger = open(folder).unwrap();
    ledger.finish("round 0", &files, b"{}", Watch::default()).unwrap();
    drop(ledger);
    let journal = fs::read_to_string(folder.join("journal")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    fs::write(folder.join("journal"), lines[..2].concat()).unwrap();
    fs::remove_file(folder.join(&files[1])).unwrap();
    assert_eq!(first(folder, false).state, State::Open);
    assert_eq!(verify(folder).unwrap(), Vec::<String>::new());
    let mut ledger = open(folder).unwrap();
    assert_eq!(ledger.next(), Some("round 0"));
    fs::write(folder.join(&files[0]), "another mask").unwrap();
    ledger.finish("round 0", &files, b"[]", Watch::default()).unwrap();
    assert_eq!(events(folder), ["open", "prepare", "prepare", "commit"]);
    assert_eq!(verify(folder).unwrap(), Vec::<String>::new());
    // A second prepare after a kill counts, not the first.
    let journal = fs::read_to_string(folder.join("journal")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    drop(ledger);
    fs::write(folder.join("journal"), lines[..3].concat()).unwrap();
    assert_eq!(open(folder).unwrap().next(), Some("round 1"));
}

#[test]
fn a_check_tells_committed_files_that_are_missing_or_differ() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(first(&folder.join("nowhere"), false).state, State::Open);
    let mut ledger = open(folder).unwrap();
    assert_eq!(first(folder, false).state, State::Open);
    let files = work(folder, 0);
    assert_eq!(first(folder, false).state, State::Uncommitted);
    ledger.commit("round 0", &files, Watch::default()).unwrap();
    assert_eq!(first(folder, false).state, State::Committed);
    for file in &files {
        let path = folder.join(file);
        let good = fs::read(&path).unwrap();
        fs::write(&path, vec![b'x'; good.len()]).unwrap();
        assert_eq!(first(folder, false).state, State::Committed, "the size is the same");
        assert_eq!(first(folder, true).state, State::Damaged);
        fs::write(&path, "short").unwrap();
        assert_eq!(first(folder, false).state, State::Damaged);
        assert!(first(folder, false).problems[0].ends_with("were committed"));
        fs::remove_file(&path).unwrap();
        assert_eq!(first(folder, false).state, State::Damaged);
        fs::write(&path, good).unwrap();
    }
    assert_eq!(first(folder, true).state, State::Committed);
}

#[test]
fn a_journalled_step_whose_marker_is_gone_is_a_contradiction() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ledger = open(folder).unwrap();
    let files = work(folder, 0);
    ledger.commit("round 0", &files, Watch::default()).unwrap();
    drop(ledger);
    fs::remove_file(folder.join("round-00/result.json")).unwrap();
    assert!(said(open(folder)).ends_with("its file round-00/result.json is gone"));
}

#[test]
fn a_line_cut_at_any_byte_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ledger = open(folder).unwrap();
    let whole_lines = fs::read(folder.join("journal")).unwrap();
    ledger.note(&json!({"event": "asked", "rounds": 3})).unwrap();
    drop(ledger);
    let journal = fs::read(folder.join("journal")).unwrap();
    for length in whole_lines.len()..journal.len() {
        fs::write(folder.join("journal"), &journal[..length]).unwrap();
        let torn = length > whole_lines.len();
        assert_eq!(verify(folder).unwrap().len(), usize::from(torn), "cut at {length}");
        assert_eq!(events(folder), ["open"]);
        drop(open(folder).unwrap());
        assert_eq!(events(folder), if torn { vec!["open", "recover"] } else { vec!["open"] });
        assert_eq!(verify(folder).unwrap(), Vec::<String>::new());
    }
    // The very first line, too: then the journal begins anew.
    for length in 0..whole_lines.len() {
        fs::write(folder.join("journal"), &journal[..length]).unwrap();
        drop(open(folder).unwrap());
        assert_eq!(events(folder), ["open"]);
    }
}

#[test]
fn damage_above_the_last_line_is_reported_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ledger = open(folder).unwrap();
    for n in 0..3 {
        ledger.note(&json!({"event": "remark", "n": n})).unwrap();
    }
    drop(ledger);
    let path = folder.join("journal");
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let altered = good.replace("\"n\":1", "\"n\":7");
    let without_second = [lines[0], lines[2], lines[3]].concat();
    let swapped = [lines[0], lines[2], lines[1], lines[3]].concat();
    for (text, line) in [(altered, 3), (without_second, 2), (swapped, 2)] {
        fs::write(&path, &text).unwrap();
        let expected = format!("{}: line {line} is damaged", path.display());
        assert_eq!(said(open(folder)), expected);
        assert_eq!(said(read(folder)), expected);
        assert_eq!(verify(folder).unwrap(), [expected]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "a refused journal is left alone");
    }
}

#[test]
fn changed_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ledger = open(folder).unwrap();
    let files = work(folder, 0);
    ledger.commit("round 0", &files, Watch::default()).unwrap();
    let mask = folder.join("round-00/mask.safetensors");
    let good = fs::read(&mask).unwrap();
    let mut flipped = good.clone();
    flipped[3] ^= 1;
    fs::write(&mask, flipped).unwrap();
    let shown = mask.display();
    let wrong = [format!("{shown}: its content is not what was committed")];
    assert_eq!(verify(folder).unwrap(), wrong);
    fs::write(&mask, &good[1..]).unwrap();
    let (now, was) = (good.len() - 1, good.len());
    assert_eq!(
        verify(folder).unwrap(),
        [format!("{shown}: {now} bytes, but {was} were committed")]
    );
    fs::remove_file(&mask).unwrap();
    assert!(verify(folder).unwrap()[0].starts_with(&format!("{shown}: ")));
    let nowhere = folder.join("nowhere");
    let expected = format!("{}: there is no journal", nowhere.display());
    assert_eq!(verify(&nowhere).unwrap(), [expected]);
}

#[test]
fn another_header_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drop(
        Ledger::open(folder, &json!({"id": "0a1b2c3d", "starts": {}}), plan(), Watch::default())
            .unwrap(),
    );
    drop(
        Ledger::open(folder, &json!({"starts": {}, "id": "0a1b2c3d"}), plan(), Watch::default())
            .unwrap(),
    );
    let other = Ledger::open(
        folder,
        &json!({"id": "ffffffff", "starts": {}, "x": 1}),
        plan(),
        Watch::default(),
    );
    assert!(said(other).ends_with("its journal belongs to another run; they differ in id, x"));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let step = |name: &str, marker: &str| Step { name: name.to_owned(), marker: marker.to_owned() };
    for (plan, expected) in [
        (vec![step("a", "x"), step("a", "y")], "the plan has step \"a\" twice"),
        (vec![step("a", "x"), step("b", "x")], "two steps have the file \"x\""),
        (vec![step("a", "../x")], "\"../x\" is not a path inside the run folder"),
        (vec![step("a", "/x")], "\"/x\" is not a path inside the run folder"),
        (vec![step("a", "")], "\"\" is not a path inside the run folder"),
    ] {
        assert_eq!(said(Ledger::open(folder, &json!({}), plan, Watch::default())), expected);
    }
    assert_eq!(
        said(Ledger::open(folder, &json!([]), plan(), Watch::default())),
        "the header of a run must be a JSON object"
    );
    let mut ledger = open(folder).unwrap();
    assert!(said(ledger.is_done("round 9")).ends_with("its plan has no step \"round 9\""));
    assert!(
        said(ledger.commit("round 9", &[], Watch::default()))
            .ends_with("its plan has no step \"round 9\"")
    );
    let files = work(folder, 0);
    assert!(
        said(ledger.commit("round 0", &["../x".to_owned()], Watch::default()))
            .ends_with("inside the run folder")
    );
    assert!(ledger.commit("round 1", &[], Watch::default()).is_err(), "the marker is not there");
    ledger.commit("round 0", &files, Watch::default()).unwrap();
    assert_eq!(
        said(ledger.commit("round 0", &files, Watch::default())),
        "step \"round 0\" was committed before"
    );
    for note in [
        json!([]),
        json!({}),
        json!({"event": 3}),
        json!({"event": "commit"}),
        json!({"event": "prepare"}),
        json!({"event": "x", "seq": 1}),
    ] {
        said(ledger.note(&note));
    }
    assert_eq!(events(folder), ["open", "commit"]);
}

#[test]
fn a_second_holder_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(holder(folder).unwrap(), None);
    let ledger = open(folder).unwrap();
    let who = holder(folder).unwrap().unwrap();
    assert_eq!(who.pid, std::process::id());
    let error = open(folder).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "{} is held by process {} on {} since {}",
            folder.display(),
            who.pid,
            who.host,
            who.since
        )
    );
    assert!(error.hint().is_some());
    drop(ledger);
    assert_eq!(holder(folder).unwrap(), None);
    drop(open(folder).unwrap());
}

#[test]
fn unfinished_files_are_swept_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drop(open(folder).unwrap());
    let leftover = folder.join(".result.json.77-0.dwlt-tmp");
    fs::write(&leftover, "half").unwrap();
    drop(open(folder).unwrap());
    assert!(!leftover.exists());
}
