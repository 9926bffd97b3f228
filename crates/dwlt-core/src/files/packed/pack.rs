//! Writing packed files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::apply::file_by_file;
use crate::files::atomic;
use crate::files::checkpoint::Checkpoint;
use crate::files::packed::bytes::{copy, take};
use crate::files::packed::layout::{FORMAT, KEPT, MASK, VERSION};
use crate::files::safetensors::{self, Header, METADATA, TensorInfo};
use crate::masks::{Mask, MaskSet};
use crate::watch::Watch;

/// Writes `weights` to `out` packed. The same weights and masks give the same bytes. `watch` counts
/// the bytes of the dense tensors.
///
/// Files, indexes and folders are taken as [`apply`](crate::files::apply::apply()) takes them. A
/// packed folder has the index under its name with `.dense` behind it, as it speaks of tensors that
/// come back when the folder is unpacked.
pub fn pack(weights: &Path, masks: &MaskSet, out: &Path, watch: Watch<'_>) -> Result<()> {
    let checkpoint = Checkpoint::open(weights)?;
    checkpoint.check_masks(masks)?;
    let (files, index) = checkpoint.files();
    let files: Vec<&Path> = files.collect();
    if index.is_none() && !weights.is_dir() {
        return pack_file(weights, masks, out, watch);
    }
    let kept = index.map(|path| (path, dense_name(path)));
    file_by_file(weights, &files, kept.as_ref(), out, watch, |from, to| {
        pack_file(from, masks, to, watch)
    })
}

/// `NAME.dense` for the index of that name.
fn dense_name(index: &Path) -> std::ffi::OsString {
    let mut name = index.file_name().unwrap_or_default().to_owned();
    name.push(".dense");
    name
}

/// A tensor of the packed file: what it is and where its bytes come from.
struct Entry<'a> {
    name: String,
    dtype: &'a str,
    shape: Vec<u64>,
    bytes: u64,
    from: From<'a>,
}

enum From<'a> {
    Whole(&'a TensorInfo),
    Kept(&'a TensorInfo, &'a Mask),
    Mask(&'a Mask),
}

fn pack_file(weights: &Path, masks: &MaskSet, out: &Path, watch: Watch<'_>) -> Result<()> {
    let read = |error| Error::read(weights, error);
    let mut file = File::open(weights).map_err(read)?;
    let header = Header::read(weights, &mut file)?;
    let mut json = vec![0; usize::try_from(header.data_start - 8).unwrap_or(usize::MAX)];
    file.read_at(&mut json, 8).map_err(read)?;
    let dense = String::from_utf8(json).expect("the header was checked");
    let entries = entries(&header.tensors, masks).map_err(|text| Error::format(weights, text))?;
    let begin = begin(&dense, &entries);
    atomic::write_with(out, watch, |writer| {
        let mut write =
            |bytes: &[u8]| writer.write_all(bytes).map_err(|error| Error::io("write", out, error));
        write(&(begin.len() as u64).to_le_bytes())?;
        write(begin.as_bytes())?;
        for entry in &entries {
            match entry.from {
                From::Whole(tensor) => {
                    let at = header.data_start + tensor.begin;
                    copy(&file, weights, at, tensor.end - tensor.begin, watch, &mut write)?;
                }
                From::Kept(tensor, mask) => {
                    let at = header.data_start + tensor.begin;
                    take(&file, weights, at, tensor, mask, watch, &mut write)?;
                }
                From::Mask(mask) => write(mask.bits().as_bytes())?,
            }
        }
        Ok(())
    })
}

/// The tensors of the packed file in the order of their bytes: wide elements first, so that every
/// reader finds them aligned, then the order of the dense file; masks last.
fn entries<'a>(
    tensors: &'a [TensorInfo],
    masks: &'a MaskSet,
) -> std::result::Result<Vec<Entry<'a>>, String> {
    let mut entries = Vec::with_capacity(tensors.len() + masks.len());
    let mut bits = Vec::with_capacity(masks.len());
    for tensor in tensors {
        let TensorInfo { name, dtype, shape, begin, end } = tensor;
        let Some(mask) = masks.get(name) else {
            let from = From::Whole(tensor);
            let (shape, bytes) = (shape.clone(), end - begin);
            entries.push(Entry { name: name.clone(), dtype, shape, bytes, from });
            continue;
        };
        let width = safetensors::maskable_width(dtype).expect("the masks were checked") as u64;
        entries.push(Entry {
            name: format!("{name}{KEPT}"),
            dtype,
            shape: vec![mask.kept()],
            bytes: mask.kept() * width,
            from: From::Kept(tensor, mask),
        });
        let bytes = mask.bits().as_bytes().len() as u64;
        bits.push(Entry {
            name: format!("{name}{MASK}"),
            dtype: "U8",
            shape: vec![bytes],
            bytes,
            from: From::Mask(mask),
        });
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(safetensors::bits(entry.dtype)));
    entries.append(&mut bits);
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(entries),
        Some(pair) => {
            Err(format!("{}: packing needs this name for the parts of a masked tensor", pair[0]))
        }
    }
}

/// The packed file's header, padded with spaces to a multiple of 8.
fn begin(dense: &str, entries: &[Entry<'_>]) -> String {
    let count = |pick: fn(&Mask) -> u64| -> u64 {
        entries
            .iter()
            .map(|entry| if let From::Mask(mask) = entry.from { pick(mask) } else { 0 })
            .sum()
    };
    let of_this_file = MaskSet::new(
        entries
            .iter()
            .filter_map(|entry| match entry.from {
                From::Mask(mask) => {
                    Some((entry.name[..entry.name.len() - MASK.len()].to_owned(), mask.clone()))
                }
                _ => None,
            })
            .collect(),
    )
    .expect("names of one file differ");
    let metadata = BTreeMap::from([
        ("format", FORMAT.to_owned()),
        ("header", dense.to_owned()),
        ("kept", count(Mask::kept).to_string()),
        ("masks", of_this_file.digest()),
        ("total", count(Mask::total).to_string()),
        ("version", VERSION.to_owned()),
    ]);
    let mut parts = vec![format!("{}:{}", json!(METADATA), json!(metadata))];
    let mut at = 0;
    for Entry { name, dtype, shape, bytes, .. } in entries {
        let end = at + bytes;
        // Spelt out: the order of these keys is part of the bytes.
        parts.push(format!(
            r#"{}:{{"dtype":"{dtype}","shape":{},"data_offsets":[{at},{end}]}}"#,
            json!(name),
            json!(shape)
        ));
        at = end;
    }
    let json = format!("{{{}}}", parts.join(","));
    format!("{json:<width$}", width = json.chars().count() + json.len().wrapping_neg() % 8)
}
