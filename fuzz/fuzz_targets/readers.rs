//! Bytes as a mask file, a weights file and an index: an error or a right answer, never a panic.
//!
//! `make fuzz` runs it. A mask file that is read must be written back as the same masks.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use dwlt_core::Watch;
use dwlt_core::files::checkpoint::Checkpoint;
use dwlt_core::files::{mask_file, packed};
use dwlt_core::select::Options;
use libfuzzer_sys::fuzz_target;

/// A folder of this process, in memory where the machine has such.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shared = PathBuf::from("/dev/shm");
        let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
        let folder = base.join(format!("dwlt-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        folder
    })
}

fuzz_target!(|data: &[u8]| {
    let file = folder().join("x.safetensors");
    fs::write(&file, data).expect("a temporary file");
    if let Ok((masks, origin)) = mask_file::load(&file, Watch::default()) {
        let copy = folder().join("copy");
        mask_file::save(&copy, &masks, &origin, Watch::default()).expect("what was read can be written");
        let (again, same) = mask_file::load(&copy, Watch::default()).expect("what was written can be read");
        assert!(again == masks && same == origin);
    }
    if let Ok(masks) = packed::masks(&file, Watch::default()) {
        let (dense, again) = (folder().join("dense"), folder().join("again"));
        packed::unpack(&file, &dense, Watch::default()).expect("it was checked");
        packed::pack(&dense, &masks, &again, Watch::default()).expect("it was packed before");
        assert!(packed::masks(&again, Watch::default()).expect("what was packed can be read") == masks);
    }
    if let Ok(checkpoint) = Checkpoint::open(&file) {
        assert!(checkpoint.digest(Watch::default()).is_ok(), "the header was checked");
        for tensor in checkpoint.tensors() {
            let _ = checkpoint.magnitude(&[&tensor.name], 1, Options::default());
        }
    }
    let index = folder().join("x.safetensors.index.json");
    fs::write(&index, data).expect("a temporary file");
    let _ = Checkpoint::open(&index);
    let _ = fs::remove_file(&index);
});
