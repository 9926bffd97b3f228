//! Mask files and safetensors headers: exact bytes, round trips, and hostile input.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use dwlt_core::digest::{self, RawTensor};
use dwlt_core::files::checkpoint::Checkpoint;
use dwlt_core::files::mask_file::{Origin, load, save};
use dwlt_core::masks::{Bits, Mask, MaskSet};
use dwlt_core::{Result, Watch};
use proptest::prelude::*;

fn digest_file(path: &Path) -> Result<String> {
    Checkpoint::open(path)?.digest(Watch::default())
}

fn digest_tensors(tensors: &[RawTensor<'_>]) -> Result<String> {
    digest::digest_tensors(tensors, Watch::default())
}

const GOLDEN: &[u8] = include_bytes!("golden/mask.safetensors");

fn mask(shape: &[usize], kept: &[usize]) -> Mask {
    let mut bools = vec![false; shape.iter().product()];
    for &place in kept {
        bools[place] = true;
    }
    Mask::new(shape.to_vec(), Bits::from_bools(&bools)).unwrap()
}

/// The set of the golden file: 12 weights and 3, of which 5 and 1 are kept.
fn golden() -> (MaskSet, Origin) {
    let masks = vec![
        ("conv2.weight".to_owned(), mask(&[3], &[2])),
        ("conv1.weight".to_owned(), mask(&[2, 2, 3], &[0, 1, 3, 8, 11])),
    ];
    let origin = Origin {
        round: 7,
        weights: Some(format!("b3:{}", "ab".repeat(32))),
        parent: Some(format!("b3:{}", "01".repeat(32))),
    };
    (MaskSet::new(masks).unwrap(), origin)
}

fn saved(masks: &MaskSet, origin: &Origin) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    save(&path, masks, origin, Watch::default()).unwrap();
    fs::read(path).unwrap()
}

fn loaded(bytes: &[u8]) -> std::result::Result<(MaskSet, Origin), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    fs::write(&path, bytes).unwrap();
    load(&path, Watch::default()).map_err(|error| {
        let said = error.to_string();
        let prefix = format!("{}: ", path.display());
        said.strip_prefix(&prefix).unwrap_or_else(|| panic!("no path in {said:?}")).to_owned()
    })
}

/// A file with another header; the data are those of the golden file unless given.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn golden_header() -> (String, Vec<u8>) {
    let length = usize::try_from(u64::from_le_bytes(GOLDEN[..8].try_into().unwrap())).unwrap();
    let header = String::from_utf8(GOLDEN[8..8 + length].to_vec()).unwrap();
    (header, GOLDEN[8 + length..].to_vec())
}

#[test]
fn the_bytes_of_a_file_are_pinned() {
    // Users keep these files; other bytes for the same masks are a new format version.
    let (masks, origin) = golden();
    assert_eq!(saved(&masks, &origin), GOLDEN);
    // 0b00001011 = 11 (weights 0, 1, 3), 0b1001 = 9 (weights 8, 11); 0b100 = 4 (weight 2).
    assert_eq!(golden_header().1, [11, 9, 4]);
    assert_eq!((8 + golden_header().0.len()) % 8, 0);
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(loaded(GOLDEN).unwrap(), golden());
    let (masks, _) = golden();
    let unknown = Origin::default();
    assert_eq!(loaded(&saved(&masks, &unknown)).unwrap(), (masks, unknown));
}

