//! Mask files: a safetensors file with one packed `U8` tensor per prunable parameter.
//!
//! `docs/mask-format.md` is the format's description; every rule there is enforced here.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::digest::is_digest;
use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::atomic;
use crate::files::entries::Entries;
use crate::files::fields::Fields;
use crate::files::safetensors::{Header, METADATA, TensorInfo};
use crate::masks::{Bits, Mask, MaskSet, numel};
use crate::watch::Watch;

const FORMAT: &str = "dwlt-mask";
const VERSION: &str = "1";

/// Bytes written at a time.
const PIECE: usize = 1 << 24;

/// Where a mask set comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// 0 is the dense network, r is after r prunings.
    pub round: u32,
    /// Digest of the dense weights that the masks belong to, where it is known.
    pub weights: Option<String>,
    /// Digest of the previous round's masks; None where there was none.
    pub parent: Option<String>,
}

/// Writes a mask file. The same masks and origin give the same bytes.
pub fn save(path: &Path, masks: &MaskSet, origin: &Origin, watch: Watch<'_>) -> Result<()> {
    let header = header(masks, origin)?;
    atomic::write_with(path, watch, |file| {
        let mut write = |bytes: &[u8]| {
            for piece in bytes.chunks(PIECE) {
                file.write_all(piece).map_err(|error| Error::io("write", path, error))?;
                watch.advance(piece.len() as u64)?;
            }
            Ok(())
        };
        write(&(header.len() as u64).to_le_bytes())?;
        write(header.as_bytes())?;
        masks.sorted().into_iter().try_for_each(|(_, mask)| write(mask.bits().as_bytes()))
    })
}

/// The header's JSON: metadata first, then the tensors by name, padded with spaces to a multiple
/// of 8 so that the data are aligned; as the safetensors library lays it out.
fn header(masks: &MaskSet, origin: &Origin) -> Result<String> {
    for (what, digest) in [("weights", &origin.weights), ("parent", &origin.parent)] {
        if let Some(text) = digest.as_ref().filter(|text| !is_digest(text)) {
            return Err(Error::mask(format!("{what} must be a digest (b3:...), not {text:?}")));
        }
    }
    let sorted = masks.sorted();
    let shapes: BTreeMap<&str, &[usize]> =
        sorted.iter().map(|&(name, mask)| (name, mask.shape())).collect();
    let known = |digest: &Option<String>| digest.clone().unwrap_or_default();
    let metadata = BTreeMap::from([
        ("digest", masks.digest()),
        ("format", FORMAT.to_owned()),
        ("kept", masks.kept().to_string()),
        ("parent", known(&origin.parent)),
        ("round", origin.round.to_string()),
        ("shapes", json!(shapes).to_string()),
        ("total", masks.total().to_string()),
        ("version", VERSION.to_owned()),
        ("weights", known(&origin.weights)),
    ]);
    let mut entries = vec![format!("{}:{}", json!(METADATA), json!(metadata))];
    let mut at = 0;
    for (name, mask) in sorted {
        if name == METADATA {
            return Err(Error::mask(format!("no tensor may be named {name}")));
        }
        let bytes = mask.total().div_ceil(8);
        let end = at + bytes;
        // Spelt out: the order of these keys is part of the bytes.
        entries.push(format!(
            r#"{}:{{"dtype":"U8","shape":[{bytes}],"data_offsets":[{at},{end}]}}"#,
            json!(name)
        ));
        at = end;
    }
    let json = format!("{{{}}}", entries.join(","));
    Ok(format!("{json:<width$}", width = json.chars().count() + json.len().wrapping_neg() % 8))
}

