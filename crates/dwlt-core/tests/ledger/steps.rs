//! Plans, commits, healing after a crash, requests that are refused, and who holds the folder.

use super::*;

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
