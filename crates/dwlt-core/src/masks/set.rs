//! A network's masks by parameter name.

use std::collections::HashMap;

use crate::digest::{self, Piece};
use crate::error::{Error, Result};
use crate::masks::Bits;
use crate::watch::Watch;

/// The mask of one tensor: its shape and one bit per weight, 1 = kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    shape: Vec<usize>,
    bits: Bits,
}

impl Mask {
    /// A mask from its shape (outermost size first) and its bits in row-major order.
    pub fn new(shape: Vec<usize>, bits: Bits) -> Result<Self> {
        if numel(&shape) == Some(bits.len()) {
            Ok(Self { shape, bits })
        } else {
            Err(Error::mask(format!("{} bits do not fill shape {shape:?}", bits.len())))
        }
    }

    /// A mask that keeps everything.
    pub fn dense(shape: Vec<usize>) -> Result<Self> {
        let len = numel(&shape)
            .ok_or_else(|| Error::mask(format!("shape {shape:?} has more weights than memory")))?;
        Ok(Self { shape, bits: Bits::ones(len) })
    }

    /// Sizes, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The bits in row-major order.
    #[must_use]
    pub fn bits(&self) -> &Bits {
        &self.bits
    }

    /// Number of weights kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.bits.count()
    }

    /// Number of weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.bits.len() as u64
    }
}

/// Number of elements of a shape; None where it does not fit in memory's address range.
pub(crate) fn numel(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

/// All masks of a network. The order is the one they were given in, for tables; it takes no part
/// in equality, in the digest or in a mask file.
#[derive(Debug, Clone)]
pub struct MaskSet {
    masks: Vec<(String, Mask)>,
    by_name: HashMap<String, usize>,
}

impl MaskSet {
    /// A set from named masks.
    pub fn new(masks: Vec<(String, Mask)>) -> Result<Self> {
        let mut by_name = HashMap::with_capacity(masks.len());
        for (i, (name, _)) in masks.iter().enumerate() {
            if by_name.insert(name.clone(), i).is_some() {
                return Err(Error::mask(format!("two masks are named {name:?}")));
            }
        }
        Ok(Self { masks, by_name })
    }

    /// A set that keeps everything, from names and shapes.
    pub fn dense(shapes: Vec<(String, Vec<usize>)>) -> Result<Self> {
        let dense = |(name, shape)| match Mask::dense(shape) {
            Ok(mask) => Ok((name, mask)),
            Err(error) => Err(Error::mask(format!("{name}: {error}"))),
        };
        Self::new(shapes.into_iter().map(dense).collect::<Result<_>>()?)
    }

    /// Name and mask of each tensor, in the set's order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Mask)> {
        self.masks.iter().map(|(name, mask)| (name.as_str(), mask))
    }

    /// Name and mask of each tensor, sorted by name.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, &Mask)> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by_key(|&(name, _)| name);
        sorted
    }

    /// The mask of one tensor.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Mask> {
        self.by_name.get(name).map(|&i| &self.masks[i].1)
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.masks.len()
    }

    /// Whether there is no tensor at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// Number of weights kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.iter().map(|(_, mask)| mask.kept()).sum()
    }

    /// Number of weights.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, mask)| mask.total()).sum()
    }

    /// Names the set: a digest of names, shapes and bits, sorted by name.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut head = b"dwlt-mask-set-v1\n".to_vec();
        head.extend((self.len() as u64).to_le_bytes());
        let mut pieces = vec![Piece::Owned(head)];
        for (name, mask) in self.sorted() {
            let shape: Vec<u64> = mask.shape.iter().map(|&size| size as u64).collect();
            pieces.push(Piece::Owned(digest::frame(name, "BOOL", &shape)));
            pieces.push(Piece::Bytes(mask.bits.as_bytes()));
        }
        let Ok(digest) = digest::hash(&pieces, Watch::default()) else {
            unreachable!("bytes in memory can be read")
        };
        digest
    }
}

impl PartialEq for MaskSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|(name, mask)| other.get(name).is_some_and(|theirs| theirs == mask))
    }
}

impl Eq for MaskSet {}
