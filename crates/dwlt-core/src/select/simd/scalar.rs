//! The comparison in plain Rust: the definition that the others are tested against.

use super::driver::{Cuts, Tally, Words, compare, drive, has_nan};
use crate::select::input::Values;
use crate::select::keys::Element;

pub(super) fn classify(values: Values<'_>, cuts: Cuts, at: Words<'_>) -> Tally {
    match values {
        Values::F64(values) => over(values, cuts, at),
        Values::F32(values) => over(values, cuts, at),
        Values::F16(values) => over(values, cuts, at),
        Values::Bf16(values) => over(values, cuts, at),
    }
}

fn over<T: Element>(values: &[T], cuts: Cuts, at: Words<'_>) -> Tally {
    let block = |values: &[T; 64]| compare(values, cuts);
    let mut tally = match cuts.ties {
        Some(_) => drive::<true, T>(values, cuts, at, |_| (), block),
        None => drive::<false, T>(values, cuts, at, |_| (), block),
    };
    tally.nan = has_nan(values, cuts);
    tally
}
