//! Checkpoints: files, indexes and folders, damaged in every way that the format knows.
#![allow(clippy::unwrap_used)]

mod by_hand;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use dwlt_core::files::apply::apply;
use dwlt_core::files::checkpoint::Checkpoint;
use dwlt_core::masks::MaskSet;
use dwlt_core::select::{Options, Tensor, Values, magnitude};
use dwlt_core::{Result, Watch};
use half::bf16;

use by_hand::{entry, file};

fn digest_file(path: &Path) -> Result<String> {
    Checkpoint::open(path)?.digest(Watch::default())
}

fn good() -> Vec<u8> {
    let header =
        format!("{{{},{}}}", entry("b", "F32", "[2]", 0, 8), entry("a", "BF16", "[3]", 8, 14));
    let mut data = Vec::new();
    data.extend([1.0_f32, -3.0].iter().flat_map(|x| x.to_le_bytes()));
    data.extend([2.0, -2.5, 0.5].iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()));
    file(&header, &data)
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The error of opening and of all work on the first tensor; panics where there is none.
fn fault(path: &Path) -> String {
    let opened = Checkpoint::open(path);
    opened.map(|checkpoint| checkpoint.tensors().len()).unwrap_err().to_string()
}

#[test]
fn tensors_are_sorted_and_selected_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "w.safetensors", &good());
    let checkpoint = Checkpoint::open(&path).unwrap();
    let names: Vec<&str> = checkpoint.tensors().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let a = [2.0, -2.5, 0.5].map(bf16::from_f32);
    let b = [1.0_f32, -3.0];
    let tensors = [
        Tensor { name: "a", shape: &[3], values: Values::Bf16(&a) },
        Tensor { name: "b", shape: &[2], values: Values::F32(&b) },
    ];
    for keep in 0..=5 {
        let options = Options::default();
        let expected = magnitude(&tensors, keep, options).unwrap();
        assert_eq!(checkpoint.magnitude(&names, keep, options).unwrap(), expected);
    }
    let error = checkpoint.magnitude(&["c"], 0, Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "c: the checkpoint has no such tensor");
}

#[test]
fn a_large_file_gives_the_masks_of_its_weights_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f32> =
        (0..900_001_u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761) >> 2)).collect();
    let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let header = format!("{{{}}}", entry("w", "F32", "[900001]", 0, data.len()));
    let path = written(folder.path(), "w.safetensors", &file(&header, &data));
    let tensors = [Tensor { name: "w", shape: &[900_001], values: Values::F32(&values) }];
    let first = magnitude(&tensors, 720_000, Options::default()).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let done = AtomicU64::new(0);
    let watched = Options { watch: Watch { done: Some(&done), stop: None }, ..Options::default() };
    assert!(checkpoint.magnitude(&["w"], 720_000, watched).unwrap() == first);
    assert!(done.into_inner() >= data.len() as u64);
    let options = Options { within: Some(&first), ..Options::default() };
    let second = magnitude(&tensors, 500_000, options).unwrap();
    assert!(checkpoint.magnitude(&["w"], 500_000, options).unwrap() == second);

    let out = folder.path().join("out");
    let done = AtomicU64::new(0);
    apply(&path, &second, &out, Watch { done: Some(&done), stop: None }).unwrap();
    assert_eq!(done.into_inner(), data.len() as u64);
    let bytes = fs::read(&out).unwrap();
    let masked = &bytes[bytes.len() - data.len()..];
    let mask = second.get("w").unwrap();
    let mut kept = vec![false; 900_001];
    mask.bits().unpack(&mut kept);
    for (i, (was, is)) in data.chunks(4).zip(masked.chunks(4)).enumerate() {
        assert_eq!(is, if kept[i] { was } else { &[0; 4] }, "weight {i}");
    }
}

