//! The header of a safetensors file, checked against every rule of the format.
//!
//! Eight bytes of little-endian header length, the header as JSON, then the tensors' bytes: one
//! after another, without a gap, an overlap or a tail.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::entries::Entries;
use crate::files::sniff;

/// Longest header accepted; the limit that the safetensors library sets.
const MAX_HEADER: u64 = 100_000_000;

/// The key whose value is text about the file and not a tensor.
pub(crate) const METADATA: &str = "__metadata__";

/// A tensor as the header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Parameter name.
    pub name: String,
    /// Element type, as in `F32`.
    pub dtype: String,
    /// Sizes, outermost first.
    pub shape: Vec<u64>,
    /// First byte, counted from the end of the header.
    pub begin: u64,
    /// One past the last byte, counted from the end of the header.
    pub end: u64,
}

/// A checked header.
#[derive(Debug)]
pub struct Header {
    /// The text about the file, in the file's order.
    pub metadata: Vec<(String, String)>,
    /// The tensors, in the order of their bytes.
    pub tensors: Vec<TensorInfo>,
    /// Where in the file the tensors' bytes begin.
    pub data_start: u64,
}

/// Bits of one element; None for an element type that this version does not know.
///
/// These are all types of the format as of its version 0.8. Elements below a byte are packed
/// without gaps, so a tensor of them must fill whole bytes.
#[must_use]
pub fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ"
        | "F8_E8M0" => 8,
        "U16" | "I16" | "F16" | "BF16" => 16,
        "U32" | "I32" | "F32" => 32,
        "U64" | "I64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// Bytes of one element whose zero is all bits zero, so that a mask can be laid on it; None for
/// types that are unknown, smaller than a byte, or without a zero (`F8_E8M0` holds powers of two).
pub(crate) fn maskable_width(dtype: &str) -> Option<usize> {
    let bits = bits(dtype).filter(|bits| bits % 8 == 0 && dtype != "F8_E8M0")?;
    usize::try_from(bits / 8).ok()
}

/// Bytes of a tensor; None for an unknown element type, beyond 64 bits, or where the elements
/// do not fill whole bytes.
pub(crate) fn data_len(dtype: &str, shape: &[u64]) -> Option<u64> {
    let bits = numel(shape)?.checked_mul(bits(dtype)?)?;
    (bits % 8 == 0).then_some(bits / 8)
}

/// Number of elements of a shape; None beyond 64 bits.
pub(crate) fn numel(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size))
}

impl Header {
    /// Reads and checks the header of an open file, from its beginning.
    pub(crate) fn read(path: &Path, file: &mut File) -> Result<Self> {
        let size = file.metadata().map_err(|error| Error::read(path, error))?.len();
        let mut start = Vec::new();
        let read = |error| Error::read(path, error);
        file.take(sniff::NEEDED as u64).read_to_end(&mut start).map_err(read)?;
        if let Some(remark) = sniff::remark(&start) {
            return Err(Error::format(path, format!("not a safetensors file: it {remark}")));
        }
        let Some((length, begun)) = start.split_first_chunk::<8>() else {
            let message = format!("not a safetensors file: {size} bytes, shorter than any header");
            return Err(Error::format(path, message));
        };
        let length = u64::from_le_bytes(*length);
        let is_object = begun.first().is_none_or(|&byte| byte == b'{');
        if !(2..=MAX_HEADER).contains(&length) || !is_object {
            return Err(Error::format(path, "not a safetensors file: it begins with no header"));
        }
        if size < 8 + length {
            return Err(Error::format(
                path,
                format!("cut short: the header ends at byte {}, the file at {size}", 8 + length),
            ));
        }
        let mut json = begun.to_vec();
        json.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        file.take(length - json.len() as u64).read_to_end(&mut json).map_err(read)?;
        Self::parse(path, &json, size)
    }

