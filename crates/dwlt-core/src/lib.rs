//! The exact, durable part of dwlt: masks, magnitude selection, mask files, digests, run ledger.
//!
//! Nothing here knows Python. `crates/dwlt-python` converts and calls; it decides nothing.

pub mod canonical;
pub mod counts;
pub mod digest;
pub mod error;
pub mod files;
pub mod ledger;
pub mod masks;
pub mod select;

mod buffers;
mod clock;
mod disk;
#[cfg(test)]
mod durability;
mod parallel;
mod watch;

pub use counts::count_to_remove;
pub use error::{Error, Result};
pub use masks::MaskSet;
pub use watch::Watch;