#[test]
fn a_checkpoint_of_several_files_is_digested_and_masked_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole = written(folder.path(), "whole", &good());
    let shards = folder.path().join("shards");
    fs::create_dir(&shards).unwrap();
    let one =
        file(&format!("{{{}}}", entry("b", "F32", "[2]", 0, 8)), &good()[good().len() - 14..][..8]);
    let two =
        file(&format!("{{{}}}", entry("a", "BF16", "[3]", 0, 6)), &good()[good().len() - 6..]);
    written(&shards, "1.safetensors", &one);
    written(&shards, "2.safetensors", &two);
    let map = r#"{"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}"#;
    let index = written(&shards, "w.safetensors.index.json", map.as_bytes());
    assert_eq!(digest_file(&shards).unwrap(), digest_file(&whole).unwrap());
    assert_eq!(digest_file(&index).unwrap(), digest_file(&whole).unwrap());

    let masks = Checkpoint::open(&whole).unwrap().magnitude(&["a"], 1, Options::default()).unwrap();
    let (out, single) = (folder.path().join("out"), folder.path().join("single"));
    apply(&index, &masks, &out, Watch::default()).unwrap();
    apply(&whole, &masks, &single, Watch::default()).unwrap();
    assert_eq!(digest_file(&out).unwrap(), digest_file(&single).unwrap());
    assert_eq!(fs::read(out.join("1.safetensors")).unwrap(), one);
    assert_eq!(fs::read_to_string(out.join("w.safetensors.index.json")).unwrap(), map);
    let kept = [0.0, -2.5, 0.0].map(bf16::from_f32).map(bf16::to_le_bytes).concat();
    assert!(fs::read(out.join("2.safetensors")).unwrap().ends_with(&kept));
    let error = apply(&shards, &masks, &out, Watch::default()).unwrap_err().to_string();
    assert!(error.contains("is not empty; name a new folder"), "{error}");
    let other = MaskSet::dense(vec![("c".to_owned(), vec![1])]).unwrap();
    let error = apply(&shards, &other, &folder.path().join("none"), Watch::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} has no tensor \"c\", which the masks cover", shards.display())
    );
    assert!(!folder.path().join("none").exists());
}

#[test]
fn every_cut_and_every_tail_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let whole = good();
    for cut in 0..whole.len() {
        fault(&written(folder.path(), "cut", &whole[..cut]));
    }
    let tail = [whole.as_slice(), b"\0"].concat();
    assert!(fault(&written(folder.path(), "tail", &tail)).contains("1 bytes after the last"));
}

