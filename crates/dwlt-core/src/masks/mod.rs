//! Masks: one bit per prunable weight, and the sets of them that make a ticket.

mod bits;
mod ops;
mod set;

pub use bits::Bits;
pub use ops::{Op, Overlap};
pub(crate) use set::numel;
pub use set::{Mask, MaskSet};
