//! Reading a packed file: everything that it says is checked before any of it is used.

use std::collections::HashMap;
use std::path::Path;

use crate::digest::is_digest;
use crate::disk::File;
use crate::error::{Error, Result};
use crate::files::fields::Fields;
use crate::files::packed::layout::{FORMAT, KEPT, MASK, VERSION};
use crate::files::safetensors::{self, Header, TensorInfo};
use crate::masks::{Bits, Mask, MaskSet, numel};
use crate::watch::Watch;

/// An open packed file; everything that it says agrees.
pub(super) struct Packed {
    pub(super) file: File,
    /// The dense file's header, as it was written.
    pub(super) header: String,
    /// The dense file's tensors, in the order of their bytes.
    pub(super) dense: Vec<TensorInfo>,
    pub(super) masks: MaskSet,
    /// Where in the packed file the bytes of each of its tensors begin.
    pub(super) place: HashMap<String, u64>,
}

impl Packed {
    pub(super) fn open(path: &Path, watch: Watch<'_>) -> Result<Self> {
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
        let mut fields = Fields::of(metadata, "packed file", FORMAT, VERSION)?;
        let about = Self {
            header: fields.take("header")?.to_owned(),
            kept: fields.take("kept")?.to_owned(),
            total: fields.take("total")?.to_owned(),
            masks: fields.take("masks")?.to_owned(),
        };
        if !is_digest(&about.masks) {
            return Err(format!("masks is {:?}, not a digest", about.masks));
        }
        fields.end()?;
        Ok(about)
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
