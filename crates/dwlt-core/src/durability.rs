//! Every operation on files fails once, and once the process dies there; then the same work is
//! done again and ends with the same bytes. And: work that is stopped, fsyncs that are refused,
//! clocks that go backwards.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::clock;
use crate::disk::Op;
use crate::disk::fault::{self, EINVAL, EIO, ENOSPC, Fault};
use crate::error::{Error, Result};
use crate::files::mask_file::{self, Origin};
use crate::files::{apply, atomic, checkpoint::Checkpoint, temporary};
use crate::ledger::{self, Ledger, State, Step};
use crate::masks::{Bits, Mask, MaskSet};
use crate::select::{Keep, Options};
use crate::watch::Watch;

const NOBODY: Watch<'static> = Watch { done: None, stop: None };

/// Paths and content of all files of a folder, relative to it.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below =
                tree(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes));
            found.extend(below);
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn has_leftovers(folder: &Path) -> bool {
    tree(folder).keys().any(|path| path.ends_with(".dwlt-tmp"))
}

/// A safetensors file with one tensor of 70 f32.
fn weights(name: &str) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[70],"data_offsets":[0,280]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    (0..70_u8).for_each(|i| bytes.extend((f32::from(i) - 20.5).to_le_bytes()));
    bytes
}

fn masks(names: &[&str]) -> MaskSet {
    let bools: Vec<bool> = (0..70).map(|i| i % 3 == 0).collect();
    let mask =
        |name: &&str| ((*name).to_owned(), Mask::new(vec![70], Bits::from_bools(&bools)).unwrap());
    MaskSet::new(names.iter().map(mask).collect()).unwrap()
}

/// Writes what the work starts from.
fn sources(folder: &Path) {
    fs::create_dir(folder.join("in")).unwrap();
    for name in ["a", "b"] {
        fs::write(folder.join(format!("in/{name}.safetensors")), weights(name)).unwrap();
    }
    let map = json!({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}});
    fs::write(folder.join("in/x.safetensors.index.json"), map.to_string()).unwrap();
}

fn plan() -> Vec<Step> {
    let step = |name: &str| Step { name: name.to_owned(), marker: format!("{name}/result.json") };
    ["one", "two"].map(step).to_vec()
}

/// A run of two steps, carried on from wherever it is.
fn run(folder: &Path) -> Result<()> {
    let folder = folder.join("run");
    let mut ledger = Ledger::open(&folder, &json!({"id": "0"}), plan(), NOBODY)?;
    while let Some(step) = ledger.next().map(str::to_owned) {
        fs::create_dir_all(folder.join(&step)).unwrap();
        let mask = format!("{step}/mask.safetensors");
        mask_file::save(&folder.join(&mask), &masks(&[&step]), &Origin::default(), NOBODY)?;
        ledger.finish(&step, &[mask], step.as_bytes(), NOBODY)?;
    }
    Ok(())
}

/// Work in a folder, which may be done again after it failed.
type Work = fn(&Path) -> Result<()>;

fn works() -> Vec<(&'static str, Work)> {
    vec![
        ("write", |folder| atomic::write(&folder.join("file"), b"content", NOBODY)),
        ("save", |folder| {
            mask_file::save(&folder.join("mask"), &masks(&["a"]), &Origin::default(), NOBODY)
        }),
        ("apply", |folder| {
            let (from, to) = (folder.join("in/a.safetensors"), folder.join("out"));
            apply::apply(&from, &masks(&["a"]), &to, NOBODY)
        }),
        ("apply to several files", |folder| {
            if folder.join("out/x.safetensors.index.json").exists()
                && !folder.join("out/.dwlt-unfinished").exists()
            {
                return Ok(()); // whole: the fault came after the last write
            }
            apply::apply(&folder.join("in"), &masks(&["a", "b"]), &folder.join("out"), NOBODY)
        }),
        ("select and load", |folder| {
            let checkpoint = Checkpoint::open(&folder.join("in"))?;
            checkpoint.digest(NOBODY)?;
            let kept = checkpoint.magnitude(&["a", "b"], Keep::Total(50), Options::default())?;
            let path = folder.join("mask");
            mask_file::save(&path, &kept, &Origin::default(), NOBODY)?;
            mask_file::load(&path, NOBODY).map(|_| ())
        }),
        ("run", run),
    ]
}

/// Does work with a fault at its n-th operation, for every n, then again; and checks what is there.
fn fail_everywhere(fault: impl Fn(u64) -> Fault, leaves_nothing: bool) {
    for (name, work) in works() {
        let undisturbed = tempfile::tempdir().unwrap();
        sources(undisturbed.path());
        work(undisturbed.path()).unwrap();
        let expected = tree(undisturbed.path());
        let mut faults = 0;
        for n in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            sources(folder);
            temporary::forget();
            let (first, fired) = fault::with(fault(n), || work(folder));
            if !fired {
                assert!(first.is_ok() && n > 0, "{name}");
                break;
            }
            faults += u64::from(first.is_err());
            if leaves_nothing {
                assert!(!has_leftovers(folder), "{name}, fault {n}: {first:?}");
            }
            temporary::forget();
            work(folder).unwrap_or_else(|error| panic!("{name}, fault {n}, again: {error}"));
            let mut found = tree(folder);
            let mut expected = expected.clone();
            if name == "run" {
                // The journal tells of the fault, and when each step was done.
                assert_eq!(
                    ledger::verify(&folder.join("run"), "result.json", NOBODY).unwrap(),
                    [""; 0]
                );
                let checked = ledger::check(&folder.join("run"), &plan(), true, NOBODY).unwrap();
                assert!(checked.iter().all(|step| step.state == State::Committed));
                assert!(checked.iter().all(|step| step.files.len() == 2));
                for path in ["run/journal", "run/.lock"] {
                    assert!(found.remove(path).is_some() && expected.remove(path).is_some());
                }
            }
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "{name}, fault {n}"
            );
            assert!(found == expected, "{name}, fault {n}: another content");
        }
        assert!(faults > 5, "{name}: {faults} faults");
    }
}

