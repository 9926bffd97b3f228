//! Which weights to keep: exactly `keep` of them, the largest magnitudes, ties to the earliest.
//!
//! Equal magnitudes are kept in the order (tensor, flat index): the earlier weight wins. -0.0
//! equals 0.0, infinities are largest, NaN is refused. Weights outside `within` do not matter,
//! whatever they hold, NaN included. Tensors of different element types are compared by value.
//! The result does not depend on the number of threads or on the instruction set.
//!
//! How: random blocks give a bracket that the threshold lies in, almost surely ([`sample`]).
//! One pass ([`scan`]) writes the mask bits of what lies above the bracket, and collects the few
//! weights inside; among these the selection is exact ([`complete`]). Counts of what lies above,
//! inside and at the ends tell whether the bracket was right; if not, another sample is drawn,
//! and after that [`radix`] finds the threshold without one.

mod bracket;
mod chunk;
mod complete;
mod groups;
mod input;
mod keys;
mod lamp;
mod magnitude;
mod options;
mod radix;
mod random;
mod sample;
mod scan;
mod simd;

pub(crate) use groups::of_parts as structured_of_parts;
pub use groups::{Pattern, structured};
pub(crate) use input::{Data, Part};
pub use input::{Dtype, Fetch, Tensor, Values, Weights};
pub use lamp::lamp_scores;
pub(crate) use lamp::of_parts as lamp_of_parts;
pub(crate) use magnitude::of_parts;
pub use magnitude::{magnitude, magnitude_anywhere};
pub use options::{Keep, Options, Scope};
pub use random::random;
pub use simd::Simd;
