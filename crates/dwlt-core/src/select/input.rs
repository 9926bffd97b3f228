//! The weights as they are handed in: borrowed, never copied.

use std::collections::HashSet;
use std::path::Path;

use half::{bf16, f16};

use crate::disk::File;
use crate::error::{Error, Result};
use crate::masks::MaskSet;

/// Element types that have a magnitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
}

impl Dtype {
    /// Reads the names that safetensors (`F32`), NumPy (`float32`) and PyTorch
    /// (`torch.float32`) use.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("torch.").unwrap_or(text) {
            "F64" | "f64" | "float64" => Some(Self::F64),
            "F32" | "f32" | "float32" => Some(Self::F32),
            "F16" | "f16" | "float16" => Some(Self::F16),
            "BF16" | "bf16" | "bfloat16" => Some(Self::Bf16),
            _ => None,
        }
    }

    /// Bytes of a weight.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// The weights of one tensor in row-major order.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Double precision.
    F64(&'a [f64]),
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision.
    F16(&'a [f16]),
    /// The upper halves of singles.
    Bf16(&'a [bf16]),
}

impl Values<'_> {
    /// Number of weights.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F64(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// Whether there is no weight at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their element type.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F64(_) => Dtype::F64,
            Self::F32(_) => Dtype::F32,
            Self::F16(_) => Dtype::F16,
            Self::Bf16(_) => Dtype::Bf16,
        }
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        match *self {
            Self::F64(values) => Self::F64(&values[from..to]),
            Self::F32(values) => Self::F32(&values[from..to]),
            Self::F16(values) => Self::F16(&values[from..to]),
            Self::Bf16(values) => Self::Bf16(&values[from..to]),
        }
    }
}

/// A named tensor of weights.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Parameter name.
    pub name: &'a str,
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    /// The weights.
    pub values: Values<'a>,
}

impl<'a> Tensor<'a> {
    pub(crate) fn part(&self) -> Part<'a> {
        let Tensor { name, shape, values } = *self;
        Part { name, shape, len: values.len(), data: Data::Memory(values) }
    }
}

/// Gives weights that are neither in memory nor in a file, as on another device.
pub trait Fetch: Sync + std::fmt::Debug {
    /// Fills `bytes` with the weights from flat index `start` on.
    fn fetch(&self, start: usize, bytes: &mut [u8]) -> Result<()>;
}

/// A named tensor of weights, here or elsewhere.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// In memory.
    Here(Tensor<'a>),
    /// Elsewhere: fetched in pieces, most of them once.
    Elsewhere {
        /// Parameter name.
        name: &'a str,
        /// Sizes, outermost first.
        shape: &'a [usize],
        /// Element type.
        dtype: Dtype,
        /// Where the weights come from.
        fetch: &'a dyn Fetch,
    },
}

impl<'a> Weights<'a> {
    pub(crate) fn part(&self) -> Part<'a> {
        match *self {
            Self::Here(tensor) => tensor.part(),
            Self::Elsewhere { name, shape, dtype, fetch } => {
                // A shape beyond memory has no mask either, and is refused by `check`.
                let len = crate::masks::numel(shape).unwrap_or(usize::MAX);
                Part { name, shape, len, data: Data::Elsewhere { fetch, dtype } }
            }
        }
    }
}

/// Where the weights of one tensor are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data<'a> {
    /// In memory, never copied.
    Memory(Values<'a>),
    /// In a file, from byte `at` on.
    File { file: &'a File, path: &'a Path, at: u64, dtype: Dtype },
    /// Somewhere else, from where it is fetched.
    Elsewhere { fetch: &'a dyn Fetch, dtype: Dtype },
    /// Nowhere: numbers that the seed and the place alone decide, as f64 between 0 and 2.
    Random { seed: u64 },
}

/// The weights of one tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) len: usize,
    pub(crate) data: Data<'a>,
}

impl Data<'_> {
    pub(crate) fn dtype(&self) -> Dtype {
        match self {
            Self::Memory(values) => values.dtype(),
            Self::File { dtype, .. } | Self::Elsewhere { dtype, .. } => *dtype,
            Self::Random { .. } => Dtype::F64,
        }
    }
}

/// Refuses tensors that do not fit their shapes, each other or `within`; returns how many weights
/// of each tensor compete.
pub(crate) fn check(parts: &[Part<'_>], within: Option<&MaskSet>) -> Result<Vec<u64>> {
    let mut names = HashSet::new();
    let mut competing = Vec::with_capacity(parts.len());
    for Part { name, shape, len, .. } in parts {
        if !names.insert(*name) {
            return Err(Error::mask(format!("two tensors are named {name:?}")));
        }
        if crate::masks::numel(shape) != Some(*len) {
            return Err(Error::mask(format!("{name}: {len} weights do not fill shape {shape:?}")));
        }
        competing.push(match within {
            None => *len as u64,
            Some(set) => match set.get(name) {
                None => return Err(Error::mask(format!("{name}: the mask set has no such mask"))),
                Some(mask) if mask.shape() != *shape => {
                    return Err(Error::mask(format!(
                        "{name}: shape {shape:?}, but its mask has shape {:?}",
                        mask.shape()
                    )));
                }
                Some(mask) => mask.kept(),
            },
        });
    }
    let stray = within.and_then(|set| set.iter().find(|(name, _)| !names.contains(name)));
    match stray {
        None => Ok(competing),
        Some((name, _)) => {
            Err(Error::mask(format!("{name}: the mask set has it, but no such tensor is given")))
        }
    }
}

/// What is said of a competing weight that is no number.
pub(crate) fn not_a_number(name: &str, index: usize) -> Error {
    Error::Mask {
        message: format!("{name}: weight {index} is NaN"),
        hint: Some("weights that are not numbers cannot be ranked; look at the training run"),
    }
}