#[test]
fn any_operation_may_fail_once() {
    // A removal that fails leaves what was to be removed; the next process cleans up.
    fail_everywhere(|n| Fault::once(n, ENOSPC), true);
}

#[test]
fn the_process_may_be_killed_at_any_operation() {
    fail_everywhere(Fault::kill, false);
}

#[test]
fn a_file_that_is_replaced_is_the_old_or_the_new_one() {
    for n in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let (written, fired) =
            fault::with(Fault::kill(n), || atomic::write(&path, b"new one", NOBODY));
        let content = fs::read(&path).unwrap();
        assert!(content == b"old" && written.is_err() || content == b"new one", "fault {n}");
        if !fired {
            break;
        }
    }
}

#[test]
fn an_fsync_that_is_not_offered_is_done_without_and_one_that_fails_is_an_error() {
    let every = |errno| Fault { op: Some(Op::Sync), after: 0, times: u64::MAX, errno };
    for (name, work) in works() {
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        let (done, refused) = fault::with(every(EINVAL), || work(folder.path()));
        assert!(refused && done.is_ok(), "{name}: {done:?}");
        for errno in [EIO, ENOSPC] {
            let folder = tempfile::tempdir().unwrap();
            sources(folder.path());
            let (failed, _) = fault::with(every(errno), || work(folder.path()));
            assert!(matches!(failed, Err(Error::Io { .. })), "{name}: {failed:?}");
        }
    }
}

#[test]
fn work_that_is_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sources(folder);
    let before = tree(folder);
    let asked = AtomicU64::new(0);
    let last = Cell::new(0);
    let (all, one) = (masks(&["a", "b"]), masks(&["a"]));
    for after in 0_u64.. {
        asked.store(0, Ordering::Relaxed);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= after;
        let watch = Watch { done: None, stop: Some(&stop) };
        let results = [
            apply::apply(&folder.join("in"), &all, &folder.join("out"), watch),
            apply::apply(&folder.join("in/a.safetensors"), &one, &folder.join("single"), watch),
            mask_file::save(&folder.join("mask"), &all, &Origin::default(), watch),
            atomic::write(&folder.join("file"), b"content", watch),
            Checkpoint::open(&folder.join("in")).unwrap().digest(watch).map(|_| ()),
            Checkpoint::open(&folder.join("in"))
                .unwrap()
                .magnitude(&["a", "b"], 5, Options { watch, ..Options::default() })
                .map(|_| ()),
        ];
        if results.iter().all(Result::is_ok) {
            break;
        }
        last.set(after);
        for result in &results {
            assert!(matches!(result, Ok(()) | Err(Error::Stopped)), "{result:?}");
        }
        if results[0].is_err() {
            assert!(!folder.join("out").exists(), "stopped after {after}");
        }
        for (result, path) in results[1..4].iter().zip(["single", "mask", "file"]) {
            assert_eq!(result.is_ok(), folder.join(path).exists(), "stopped after {after}");
            let _ = fs::remove_file(folder.join(path));
        }
        let _ = fs::remove_dir_all(folder.join("out"));
        assert_eq!(tree(folder), before, "stopped after {after}");
    }
    assert!(last.get() > 5, "every kind of work asks whether to stop");
}

#[test]
fn a_clock_that_goes_backwards_changes_nothing_but_the_times_noted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (i, seconds) in [4_000_000_000, 1_000, 0].into_iter().enumerate() {
        clock::SET.set(Some(seconds));
        let mut ledger = Ledger::open(folder, &json!({"id": "0"}), plan(), NOBODY).unwrap();
        let busy = Ledger::open(folder, &json!({"id": "0"}), plan(), NOBODY).unwrap_err();
        assert!(matches!(busy, Error::Busy { .. }));
        match ledger.next().map(str::to_owned) {
            Some(step) => ledger.finish(&step, &[], b"{}", NOBODY).unwrap(),
            None => assert_eq!(i, 2),
        }
        drop(ledger);
        assert_eq!(ledger::verify(folder, "result.json", NOBODY).unwrap(), [""; 0]);
        assert_eq!(ledger::holder(folder).unwrap(), None);
    }
    clock::SET.set(None);
    let times: Vec<String> = ledger::read(folder)
        .unwrap()
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].to_string())
        .collect();
    assert!(times.first() > times.last(), "{times:?}");
}
