//! Packed tickets: a checkpoint that holds of each masked tensor its bits and its kept values.
//!
//! `docs/mask-format.md` is the format's description; every rule there is enforced here. A packed
//! file is a safetensors file: `NAME#kept` and `NAME#mask` stand for the masked tensor NAME, all
//! other tensors are as they were, and the metadata hold the dense file's own header, so that
//! unpacking gives the dense file's bytes.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::digest::is_digest;
use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::apply::{PIECE, file_by_file};
use crate::files::atomic;
use crate::files::checkpoint::Checkpoint;
use crate::files::safetensors::{self, Header, METADATA, TensorInfo};
use crate::masks::{Bits, Mask, MaskSet, numel};
use crate::watch::Watch;

const FORMAT: &str = "dwlt-packed";
const VERSION: &str = "1";

/// What the names of the two tensors end in that stand for a masked one.
const KEPT: &str = "#kept";
const MASK: &str = "#mask";

/// Bytes copied at a time.
const COPIED: u64 = 1 << 24;

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

/// Writes the dense file, or the folder of dense files, behind `packed` to `out`: the bytes that
/// laying the masks on the weights gave. `watch` counts the bytes of the packed tensors.
pub fn unpack(packed: &Path, out: &Path, watch: Watch<'_>) -> Result<()> {
    if !packed.is_dir() {
        return unpack_file(packed, out, watch);
    }
    let checkpoint = Checkpoint::open(packed)?;
    let files: Vec<&Path> = checkpoint.files().0.collect();
    let index = dense_index(packed)?;
    let index = index.as_deref().map(|path| (path, path.file_stem().unwrap_or_default().into()));
    file_by_file(packed, &files, index.as_ref(), out, watch, |from, to| {
        unpack_file(from, to, watch)
    })
}

/// The masks in a packed file, checked against everything else that it says.
pub fn masks(packed: &Path, watch: Watch<'_>) -> Result<MaskSet> {
    Ok(Packed::open(packed, watch)?.masks)
}

/// `NAME.dense` for the index of that name.
fn dense_name(index: &Path) -> std::ffi::OsString {
    let mut name = index.file_name().unwrap_or_default().to_owned();
    name.push(".dense");
    name
}