/// Reads a mask file; any rule of the format that it breaks is an error that names the place.
pub fn load(path: &Path, watch: Watch<'_>) -> Result<(MaskSet, Origin)> {
    let read = |error| Error::read(path, error);
    let mut file = File::open(path).map_err(read)?;
    let header = Header::read(path, &mut file)?;
    let about = About::read(&header.metadata).map_err(|message| Error::format(path, message))?;
    let mut masks = Vec::with_capacity(header.tensors.len());
    for tensor in &header.tensors {
        let shape = about.shape_of(tensor).map_err(|message| Error::format(path, message))?;
        let len = numel(&shape).ok_or_else(|| {
            Error::format(path, format!("{}: shape {shape:?} is too large", tensor.name))
        })?;
        // The length was checked against the file's, so this never makes room for a lie.
        let start = header.data_start + tensor.begin;
        let fill = |at: usize, bytes: &mut [u8]| {
            file.read_at(bytes, start + at as u64).map_err(read)?;
            watch.advance(bytes.len() as u64)
        };
        let bits = Bits::filled(len, fill)?;
        let bits = bits.ok_or_else(|| {
            let (name, last) = (&tensor.name, tensor.end - 1);
            let what = format!("{name}: a padding bit is set in its last byte, data byte {last}");
            Error::format(path, what)
        })?;
        let mask = Mask::new(shape, bits)?;
        masks.push((tensor.name.clone(), mask));
    }
    let masks = MaskSet::new(masks)?;
    about.check(&masks).map_err(|message| Error::format(path, message))?;
    Ok((masks, about.origin))
}

/// What a mask file's metadata says.
struct About {
    shapes: BTreeMap<String, Vec<usize>>,
    kept: u64,
    total: u64,
    digest: String,
    origin: Origin,
}

impl About {
    fn read(metadata: &[(String, String)]) -> std::result::Result<Self, String> {
        let mut fields = Fields::of(metadata, "mask file", FORMAT, VERSION)?;
        let mut number = |key: &str| -> std::result::Result<u64, String> {
            let text = fields.take(key)?;
            let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
            number.ok_or_else(|| format!("{key} is {text:?}, not a count"))
        };
        let (kept, total, round) = (number("kept")?, number("total")?, number("round")?);
        let round = u32::try_from(round).map_err(|_| format!("round {round} is too large"))?;
        // An empty text is a digest that is not known or does not exist.
        let mut digest = |key: &str| match fields.take(key)? {
            "" => Ok(None),
            text if is_digest(text) => Ok(Some(text.to_owned())),
            text => Err(format!("{key} is {text:?}, not a digest")),
        };
        let (weights, parent) = (digest("weights")?, digest("parent")?);
        let digest = digest("digest")?.ok_or("the metadata give no digest of the masks")?;
        let shapes: Entries<Vec<usize>> = serde_json::from_str(fields.take("shapes")?)
            .map_err(|error| format!("the shapes are not as they should be: {error}"))?;
        fields.end()?;
        let shapes = shapes.0.into_iter().collect();
        let origin = Origin { round, weights, parent };
        Ok(Self { shapes, kept, total, digest, origin })
    }

    /// The shape of a tensor's mask, checked against the number of its bytes.
    fn shape_of(&self, tensor: &TensorInfo) -> std::result::Result<Vec<usize>, String> {
        let TensorInfo { name, dtype, shape: packed, .. } = tensor;
        let shape = self.shapes.get(name).ok_or_else(|| format!("{name}: the shapes lack it"))?;
        if dtype != "U8" {
            return Err(format!("{name}: element type {dtype}, not U8"));
        }
        match numel(shape).map(|len| len.div_ceil(8) as u64) {
            Some(bytes) if *packed == [bytes] => Ok(shape.clone()),
            _ => Err(format!("{name}: {packed:?} packed bytes do not hold shape {shape:?}")),
        }
    }

    /// Checks what was read against what the metadata say of it.
    fn check(&self, masks: &MaskSet) -> std::result::Result<(), String> {
        if let Some(name) = self.shapes.keys().find(|name| masks.get(name).is_none()) {
            return Err(format!("{name}: the shapes have it, but there is no such tensor"));
        }
        for (what, said, is) in
            [("kept", self.kept, masks.kept()), ("total", self.total, masks.total())]
        {
            if said != is {
                return Err(format!("the metadata say {what} = {said}, the masks have {is}"));
            }
        }
        let digest = masks.digest();
        if digest != self.digest {
            return Err(format!("the masks' digest is {digest}, not {}", self.digest));
        }
        Ok(())
    }
}
