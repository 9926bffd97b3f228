//! What a packed file says of itself and what its tensors are called.

pub(super) const FORMAT: &str = "dwlt-packed";
pub(super) const VERSION: &str = "1";

/// What the names of the two tensors end in that stand for a masked one.
pub(super) const KEPT: &str = "#kept";
pub(super) const MASK: &str = "#mask";
