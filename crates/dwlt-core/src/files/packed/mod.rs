//! Packed tickets: a checkpoint that holds of each masked tensor its bits and its kept values.
//!
//! `docs/mask-format.md` is the format's description; every rule there is enforced here. A packed
//! file is a safetensors file: `NAME#kept` and `NAME#mask` stand for the masked tensor NAME, all
//! other tensors are as they were, and the metadata hold the dense file's own header, so that
//! unpacking gives the dense file's bytes.

mod bytes;
mod layout;
mod open;
mod pack;
mod unpack;

pub use pack::pack;
pub use unpack::{masks, unpack};
