//! A network's weights on disk: one safetensors file, several with an index, or a folder.
//!
//! Only headers are read until weights are asked for, and those are read in pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::digest::{self, Piece};
use crate::disk::{self, File, folder_of};
use crate::error::{Error, Result};
use crate::files::entries::Entries;
use crate::files::safetensors::{self, Header, TensorInfo};
use crate::files::sniff;
use crate::files::unfinished;
use crate::masks::{self, MaskSet};
use crate::select::{self, Data, Dtype, Keep, Options, Part, Pattern};
use crate::watch::Watch;

/// What the name of an index ends in.
const INDEX: &str = ".safetensors.index.json";

/// Largest index accepted: far above that of any network.
const MAX_INDEX: u64 = 100_000_000;

/// An open checkpoint. Its tensors are sorted by name, so how they are spread over files does not
/// matter to anything.
#[derive(Debug)]
pub struct Checkpoint {
    shards: Vec<Shard>,
    tensors: Vec<(usize, TensorInfo)>,
    index: Option<PathBuf>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: File,
    data_start: u64,
}

/// An index file: which tensor is in which file beside it.
#[derive(Deserialize)]
struct Index {
    weight_map: Entries<String>,
}

impl Checkpoint {
    /// Opens a safetensors file, an index (`*.safetensors.index.json`), or a folder that holds
    /// an index or else safetensors files. Headers, and an index and its files, are checked
    /// against each other.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            Self::open_folder(path)
        } else if name.ends_with(INDEX) {
            Self::open_index(path)
        } else {
            Self::open_files(&[path.to_owned()])
        }
    }

    /// The tensors, sorted by name.
    #[must_use]
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.tensors.iter().map(|(_, tensor)| tensor)
    }

    /// Keeps the weights of largest magnitude of the tensors named, in that order. The weights
    /// are read in pieces, once.
    pub fn magnitude<'k>(
        &self,
        names: &[&str],
        keep: impl Into<Keep<'k>>,
        options: Options<'_>,
    ) -> Result<MaskSet> {
        self.select(names, |parts| select::of_parts(parts, keep.into(), options))
    }

    /// As [`magnitude`](Self::magnitude), of highest LAMP score. Scores take 8 bytes per weight.
    pub fn lamp<'k>(
        &self,
        names: &[&str],
        keep: impl Into<Keep<'k>>,
        options: Options<'_>,
    ) -> Result<MaskSet> {
        self.select(names, |parts| select::lamp_of_parts(parts, keep.into(), options))
    }

    /// Keeps what a pattern such as 2:4 allows; see [`structured`](select::structured).
    pub fn structured(
        &self,
        names: &[&str],
        pattern: Pattern,
        options: Options<'_>,
    ) -> Result<MaskSet> {
        self.select(names, |parts| select::structured_of_parts(parts, pattern, options))
    }

    fn select(
        &self,
        names: &[&str],
        by: impl FnOnce(&[Part<'_>]) -> Result<MaskSet>,
    ) -> Result<MaskSet> {
        let shapes = names.iter().map(|name| self.shape(name)).collect::<Result<Vec<_>>>()?;
        let parts = names.iter().zip(&shapes).map(|(name, shape)| self.part(name, shape));
        by(&parts.collect::<Result<Vec<_>>>()?)
    }

    /// Digest of the tensors, whatever their order and however they are spread over files; see
    /// [`digest_tensors`](digest::digest_tensors). `watch` counts the bytes read.
    pub fn digest(&self, watch: Watch<'_>) -> Result<String> {
        let mut pieces = vec![Piece::Owned(digest::tensors_head(self.tensors.len()))];
        for (shard, tensor) in &self.tensors {
            let TensorInfo { name, dtype, shape, begin, end } = tensor;
            let Shard { path, file, data_start } = &self.shards[*shard];
            pieces.push(Piece::Owned(digest::frame(name, dtype, shape)));
            pieces.push(Piece::File { file, path, at: data_start + begin, len: end - begin });
        }
        digest::hash(&pieces, watch)
    }

    /// Refuses masks that cover what the checkpoint does not have, or has in another shape or in
    /// a type that cannot be masked.
    pub(crate) fn check_masks(&self, masks: &MaskSet) -> Result<()> {
        for (name, mask) in masks.iter() {
            let Ok((_, TensorInfo { shape, dtype, .. })) = self.find(name) else {
                let first = self.shards.first().map_or(Path::new(""), |shard| &shard.path);
                let path = if self.shards.len() == 1 { first } else { folder_of(first) };
                let path = path.display();
                return Err(Error::mask(format!(
                    "{path} has no tensor {name:?}, which the masks cover"
                )));
            };
            if !mask.shape().iter().map(|&size| size as u64).eq(shape.iter().copied()) {
                let ours = mask.shape();
                return Err(Error::mask(format!(
                    "{name}: shape {shape:?}, but its mask has {ours:?}"
                )));
            }
            if safetensors::maskable_width(dtype).is_none() {
                return Err(Error::mask(format!(
                    "{name}: weights of type {dtype} cannot be masked: they share bytes or have \
                     no zero; convert the tensor to F16 or wider first"
                )));
            }
        }
        Ok(())
    }

    /// Its files, and the index where it has one.
    pub(crate) fn files(&self) -> (impl Iterator<Item = &Path>, Option<&Path>) {
        (self.shards.iter().map(|shard| shard.path.as_path()), self.index.as_deref())
    }

    fn find(&self, name: &str) -> Result<(&Shard, &TensorInfo)> {
        match self.tensors.binary_search_by(|(_, tensor)| tensor.name.as_str().cmp(name)) {
            Ok(i) => Ok((&self.shards[self.tensors[i].0], &self.tensors[i].1)),
            Err(_) => Err(Error::mask(format!("{name}: the checkpoint has no such tensor"))),
        }
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let (_, tensor) = self.find(name)?;
        let sizes = tensor.shape.iter().map(|&size| usize::try_from(size));
        sizes.collect::<std::result::Result<_, _>>().map_err(|_| {
            Error::mask(format!("{name}: shape {:?} is too large for this machine", tensor.shape))
        })
    }

    fn part<'a>(&'a self, name: &'a str, shape: &'a [usize]) -> Result<Part<'a>> {
        let (shard, tensor) = self.find(name)?;
        let dtype = Dtype::parse(&tensor.dtype).ok_or_else(|| {
            Error::mask(format!("{name}: weights of type {} have no order", tensor.dtype))
        })?;
        let len = masks::numel(shape).expect("its bytes are in the file");
        let at = shard.data_start + tensor.begin;
        Ok(Part {
            name,
            shape,
            len,
            data: Data::File { file: &shard.file, path: &shard.path, at, dtype },
        })
    }

    fn open_folder(folder: &Path) -> Result<Self> {
        let read = |error| Error::read(folder, error);
        let mut names = Vec::new();
        for entry in disk::list(folder).map_err(read)? {
            names.push(entry.map_err(read)?.file_name().to_string_lossy().into_owned());
        }
        if names.iter().any(|name| unfinished::is_note(name.as_ref())) {
            return Err(Error::Format {
                path: folder.to_owned(),
                message: "this folder is not whole: writing to it was stopped".to_owned(),
                hint: Some("run `dwlt mask apply` into it again, or remove it"),
            });
        }
        names.sort();
        let ending = |end: &str| -> Vec<PathBuf> {
            names.iter().filter(|name| name.ends_with(end)).map(|name| folder.join(name)).collect()
        };
        match ending(INDEX).as_slice() {
            [] => {}
            [index] => return Self::open_index(index),
            _ => return Err(Error::format(folder, "there are several index files; name one")),
        }
        let files = ending(".safetensors");
        if files.is_empty() {
            return Err(Error::format(folder, "no safetensors file in this folder"));
        }
        Self::open_files(&files)
    }

    fn open_index(path: &Path) -> Result<Self> {
        let fault = |message: String| Error::format(path, message);
        let read = |error| Error::read(path, error);
        if disk::metadata(path).map_err(read)?.len() > MAX_INDEX {
            return Err(fault("too long for an index".to_owned()));
        }
        let content = disk::read(path).map_err(read)?;
        if let Some(remark) = sniff::remark(&content) {
            return Err(fault(format!("not an index of safetensors files: it {remark}")));
        }
        let Index { weight_map } = serde_json::from_slice(&content)
            .map_err(|error| fault(format!("not an index of safetensors files: {error}")))?;
        let map: BTreeMap<String, String> = weight_map.0.into_iter().collect();
        let files: BTreeSet<&String> = map.values().collect();
        // The files lie beside the index: a name that leads elsewhere is a fault or an attack.
        if let Some(name) = files
            .iter()
            .find(|name| Path::new(name.as_str()).file_name() != Some(name.as_str().as_ref()))
        {
            return Err(fault(format!("{name:?} is not the name of a file beside the index")));
        }
        let paths: Vec<PathBuf> = files.into_iter().map(|name| path.with_file_name(name)).collect();
        let checkpoint = Self::open_files(&paths)?;
        for (shard, tensor) in &checkpoint.tensors {
            let name = &tensor.name;
            let file = checkpoint.shards[*shard].path.file_name().unwrap_or_default();
            match map.get(name) {
                None => {
                    let file = file.display();
                    return Err(fault(format!("{name}: {file} has it, the index does not")));
                }
                Some(said) if file != said.as_str() => {
                    let file = file.display();
                    return Err(fault(format!("{name}: in {file}, the index says {said}")));
                }
                Some(_) => {}
            }
        }
        match map.iter().find(|(name, _)| checkpoint.find(name).is_err()) {
            None => Ok(Self { index: Some(path.to_owned()), ..checkpoint }),
            Some((name, file)) => Err(fault(format!("{name}: the index has it, {file} does not"))),
        }
    }

    fn open_files(paths: &[PathBuf]) -> Result<Self> {
        let mut shards: Vec<Shard> = Vec::with_capacity(paths.len());
        let mut tensors: Vec<(usize, TensorInfo)> = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let mut file = File::open(path).map_err(|error| Error::read(path, error))?;
            let header = Header::read(path, &mut file)?;
            tensors.extend(header.tensors.into_iter().map(|tensor| (number, tensor)));
            shards.push(Shard { path: path.clone(), file, data_start: header.data_start });
        }
        tensors.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        match tensors.windows(2).find(|pair| pair[0].1.name == pair[1].1.name) {
            None => Ok(Self { shards, tensors, index: None }),
            Some(pair) => {
                let (first, second) = (&shards[pair[0].0].path, &shards[pair[1].0].path);
                let name = &pair[0].1.name;
                Err(Error::format(second, format!("{name}: {} has it too", first.display())))
            }
        }
    }
}
