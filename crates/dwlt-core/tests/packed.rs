//! Packed tickets: bytes by hand, back to the dense file, and files that lie.
#![allow(clippy::unwrap_used)]

mod by_hand;

use std::fs;
use std::path::{Path, PathBuf};

use dwlt_core::Watch;
use dwlt_core::files::apply::apply;
use dwlt_core::files::packed::{masks, pack, unpack};
use dwlt_core::masks::{Bits, Mask, MaskSet};
use proptest::prelude::*;

use by_hand::{entry, file};

/// A file with blanks and metadata that must come back: "n" is left as it is.
fn dense() -> Vec<u8> {
    let header = format!(
        r#"{{ "__metadata__":{{"by":"\"hand\""}}, {}, {},{} }}  "#,
        entry("n", "U8", "[1]", 0, 1),
        entry("h", "F16", "[3]", 1, 7),
        entry("w", "F32", "[2,5]", 7, 47)
    );
    let data: Vec<u8> = (1..48).collect();
    file(&header, &data)
}

fn mask(shape: &[usize], bits: &[u8]) -> Mask {
    let kept: Vec<bool> = bits.iter().map(|&bit| bit == 1).collect();
    Mask::new(shape.to_vec(), Bits::from_bools(&kept)).unwrap()
}

fn kept() -> MaskSet {
    MaskSet::new(vec![
        ("w".to_owned(), mask(&[2, 5], &[0, 1, 0, 0, 0, 0, 0, 0, 0, 1])),
        ("h".to_owned(), mask(&[3], &[1, 0, 1])),
    ])
    .unwrap()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The header's JSON and the data behind it.
fn split(bytes: &[u8]) -> (serde_json::Value, &[u8]) {
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), &bytes[8 + length..])
}

fn packed(folder: &Path) -> PathBuf {
    let (from, to) = (written(folder, "w.safetensors", &dense()), folder.join("packed"));
    pack(&from, &kept(), &to, Watch::default()).unwrap();
    to
}

#[test]
fn a_packed_file_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(packed(folder.path())).unwrap();
    let (header, data) = split(&bytes);
    // Wide elements first, masks last. The weights of "w" begin at byte 8: 1 and 9 are kept.
    let expected: &[u8] = &[
        &[12, 13, 14, 15, 44, 45, 46, 47][..], // w#kept
        &[2, 3, 6, 7],                         // h#kept
        &[1],                                  // n
        &[0b101],                              // h#mask
        &[0b0000_0010, 0b10],                  // w#mask
    ]
    .concat();
    assert_eq!(data, expected);
    assert_eq!(header["w#kept"]["dtype"], "F32");
    assert_eq!(header["w#kept"]["shape"], serde_json::json!([2]));
    assert_eq!(header["w#mask"]["data_offsets"], serde_json::json!([14, 16]));
    let about = &header["__metadata__"];
    assert_eq!((&about["format"], &about["version"]), (&"dwlt-packed".into(), &"1".into()));
    assert_eq!((&about["kept"], &about["total"]), (&"4".into(), &"13".into()));
    let dense = dense();
    let length = dense.len() - 8 - 47;
    assert_eq!(about["header"].as_str().unwrap().as_bytes(), &dense[8..8 + length]);
    assert_eq!(about["masks"].as_str().unwrap(), kept().digest());
}

#[test]
fn the_bytes_of_a_packed_file_never_change() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(packed(folder.path())).unwrap();
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), GOLDEN);
}

const GOLDEN: &str = "4bd79cd27c51e7ca19b5778e2198fbd91f7f1e4e6c9da5c93cce5f172ad178f2";

#[test]
fn unpacking_gives_the_masked_file() {
    let folder = tempfile::tempdir().unwrap();
    let (small, back, plain) =
        (packed(folder.path()), folder.path().join("back"), folder.path().join("plain"));
    unpack(&small, &back, Watch::default()).unwrap();
    apply(&folder.path().join("w.safetensors"), &kept(), &plain, Watch::default()).unwrap();
    assert_eq!(fs::read(&back).unwrap(), fs::read(&plain).unwrap());
    assert_eq!(masks(&small, Watch::default()).unwrap(), kept());
}

#[test]
fn folders_come_back_with_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    let one = |name: &str| file(&format!("{{{}}}", entry(name, "I8", "[3]", 0, 3)), &[7, 8, 9]);
    written(&from, "1.safetensors", &one("a"));
    written(&from, "2.safetensors", &one("b"));
    let index = r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    written(&from, "m.safetensors.index.json", index.as_bytes());
    let masks = MaskSet::new(vec![("b".to_owned(), mask(&[3], &[0, 1, 0]))]).unwrap();
    let (small, back) = (folder.path().join("small"), folder.path().join("back"));
    pack(&from, &masks, &small, Watch::default()).unwrap();
    unpack(&small, &back, Watch::default()).unwrap();
    assert_eq!(fs::read(back.join("1.safetensors")).unwrap(), one("a"));
    assert_eq!(fs::read(back.join("2.safetensors")).unwrap().last_chunk(), Some(&[0_u8, 8, 0]));
    assert_eq!(fs::read_to_string(back.join("m.safetensors.index.json")).unwrap(), index);
    assert_eq!(fs::read_dir(&back).unwrap().count(), 3);
}

