//! Two mask sets together: and, or, minus, xor, overlap, lineage.

use crate::error::{Error, Result};
use crate::masks::{Mask, MaskSet};

/// How two masks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Kept in both.
    And,
    /// Kept in either.
    Or,
    /// Kept in the left one only.
    Minus,
    /// Kept in exactly one.
    Xor,
}

impl Op {
    fn words(self, a: u64, b: u64) -> u64 {
        match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Minus => a & !b,
            Self::Xor => a ^ b,
        }
    }
}

/// What two masks have in common, as counts of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// Kept in both.
    pub both: u64,
    /// Kept in the left one.
    pub left: u64,
    /// Kept in the right one.
    pub right: u64,
    /// All weights.
    pub total: u64,
}

#[allow(clippy::cast_precision_loss)] // ratios for people; the counts stay exact
impl Overlap {
    /// Intersection over union; None where neither keeps anything.
    #[must_use]
    pub fn iou(&self) -> Option<f64> {
        let either = self.left + self.right - self.both;
        (either > 0).then(|| self.both as f64 / either as f64)
    }

    /// The intersection relative to that of two random masks with the same counts: 1 is chance,
    /// above 1 is agreement. None where either keeps nothing.
    #[must_use]
    pub fn lift(&self) -> Option<f64> {
        let expected = self.left as f64 * (self.right as f64 / self.total as f64);
        (self.left > 0 && self.right > 0).then(|| self.both as f64 / expected)
    }

    fn of(left: &Mask, right: &Mask) -> Self {
        let pairs = left.bits().words().iter().zip(right.bits().words());
        Self {
            both: pairs.map(|(a, b)| u64::from((a & b).count_ones())).sum(),
            left: left.kept(),
            right: right.kept(),
            total: left.total(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            both: self.both + other.both,
            left: self.left + other.left,
            right: self.right + other.right,
            total: self.total + other.total,
        }
    }
}

impl MaskSet {
    /// Combines two sets of the same names and shapes; the result has the left one's order.
    pub fn combine(&self, other: &Self, op: Op) -> Result<Self> {
        let combined = self.pairs(other)?.into_iter().map(|(name, a, b)| {
            let bits = a.bits().combine(b.bits(), |x, y| op.words(x, y));
            Ok((name.to_owned(), Mask::new(a.shape().to_vec(), bits)?))
        });
        Self::new(combined.collect::<Result<_>>()?)
    }

    /// What two sets have in common, all tensors together.
    pub fn overlap(&self, other: &Self) -> Result<Overlap> {
        let each = self.overlaps(other)?;
        Ok(each.into_iter().fold(Overlap::default(), |sum, (_, one)| sum.plus(one)))
    }

    /// What two sets have in common, tensor by tensor.
    pub fn overlaps(&self, other: &Self) -> Result<Vec<(String, Overlap)>> {
        let pairs = self.pairs(other)?.into_iter();
        Ok(pairs.map(|(name, a, b)| (name.to_owned(), Overlap::of(a, b))).collect())
    }

    /// Whether every weight kept here is kept in `other` too.
    pub fn is_subset(&self, other: &Self) -> Result<bool> {
        Ok(self.first_revived(other)?.is_none())
    }

    /// Refuses a set that keeps a weight which `parent` had removed.
    pub fn check_lineage(&self, parent: &Self) -> Result<()> {
        match self.first_revived(parent)? {
            None => Ok(()),
            Some((name, index)) => Err(Error::mask(format!(
                "{name}: weight {index} is kept although the previous round had removed it"
            ))),
        }
    }

    /// Tensor and flat index of the first weight kept here and not in `parent`.
    fn first_revived(&self, parent: &Self) -> Result<Option<(String, usize)>> {
        for (name, mine, theirs) in self.pairs(parent)? {
            let words = mine.bits().words().iter().zip(theirs.bits().words());
            for (i, (a, b)) in words.enumerate() {
                let revived = a & !b;
                if revived != 0 {
                    let index = i * 64 + revived.trailing_zeros() as usize;
                    return Ok(Some((name.to_owned(), index)));
                }
            }
        }
        Ok(None)
    }

    /// The masks of two sets side by side; an error names the first tensor that does not fit.
    fn pairs<'a>(&'a self, other: &'a Self) -> Result<Vec<(&'a str, &'a Mask, &'a Mask)>> {
        let mut pairs = Vec::with_capacity(self.len());
        for (name, mine) in self.iter() {
            let theirs = other.get(name).ok_or_else(|| {
                Error::mask(format!("{name}: in the first mask set, not in the second"))
            })?;
            if mine.shape() != theirs.shape() {
                return Err(Error::mask(format!(
                    "{name}: shape {:?} in the first mask set, {:?} in the second",
                    mine.shape(),
                    theirs.shape()
                )));
            }
            pairs.push((name, mine, theirs));
        }
        match other.iter().find(|(name, _)| self.get(name).is_none()) {
            None => Ok(pairs),
            Some((name, _)) => {
                Err(Error::mask(format!("{name}: in the second mask set, not in the first")))
            }
        }
    }
}
