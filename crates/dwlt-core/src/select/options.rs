//! What is asked of a selection.

use std::num::NonZeroUsize;

use crate::masks::MaskSet;
use crate::select::simd::Simd;
use crate::watch::Watch;

/// What competes with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All weights of all tensors compete with each other.
    #[default]
    Global,
    /// Each tensor keeps its proportional share of `keep`: the floor of the exact share, and what
    /// is left over goes to the largest remainders, ties to the earlier tensor.
    Tensor,
}

/// How many weights to keep.
#[derive(Debug, Clone, Copy)]
pub enum Keep<'a> {
    /// So many in all.
    Total(u64),
    /// So many of each tensor, in the tensors' order; the weights of one compete with each other.
    Each(&'a [u64]),
}

impl From<u64> for Keep<'_> {
    fn from(total: u64) -> Self {
        Self::Total(total)
    }
}

/// How to select.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Only weights kept here compete; nothing else is kept. None: all compete.
    pub within: Option<&'a MaskSet>,
    /// What competes with what, where a total is to be kept.
    pub scope: Scope,
    /// Threads to use; None: as many as the machine offers.
    pub threads: Option<NonZeroUsize>,
    /// Instruction set to use; None, or one that the machine lacks: the fastest.
    pub simd: Option<Simd>,
    /// Counts the bytes of the weights compared, and may stop the selection.
    pub watch: Watch<'a>,
}