#[test]
fn a_digest_that_is_none_is_not_written() {
    let (masks, origin) = golden();
    let path = Path::new("never-written");
    for bad in ["", "b3:", "abc", &format!("b3:{}", "AB".repeat(32))] {
        let origin = Origin { weights: Some(bad.to_owned()), ..origin.clone() };
        let said = save(path, &masks, &origin, Watch::default()).unwrap_err().to_string();
        assert_eq!(said, format!("weights must be a digest (b3:...), not {bad:?}"));
    }
    let odd = MaskSet::dense(vec![("__metadata__".to_owned(), vec![1])]).unwrap();
    assert!(save(path, &odd, &origin, Watch::default()).is_err());
    assert!(!path.exists());
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for length in 0..GOLDEN.len() {
        assert!(loaded(&GOLDEN[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn a_changed_byte_is_refused_or_changes_nothing() {
    for place in 0..GOLDEN.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = GOLDEN.to_vec();
            bytes[place] ^= flip;
            // The three values that no digest covers may change; the masks may not.
            if let Ok((masks, _)) = loaded(&bytes) {
                assert_eq!(masks, golden().0, "byte {place} ^ {flip}");
            }
        }
    }
}

#[test]
fn every_broken_rule_is_named() {
    let (header, data) = golden_header();
    let said = |from: &str, to: &str| {
        assert!(header.contains(from), "{from}");
        loaded(&with_header(&header.replace(from, to), &data)).unwrap_err()
    };
    for (from, to, expected) in [
        ("\"dwlt-mask\"", "\"other\"", "not a mask file: its format is \"other\""),
        ("\"format\"", "\"fmt\"", "not a mask file: its metadata name no format"),
        ("\"version\":\"1\"", "\"version\":\"2\"", "version \"2\"; this dwlt reads version 1"),
        ("\"version\":\"1\",", "", "the metadata lack \"version\""),
        ("\"kept\":\"6\"", "\"kept\":\"5\"", "the metadata say kept = 5, the masks have 6"),
        ("\"kept\":\"6\"", "\"kept\":\"06\"", "kept is \"06\", not a count"),
        ("\"total\":\"15\"", "\"total\":\"16\"", "the metadata say total = 16, the masks have 15"),
        ("\"round\":\"7\"", "\"round\":\"-1\"", "round is \"-1\", not a count"),
        ("\"round\":\"7\"", "\"round\":\"4294967296\"", "round 4294967296 is too large"),
        ("\"round\":\"7\"", "\"turn\":\"7\"", "the metadata lack \"round\""),
        ("\"round\":\"7\"", "\"round\":\"7\",\"x\":\"\"", "the metadata have an unknown key \"x\""),
        ("\"parent\":\"b3:01", "\"parent\":\"b3:0", "parent is \"b3:00101"),
        ("\\\"conv2.weight\\\"", "\\\"conv3.weight\\\"", "conv2.weight: the shapes lack it"),
        ("[2,2,3]", "[2,2,5]", "conv1.weight: [2] packed bytes do not hold shape [2, 2, 5]"),
        ("[2,2,3]", "[2,2,4]", "the metadata say total = 15, the masks have 19"),
        ("[2,2,3]", "[12]", "the masks' digest is b3:"),
        ("[2,2,3]", "[-2,2,3]", "the shapes are not as they should be"),
        ("}\",\"total\"", ",\\\"x\\\":[1]}\",\"total\"", "x: the shapes have it, but there is no"),
        ("\"U8\",\"shape\":[2]", "\"I8\",\"shape\":[2]", "conv1.weight: element type I8, not U8"),
        (
            "\"U8\",\"shape\":[2]",
            "\"Q8\",\"shape\":[2]",
            "conv1.weight: unknown element type \"Q8\"",
        ),
        ("[0,2]", "[1,2]", "conv1.weight: leaves a gap: it begins at data byte 1, not 0"),
        (
            "[2,3]",
            "[1,2]",
            "conv2.weight: overlaps the one before: it begins at data byte 1, not 2",
        ),
        ("[0,2]", "[0,1]", "conv1.weight: data bytes 0 to 1 do not hold shape [2] of U8"),
        ("[2,3]", "[2,1]", "conv2.weight: data bytes 2 to 1 do not hold shape [1] of U8"),
        (
            "\"shape\":[1],\"data_offsets\":[2,3]",
            "\"shape\":[2],\"data_offsets\":[2,4]",
            "cut short",
        ),
        ("\"conv2.weight\":{", "\"conv1.weight\":{", "the header is not as it should be: the key"),
        ("\"dtype\":\"U8\"", "\"dtype\":\"U8\",\"x\":0", "the header is not as it should be"),
        ("{\"__metadata__\"", " {\"__metadata__\"", "not a safetensors file: it begins with no"),
        ("\"__metadata__\"", "\"metadata\"", "the header's entry \"metadata\" is of no known form"),
    ] {
        let said = said(from, to);
        assert!(said.starts_with(expected), "{from} -> {to}: {said}");
    }
    assert_eq!(
        loaded(&with_header(&header, &[11, 9, 4, 0])).unwrap_err(),
        "1 bytes after the last tensor, from data byte 3 on"
    );
    assert_eq!(
        loaded(&with_header(&header, &[11, 0x19, 4])).unwrap_err(),
        "conv1.weight: a padding bit is set in its last byte, data byte 1"
    );
    assert!(
        loaded(&with_header(&header, &[10, 9, 4]))
            .unwrap_err()
            .starts_with("the metadata say kept")
    );
    assert!(
        loaded(&with_header(&header, &[13, 9, 4])).unwrap_err().starts_with("the masks' digest")
    );
}

#[test]
fn other_kinds_of_files_are_recognised() {
    for (bytes, expected) in [
        (&b""[..], "0 bytes, shorter than any header"),
        (b"1234567", "7 bytes, shorter than any header"),
        (b"PK\x03\x04 and so on", "zip archive"),
        (b"\x80\x02}q\x00.", "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "a web page: the download failed"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "it begins with no header"),
        (b"\x02\0\0\0\0\0\0\0[]", "it begins with no header"),
        (b"\x03\0\0\0\0\0\0\0{\xff}", "the header is not UTF-8 at byte 9"),
        (b"\x02\0\0\0\0\0\0\0{}", "its metadata name no format"),
    ] {
        let said = loaded(bytes).unwrap_err();
        assert!(said.contains(expected), "{bytes:?}: {said}");
    }
    let missing = load(Path::new("no-such-file"), Watch::default()).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no-such-file: "), "{missing}");
}

#[test]
fn a_file_has_the_digest_of_its_tensors_whatever_its_layout() {
    let (a, b) = ([1, 2, 3, 4, 5, 6, 7, 8], [9, 10]);
    let tensors = [
        RawTensor { name: "b", dtype: "U8", shape: &[2], bytes: &b },
        RawTensor { name: "a", dtype: "F32", shape: &[1, 2], bytes: &a },
    ];
    let digest = digest_tensors(&tensors).unwrap();
    // Pinned: tickets name their weights by it.
    assert_eq!(digest, "b3:6a2e3db8eb585f7004cb182aea871588c0b6b33030eae625927454655e459a80");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let a_first = r#"{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[2],"data_offsets":[8,10]}}"#;
    let b_first = r#"{"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"__metadata__":{"x":"y"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[2,10]}}  "#;
    for (header, data) in [(a_first, [&a[..], &b].concat()), (b_first, [&b[..], &a].concat())] {
        fs::write(&path, with_header(header, &data)).unwrap();
        assert_eq!(digest_file(&path).unwrap(), digest);
    }
    let renamed = [RawTensor { name: "c", ..tensors[0] }, tensors[1]];
    assert_ne!(digest_tensors(&renamed).unwrap(), digest);
    let reshaped = [tensors[0], RawTensor { shape: &[2], ..tensors[1] }];
    assert_ne!(digest_tensors(&reshaped).unwrap(), digest);
    for bad in [
        vec![tensors[0], tensors[0]],
        vec![RawTensor { shape: &[3], ..tensors[0] }],
        vec![RawTensor { dtype: "Q8", ..tensors[0] }],
        vec![RawTensor { shape: &[u64::MAX, 2], ..tensors[0] }],
    ] {
        assert!(digest_tensors(&bad).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn writing_and_reading_is_identity(
        masks in prop::collection::btree_map(
            "[a-zé\"\\\\. ]{0,12}",
            prop::collection::vec(any::<bool>(), 0..40),
            0..5,
        ),
        round in any::<u32>(),
    ) {
        let masks = masks.into_iter().map(|(name, bits)| {
            (name, Mask::new(vec![bits.len()], Bits::from_bools(&bits)).unwrap())
        });
        let masks = MaskSet::new(masks.collect()).unwrap();
        let origin = Origin { round, weights: None, parent: None };
        let bytes = saved(&masks, &origin);
        let (again, origin_again) = loaded(&bytes).unwrap();
        prop_assert_eq!(&again, &masks);
        prop_assert_eq!(saved(&again, &origin_again), bytes);
    }

    #[test]
    fn any_bytes_give_an_error_and_never_a_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        plausible in any::<bool>(),
    ) {
        if plausible && bytes.len() > 8 {
            let length = bytes.len() as u64 - 8;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
            bytes[8] = b'{';
        }
        prop_assert!(loaded(&bytes).is_err());
    }
}