/// The index that a packed folder keeps for its dense files.
fn dense_index(folder: &Path) -> Result<Option<std::path::PathBuf>> {
    let read = |error| Error::read(folder, error);
    for entry in crate::disk::list(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.to_string_lossy().ends_with(".safetensors.index.json.dense") {
            return Ok(Some(path));
        }
    }
    Ok(None)
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

/// Writes the kept values of a tensor.
fn take(
    file: &File,
    path: &Path,
    mut at: u64,
    tensor: &TensorInfo,
    mask: &Mask,
    watch: Watch<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let width = safetensors::maskable_width(&tensor.dtype).expect("the masks were checked");
    let mut dense = vec![0; PIECE.min(mask.bits().len()) * width];
    let mut kept = Vec::with_capacity(dense.len());
    let mut left = mask.bits().len();
    for words in mask.bits().words().chunks(PIECE / 64) {
        let now = left.min(PIECE);
        let bytes = &mut dense[..now * width];
        file.read_at(bytes, at).map_err(|error| Error::read(path, error))?;
        kept.clear();
        match width {
            1 => gather::<1>(bytes, words, &mut kept),
            2 => gather::<2>(bytes, words, &mut kept),
            4 => gather::<4>(bytes, words, &mut kept),
            _ => gather::<8>(bytes, words, &mut kept),
        }
        write(&kept)?;
        left -= now;
        at += bytes.len() as u64;
        watch.advance(bytes.len() as u64)?;
    }
    Ok(())
}

fn gather<const W: usize>(bytes: &[u8], words: &[u64], kept: &mut Vec<u8>) {
    for (block, &word) in bytes.chunks(64 * W).zip(words) {
        if word == u64::MAX {
            kept.extend_from_slice(block);
            continue;
        }
        let mut left = word;
        while left != 0 {
            let i = left.trailing_zeros() as usize * W;
            kept.extend_from_slice(&block[i..i + W]);
            left &= left - 1;
        }
    }
}

/// Writes the dense form of a tensor's kept values.
fn spread(
    packed: &Packed,
    path: &Path,
    mut at: u64,
    width: usize,
    mask: &Mask,
    watch: Watch<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut dense = vec![0; PIECE.min(mask.bits().len()) * width];
    let mut room = vec![0; dense.len()];
    let mut left = mask.bits().len();
    for words in mask.bits().words().chunks(PIECE / 64) {
        let now = left.min(PIECE);
        let count: usize = words.iter().map(|word| word.count_ones() as usize).sum();
        let kept = &mut room[..count * width];
        packed.file.read_at(kept, at).map_err(|error| Error::read(path, error))?;
        let bytes = &mut dense[..now * width];
        bytes.fill(0);
        match width {
            1 => scatter::<1>(kept, words, bytes),
            2 => scatter::<2>(kept, words, bytes),
            4 => scatter::<4>(kept, words, bytes),
            _ => scatter::<8>(kept, words, bytes),
        }
        write(bytes)?;
        left -= now;
        at += kept.len() as u64;
        watch.advance((kept.len() + now.div_ceil(8)) as u64)?;
    }
    Ok(())
}

fn scatter<const W: usize>(kept: &[u8], words: &[u64], bytes: &mut [u8]) {
    let mut kept = kept.chunks_exact(W);
    for (block, &word) in bytes.chunks_mut(64 * W).zip(words) {
        let mut left = word;
        while left != 0 {
            let i = left.trailing_zeros() as usize * W;
            // There are as many values as ones, which was counted before they were read.
            if let Some(value) = kept.next() {
                block[i..i + W].copy_from_slice(value);
            }
            left &= left - 1;
        }
    }
}

/// Writes bytes of a file as they are.
fn copy(
    file: &File,
    path: &Path,
    mut at: u64,
    mut left: u64,
    watch: Watch<'_>,
    write: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    #[allow(clippy::cast_possible_truncation)] // at most COPIED
    let mut room = vec![0; left.min(COPIED) as usize];
    while left > 0 {
        #[allow(clippy::cast_possible_truncation)] // at most COPIED
        let piece = &mut room[..left.min(COPIED) as usize];
        file.read_at(piece, at).map_err(|error| Error::read(path, error))?;
        write(piece)?;
        at += piece.len() as u64;
        left -= piece.len() as u64;
        watch.advance(piece.len() as u64)?;
    }
    Ok(())
}

fn unpack_file(path: &Path, out: &Path, watch: Watch<'_>) -> Result<()> {
    let packed = Packed::open(path, Watch { done: None, ..watch })?;
    atomic::write_with(out, watch, |writer| {
        let mut write =
            |bytes: &[u8]| writer.write_all(bytes).map_err(|error| Error::io("write", out, error));
        write(&(packed.header.len() as u64).to_le_bytes())?;
        write(packed.header.as_bytes())?;
        for tensor in &packed.dense {
            match packed.masks.get(&tensor.name) {
                None => {
                    let at = packed.place[&tensor.name];
                    copy(&packed.file, path, at, tensor.end - tensor.begin, watch, &mut write)?;
                }
                Some(mask) => {
                    let at = packed.place[&format!("{}{KEPT}", tensor.name)];
                    let width = safetensors::maskable_width(&tensor.dtype).expect("was checked");
                    spread(&packed, path, at, width, mask, watch, &mut write)?;
                }
            }
        }
        Ok(())
    })
}

/// An open packed file; everything that it says agrees.
struct Packed {
    file: File,
    /// The dense file's header, as it was written.
    header: String,
    /// The dense file's tensors, in the order of their bytes.
    dense: Vec<TensorInfo>,
    masks: MaskSet,
    /// Where in the packed file the bytes of each of its tensors begin.
    place: HashMap<String, u64>,
}

impl Packed {
    fn open(path: &Path, watch: Watch<'_>) -> Result<Self> {
        let fault = |message: String| Error::format(path, message);
        let mut file = File::open(path).map_err(|error| Error::read(path, error))?;
        let found = Header::read(path, &mut file)?;
        let about = About::read(&found.metadata).map_err(fault)?;
        let dense = Header::of_text(path, &about.header).map_err(|error| match error {
            Error::Format { message, .. } => {
                Error::format(path, format!("the dense file's header: {message}"))
            }
            other => other,
        })?;
        let mut left: HashMap<&str, &TensorInfo> =
            found.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut masks = Vec::new();
        for tensor in &dense.tensors {
            let name = &tensor.name;
            if let Some(whole) = left.remove(name.as_str()) {
                if (&whole.dtype, &whole.shape) != (&tensor.dtype, &tensor.shape) {
                    return Err(fault(format!("{name}: not of the dense file's type and shape")));
                }
                continue;
            }
            let (kept, mask) = (format!("{name}{KEPT}"), format!("{name}{MASK}"));
            let parts = (left.remove(kept.as_str()), left.remove(mask.as_str()));
            let (Some(kept), Some(bits)) = parts else {
                return Err(fault(format!("{name}: neither the tensor nor both of its parts")));
            };
            let start = found.data_start + bits.begin;
            let mask = read_mask(&file, path, tensor, bits, start, watch)?;
            if kept.dtype != tensor.dtype || kept.shape != [mask.kept()] {
                return Err(fault(format!(
                    "{}: {:?} of {} where the mask keeps {} of {}",
                    kept.name,
                    kept.shape,
                    kept.dtype,
                    mask.kept(),
                    tensor.dtype
                )));
            }
            masks.push((name.clone(), mask));
        }
        if let Some(name) = left.keys().min() {
            return Err(fault(format!("{name}: the dense file has no such tensor")));
        }
        let masks = MaskSet::new(masks)?;
        about.check(&masks).map_err(fault)?;
        let begin = found.data_start;
        let place = found.tensors.iter().map(|one| (one.name.clone(), begin + one.begin)).collect();
        Ok(Self { file, header: about.header, dense: dense.tensors, masks, place })
    }
}

fn read_mask(
    file: &File,
    path: &Path,
    tensor: &TensorInfo,
    bits: &TensorInfo,
    start: u64,
    watch: Watch<'_>,
) -> Result<Mask> {
    let fault = |message: String| Error::format(path, message);
    let name = &bits.name;
    if safetensors::maskable_width(&tensor.dtype).is_none() {
        return Err(fault(format!("{name}: weights of type {} have no mask", tensor.dtype)));
    }
    let sizes = tensor.shape.iter().map(|&size| usize::try_from(size));
    let shape: Option<Vec<usize>> = sizes.collect::<std::result::Result<_, _>>().ok();
    let sized = shape.and_then(|shape| numel(&shape).map(|len| (shape, len)));
    let Some((shape, len)) = sized else {
        return Err(fault(format!("{name}: shape {:?} is too large", tensor.shape)));
    };
    // Before room is made: the file's own size has been checked against these bytes.
    if bits.dtype != "U8" || bits.shape != [len.div_ceil(8) as u64] {
        return Err(fault(format!("{name}: its bytes do not hold shape {:?}", tensor.shape)));
    }
    let filled = Bits::filled(len, |at: usize, bytes: &mut [u8]| {
        file.read_at(bytes, start + at as u64).map_err(|error| Error::read(path, error))?;
        watch.check()
    })?;
    let filled = filled.ok_or_else(|| fault(format!("{name}: a padding bit is set")))?;
    Mask::new(shape, filled)
}

/// What a packed file's metadata say.
struct About {
    header: String,
    kept: String,
    total: String,
    masks: String,
}

impl About {
    fn read(metadata: &[(String, String)]) -> std::result::Result<Self, String> {
        let mut left: BTreeMap<&str, &str> =
            metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        match left.remove("format") {
            Some(FORMAT) => {}
            Some(other) => return Err(format!("not a packed file: its format is {other:?}")),
            None => return Err("not a packed file: its metadata name no format".to_owned()),
        }
        let mut take = |key: &str| {
            left.remove(key).map(str::to_owned).ok_or_else(|| format!("the metadata lack {key:?}"))
        };
        let version = take("version")?;
        if version != VERSION {
            return Err(format!("version {version:?}; this dwlt reads version {VERSION}"));
        }
        let about = Self {
            header: take("header")?,
            kept: take("kept")?,
            total: take("total")?,
            masks: take("masks")?,
        };
        if !is_digest(&about.masks) {
            return Err(format!("masks is {:?}, not a digest", about.masks));
        }
        match left.keys().next() {
            Some(key) => Err(format!("the metadata have an unknown key {key:?}")),
            None => Ok(about),
        }
    }

    fn check(&self, masks: &MaskSet) -> std::result::Result<(), String> {
        let is = [
            ("kept", &self.kept, masks.kept().to_string()),
            ("total", &self.total, masks.total().to_string()),
            ("masks", &self.masks, masks.digest()),
        ];
        match is.into_iter().find(|(_, said, is)| *said != is) {
            None => Ok(()),
            Some((what, said, is)) => {
                Err(format!("the metadata say {what} = {said}, the masks have {is}"))
            }
        }
    }
}
