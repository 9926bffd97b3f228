//! The Python module `dwlt._core`: converts, releases the GIL, calls `dwlt-core`, decides nothing.

// PyO3 hands arguments over by value.
#![allow(clippy::needless_pass_by_value)]

mod arrays;
mod buffers;
mod errors;
mod functions;
mod ledger;
mod mask_set;
mod signals;

use pyo3::prelude::*;

/// Masks, exact selection, mask files, digests and the run ledger of dwlt.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::functions::{
        Progress, apply_to_file, checkpoint_tensors, count_to_remove, digest_file, digest_tensors,
        dtype_bits, lamp_scores, pack_to_file, run_id, select_checkpoint, select_magnitude,
        select_random, select_structured, sniff_file, unpack_to_file, write_atomic,
    };
    #[pymodule_export]
    use super::ledger::Ledger;
    #[pymodule_export]
    use super::mask_set::{MaskSet, Overlap};
}