    /// The header of a file that is not there, checked as that of one which ends with its last
    /// tensor.
    pub(crate) fn of_text(path: &Path, json: &str) -> Result<Self> {
        let raw: Entries<Entry> = serde_json::from_str(json)
            .map_err(|error| Error::format(path, format!("not as it should be: {error}")))?;
        let ends = raw.0.iter().map(|(_, entry)| match entry {
            Entry::Tensor { data_offsets: [_, end], .. } => *end,
            Entry::Metadata(_) => 0,
        });
        let data = ends.max().unwrap_or(0);
        let size = (8 + json.len() as u64).checked_add(data);
        let size = size.ok_or_else(|| Error::format(path, "tensors beyond 64 bits"))?;
        Self::parse(path, json.as_bytes(), size)
    }

    /// Checks a header's JSON against the file's size.
    fn parse(path: &Path, json: &[u8], size: u64) -> Result<Self> {
        let fault = |message: String| Error::format(path, message);
        let text = std::str::from_utf8(json).map_err(|error| {
            fault(format!("the header is not UTF-8 at byte {}", 8 + error.valid_up_to()))
        })?;
        let raw: Entries<Entry> = serde_json::from_str(text)
            .map_err(|error| fault(format!("the header is not as it should be: {error}")))?;
        let mut metadata = Vec::new();
        let mut tensors = Vec::new();
        for (name, entry) in raw.0 {
            match entry {
                Entry::Metadata(entries) if name == METADATA => metadata = entries.0,
                Entry::Tensor { dtype, shape, data_offsets: [begin, end] } if name != METADATA => {
                    tensors.push(TensorInfo { name, dtype, shape, begin, end });
                }
                _ => return Err(fault(format!("the header's entry {name:?} is of no known form"))),
            }
        }
        tensors.sort_by(|a, b| (a.begin, a.end, &a.name).cmp(&(b.begin, b.end, &b.name)));
        let data_start = 8 + json.len() as u64;
        check_layout(&tensors, size - data_start).map_err(fault)?;
        Ok(Self { metadata, tensors, data_start })
    }
}

/// Checks that the tensors, sorted by place, fill their data without gap, overlap or tail.
fn check_layout(tensors: &[TensorInfo], data: u64) -> std::result::Result<(), String> {
    let mut at = 0;
    for TensorInfo { name, dtype, shape, begin, end } in tensors {
        if bits(dtype).is_none() {
            return Err(format!("{name}: unknown element type {dtype:?}"));
        }
        if *begin != at {
            let what = if *begin < at { "overlaps the one before" } else { "leaves a gap" };
            return Err(format!("{name}: {what}: it begins at data byte {begin}, not {at}"));
        }
        let bytes = data_len(dtype, shape);
        if end.checked_sub(*begin).is_none_or(|length| Some(length) != bytes) {
            return Err(format!(
                "{name}: data bytes {begin} to {end} do not hold shape {shape:?} of {dtype}"
            ));
        }
        if *end > data {
            return Err(format!("cut short: {name} ends at data byte {end}, the file at {data}"));
        }
        at = *end;
    }
    if at == data {
        Ok(())
    } else {
        Err(format!("{} bytes after the last tensor, from data byte {at} on", data - at))
    }
}

/// What the header says under one key.
enum Entry {
    Metadata(Entries<String>),
    Tensor { dtype: String, shape: Vec<u64>, data_offsets: [u64; 2] },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl<'de> Deserialize<'de> for Entry {
    /// Which of the two an object is shows in its values: text, or not only text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let Entries(fields) = Entries::<serde_json::Value>::deserialize(deserializer)?;
        if fields.iter().all(|(_, value)| value.is_string()) {
            let text = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let entries = fields.into_iter().map(|(key, value)| (key, text(value))).collect();
            return Ok(Self::Metadata(Entries(entries)));
        }
        let object = serde_json::Value::Object(fields.into_iter().collect());
        let RawTensor { dtype, shape, data_offsets } =
            serde_json::from_value(object).map_err(serde::de::Error::custom)?;
        Ok(Self::Tensor { dtype, shape, data_offsets })
    }
}