#[test]
fn what_cannot_be_packed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let header =
        format!("{{{},{}}}", entry("w", "I8", "[1]", 0, 1), entry("w#kept", "I8", "[1]", 1, 2));
    let from = written(folder.path(), "x.safetensors", &file(&header, &[1, 2]));
    let masks = MaskSet::new(vec![("w".to_owned(), mask(&[1], &[1]))]).unwrap();
    let error = pack(&from, &masks, &out, Watch::default()).unwrap_err().to_string();
    assert!(error.ends_with("w#kept: packing needs this name for the parts of a masked tensor"));
    let error = unpack(&from, &out, Watch::default()).unwrap_err().to_string();
    assert!(error.ends_with("not a packed file: its metadata name no format"), "{error}");
    assert!(!out.exists());
}

/// The packed file with one thing changed in header or data.
fn lying(change: impl Fn(&mut serde_json::Value, &mut Vec<u8>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(packed(folder.path())).unwrap();
    let (mut header, data) = split(&bytes);
    let mut data = data.to_vec();
    change(&mut header, &mut data);
    let path = written(folder.path(), "lie", &file(&header.to_string(), &data));
    let out = folder.path().join("out");
    let error = unpack(&path, &out, Watch::default()).unwrap_err().to_string();
    assert!(!out.exists());
    error.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn lies_are_found() {
    let meta = |key: &'static str, value: &'static str| {
        lying(move |header, _| header["__metadata__"][key] = value.into())
    };
    let about = [
        meta("format", "dwlt-mask"),
        meta("version", "2"),
        meta("kept", "5"),
        meta("total", "x"),
        meta("masks", "b3:1"),
        meta("more", ""),
        meta("header", "{"),
        meta("header", "{}"),
        meta(
            "header",
            r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}"#,
        ),
    ];
    let text = about.join("\n");
    for expected in [
        "not a packed file: its format is \"dwlt-mask\"",
        "version \"2\"; this dwlt reads version 1",
        "the metadata say kept = 5, the masks have 4",
        "the metadata say total = x, the masks have 13",
        "masks is \"b3:1\", not a digest",
        "the metadata have an unknown key \"more\"",
        "the dense file's header: not as it should be",
        "h#kept: the dense file has no such tensor",
        "do not hold shape [4294967296, 4294967296, 4294967296] of F32",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let last = 15;
    assert_eq!(lying(|_, data| data[last] = 0b110), "w#mask: a padding bit is set");
    let error = lying(|_, data| data[last] = 0b11);
    assert_eq!(error, "w#kept: [2] of F32 where the mask keeps 3 of F32");
    let error = lying(|_, data| data[last] = 0b01);
    assert!(error.starts_with("the metadata say masks = b3:"), "{error}");
    let error = lying(|header, _| header["w#kept"]["dtype"] = "I32".into());
    assert_eq!(error, "w#kept: [2] of I32 where the mask keeps 2 of F32");
    let error = lying(|header, _| header["n"]["dtype"] = "I8".into());
    assert_eq!(error, "n: not of the dense file's type and shape");
    let error = lying(|header, _| {
        let part = header["w#mask"].take();
        header["x#mask"] = part;
        header.as_object_mut().unwrap().remove("w#mask");
    });
    assert_eq!(error, "w: neither the tensor nor both of its parts");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the width, the size and the mask: packed and unpacked is masked.
    #[test]
    fn packing_loses_nothing(
        kind in prop::sample::select(vec![("I8", 1), ("BF16", 2), ("F32", 4), ("F64", 8), ("C64", 8)]),
        bits in prop::collection::vec(any::<bool>(), 0..300),
        seed in any::<u8>(),
    ) {
        let (dtype, width) = kind;
        let folder = tempfile::tempdir().unwrap();
        #[allow(clippy::cast_possible_truncation)]
        let data: Vec<u8> =
            (0..bits.len() * width).map(|i| (i as u8).wrapping_mul(37) ^ seed).collect();
        let header =
            format!("{{{}}}", entry("w", dtype, &format!("[{}]", bits.len()), 0, data.len()));
        let from = written(folder.path(), "w", &file(&header, &data));
        let mask = Mask::new(vec![bits.len()], Bits::from_bools(&bits)).unwrap();
        let masks = MaskSet::new(vec![("w".to_owned(), mask)]).unwrap();
        let at = |name: &str| folder.path().join(name);
        pack(&from, &masks, &at("small"), Watch::default()).unwrap();
        unpack(&at("small"), &at("back"), Watch::default()).unwrap();
        apply(&from, &masks, &at("plain"), Watch::default()).unwrap();
        prop_assert_eq!(fs::read(at("back")).unwrap(), fs::read(at("plain")).unwrap());
    }
}
