//! What is written to disk and how it is read back.

pub mod apply;
pub mod atomic;
pub mod checkpoint;
pub mod mask_file;
pub mod packed;
pub mod safetensors;
pub mod sniff;

mod entries;
mod fields;
pub(crate) mod temporary;
mod unfinished;
