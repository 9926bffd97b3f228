//! What a check says of journals and files that are not what they were.

use super::*;

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
