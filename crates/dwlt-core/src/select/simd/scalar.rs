//! The comparison in plain Rust: the definition that the others are tested against.

use super::driver::{Cuts, Look, Tally, compare, drive};
use crate::select::input::Values;
use crate::select::keys::Element;

pub(super) fn look(values: Values<'_>, cuts: Cuts, at: Look<'_>) -> Tally {
    match values {
        Values::F64(values) => over(values, cuts, at),
        Values::F32(values) => over(values, cuts, at),
        Values::F16(values) => over(values, cuts, at),
        Values::Bf16(values) => over(values, cuts, at),
    }
}

fn over<T: Element>(values: &[T], cuts: Cuts, at: Look<'_>) -> Tally {
    let block = |i: usize| {
        let end = values.len().min(i * 64 + 64);
        compare(&values[i * 64..end], cuts, key)
    };
    match cuts.ties {
        Some(_) => drive::<true>(values.len(), at, block, block),
        None => drive::<false>(values.len(), at, block, block),
    }
}

/// The key, which has at most 63 bits, as a signed number.
#[allow(clippy::cast_possible_wrap)]
#[inline]
pub(super) fn key<T: Element>(value: T) -> i64 {
    value.key() as i64
}
