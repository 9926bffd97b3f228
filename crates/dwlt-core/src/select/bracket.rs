//! The keys between which a selection's threshold lies.

/// Keys between which the threshold lies, probably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bracket {
    /// Keys of at least this are kept or open.
    pub(crate) open_from: u64,
    /// Keys of at least this are kept.
    pub(crate) kept_from: u64,
    /// Whether many weights may share the lowest kept key, or the key next below the open ones.
    pub(crate) ties: bool,
}

impl Bracket {
    /// Everything is open.
    pub(crate) const WIDEST: Self = Self { open_from: 0, kept_from: u64::MAX, ties: false };

    /// A bracket with nothing open, for a threshold that is known.
    pub(crate) fn at(key: u64) -> Self {
        Self { open_from: key.saturating_add(1), kept_from: key, ties: true }
    }

    /// Keeps what is not a number, among wide keys.
    pub(crate) fn nan() -> Self {
        let above = (0x7ff << 52) + 1;
        Self { open_from: above, kept_from: above, ties: false }
    }
}