#[test]
fn every_changed_header_byte_is_an_error_or_another_header() {
    let folder = tempfile::tempdir().unwrap();
    let whole = good();
    let header = whole.len() - 14;
    for place in 0..header {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << bit;
            let path = written(folder.path(), "bent", &bytes);
            // A name may change unnoticed, and one type into another of its width; what is
            // selected then is still of the right size.
            if let Ok(checkpoint) = Checkpoint::open(&path) {
                for tensor in checkpoint.tensors() {
                    if let Ok(masks) = checkpoint.magnitude(&[&tensor.name], 1, Options::default())
                    {
                        assert_eq!(masks.kept(), 1);
                    }
                }
            }
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let a = |from, to| entry("a", "F32", "[2]", from, to);
    let b = |from, to| entry("b", "F32", "[2]", from, to);
    for (header, said) in [
        (format!("{{{},{}}}", a(0, 8), b(4, 12)), "b: overlaps the one before"),
        (format!("{{{},{}}}", a(0, 8), b(9, 17)), "b: leaves a gap"),
        (format!("{{{},{}}}", a(0, 8), a(8, 16)), "\"a\" occurs twice"),
        (format!("{{{},{}}}", a(8, 0), b(8, 16)), "a: "),
        (format!("{{{}}}", entry("a", "F32", "[3]", 0, 16)), "do not hold shape [3]"),
        (format!("{{{}}}", entry("a", "F31", "[4]", 0, 16)), "unknown element type \"F31\""),
        (
            format!("{{{}}}", entry("a", "F32", "[4611686018427387904,4]", 0, 16)),
            "do not hold shape",
        ),
        (format!("{{{}}}", entry("a", "F32", "[-1]", 0, 16)), "not as it should be"),
        (format!("{{{}}}", entry("a", "F32", "[4]", 0, 17)), "do not hold"),
        ("{\"a\":1}".to_owned(), "not as it should be"),
        ("[]".to_owned(), "begins with no header"),
    ] {
        let said_is = fault(&written(folder.path(), "lie", &file(&header, &[0; 16])));
        assert!(said_is.contains(said), "{header}: {said_is}");
    }
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend_from_slice(b"{}");
    assert!(fault(&written(folder.path(), "huge", &huge)).contains("begins with no header"));
    let long = [100_000_000_u64.to_le_bytes().as_slice(), b"{}"].concat();
    assert!(fault(&written(folder.path(), "long", &long)).contains("cut short"));
    let mut latin = file("{\"e\":1}", &[]);
    latin[10] = 0xe9;
    assert!(fault(&written(folder.path(), "latin", &latin)).contains("not UTF-8 at byte 10"));
}

#[test]
fn only_numbers_with_a_magnitude_are_selected() {
    let folder = tempfile::tempdir().unwrap();
    let header = format!("{{{}}}", entry("a", "I64", "[1]", 0, 8));
    let path = written(folder.path(), "ints", &file(&header, &[0; 8]));
    let checkpoint = Checkpoint::open(&path).unwrap();
    let error = checkpoint.magnitude(&["a"], 1, Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "a: weights of type I64 have no order");
}

/// Every element type of the format, and the bytes of eight elements.
const TYPES: [(&str, usize); 21] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E4M3", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("F8_E8M0", 8),
    ("U16", 16),
    ("I16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("U32", 32),
    ("I32", 32),
    ("F32", 32),
    ("U64", 64),
    ("I64", 64),
    ("F64", 64),
];

#[test]
fn every_type_of_the_format_is_read_digested_and_passed_through() {
    let folder = tempfile::tempdir().unwrap();
    let (mut entries, mut data) = (vec![], vec![]);
    for (dtype, len) in [&TYPES[..], &[("C64", 64)]].concat() {
        entries.push(entry(dtype, dtype, "[2,4]", data.len(), data.len() + len));
        // No byte is 0, so that a masked one shows.
        data.extend((0..len).map(|i| u8::try_from(i + 1).unwrap()));
    }
    let header = format!("{{{}}}", entries.join(","));
    let whole = file(&header, &data);
    let path = written(folder.path(), "all", &whole);
    assert!(digest_file(&path).unwrap().starts_with("b3:"));
    let out = folder.path().join("out");
    apply(&path, &MaskSet::dense(vec![]).unwrap(), &out, Watch::default()).unwrap();
    assert_eq!(fs::read(&out).unwrap(), whole);
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.tensors().len(), 22);
    for dtype in checkpoint.tensors().map(|tensor| tensor.name.clone()) {
        let selected = checkpoint.magnitude(&[&dtype], 1, Options::default());
        let ranked = ["F64", "F32", "F16", "BF16"].contains(&dtype.as_str());
        assert_eq!(selected.is_ok(), ranked, "{dtype}");
        if let Err(error) = selected {
            let expected = format!("{dtype}: weights of type {dtype} have no order");
            assert_eq!(error.to_string(), expected);
        }
        // A mask that keeps everything changes nothing, where a mask can be laid on at all.
        let masks = MaskSet::dense(vec![(dtype.clone(), vec![2, 4])]).unwrap();
        let masked = apply(&path, &masks, &out, Watch::default());
        let refused = ["F4", "F6_E2M3", "F6_E3M2", "F8_E8M0"].contains(&dtype.as_str());
        assert_eq!(masked.is_err(), refused, "{dtype}");
        if let Err(error) = masked {
            assert!(error.to_string().contains(&format!("type {dtype} cannot be masked")));
        }
    }
}

#[test]
fn elements_below_a_byte_fill_whole_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (dtype, shape, len) in [("F4", "[3]", 2), ("F4", "[3]", 1), ("F6_E2M3", "[3]", 3)] {
        let header = format!("{{{}}}", entry("a", dtype, shape, 0, len));
        let error = fault(&written(folder.path(), "w", &file(&header, &vec![0; len])));
        assert!(error.contains("do not hold shape [3]"), "{error}");
    }
}

#[test]
fn a_file_that_was_not_fetched_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["w.safetensors", "w.safetensors.index.json"] {
        let path = written(folder.path(), name, b"version https://git-lfs.github.com/spec/v1\n");
        assert!(fault(&path).contains("it is a Git LFS pointer"), "{name}");
    }
}

#[test]
fn a_file_that_shrinks_meanwhile_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "w", &good());
    let checkpoint = Checkpoint::open(&path).unwrap();
    fs::write(&path, b"").unwrap();
    let error = checkpoint.magnitude(&["a", "b"], 2, Options::default()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read"), "{error}");
}

#[test]
fn a_failed_application_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "w", &good());
    let masks = MaskSet::dense(vec![("a".to_owned(), vec![4])]).unwrap();
    let error = apply(&path, &masks, &folder.path().join("out"), Watch::default()).unwrap_err();
    assert_eq!(error.to_string(), "a: shape [3], but its mask has [4]");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
