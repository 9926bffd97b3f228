//! Writing the dense files behind packed ones.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::apply::file_by_file;
use crate::files::atomic;
use crate::files::checkpoint::Checkpoint;
use crate::files::packed::bytes::{copy, spread};
use crate::files::packed::layout::KEPT;
use crate::files::packed::open::Packed;
use crate::files::safetensors;
use crate::masks::MaskSet;
use crate::watch::Watch;

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

/// The index that a packed folder keeps for its dense files.
fn dense_index(folder: &Path) -> Result<Option<PathBuf>> {
    let read = |error| Error::read(folder, error);
    for entry in crate::disk::list(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.to_string_lossy().ends_with(".safetensors.index.json.dense") {
            return Ok(Some(path));
        }
    }
    Ok(None)
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
                    spread(&packed.file, path, at, width, mask, watch, &mut write)?;
                }
            }
        }
        Ok(())
    })
}
