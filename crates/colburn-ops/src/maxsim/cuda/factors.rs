//! The factors of products on tensor cores: halves, one or two for a number, and the code that is compiled for them.

use burn_cubecl::CubeDevice;

use crate::cube::cuda::capability;
use crate::cube::cuda::nvrtc::{Code, Source};
use crate::precision::Precision;

/// The texts of the sources: this one behind the common functions and the rows.
macro_rules! source {
    ($file:literal) => {
        Source::new(concat!(crate::cube::cuda::with_common!("rows.cu"), include_str!($file)), &[])
    };
}

static HALVES: Source = source!("halves.cu");
static SCORES: Source = source!("scores.cu");
static GRADIENTS: Source = source!("gradients.cu");

/// The largest width of vectors.
pub(super) const WIDEST: usize = 256;

/// Halves of a vector are a multiple of this; on Hopper of the second number.
const UNITS: [usize; 2] = [32, 64];

/// The compute capability of Hopper, times ten. Its instructions for products are not those of the devices before and after it.
const HOPPER: u32 = 90;

/// See above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Factors {
    /// Numbers of a vector.
    pub width: usize,
    /// True if a number is the sum of two halves.
    pub split: bool,
    /// True on Hopper.
    pub hopper: bool,
}

/// The instructions by which products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instructions {
    /// Those of all devices from Ampere on: a warp multiplies by itself.
    Common,
    /// Those of Hopper: four warps multiply together.
    Hopper,
}

impl Factors {
    /// The factors for vectors of this width, up to [`WIDEST`].
    pub fn new(width: usize, precisions: [Precision; 2], device: &CubeDevice) -> Self {
        Self { width, split: precisions.contains(&Precision::F32), hopper: capability(device) == Some(HOPPER) }
    }

    /// Halves of a vector for each half of a number.
    pub fn dim(self) -> usize {
        self.width.next_multiple_of(UNITS[usize::from(self.hopper)])
    }

    /// Halves of a row.
    pub fn row(self) -> usize {
        self.dim() * if self.split { 2 } else { 1 }
    }

    /// Groups of rows of queries that a warp holds.
    pub fn groups_of_warp(self) -> usize {
        if self.dim() > 128 { 2 } else { 4 }
    }

    /// Bytes of shared memory of the kernel of scores.
    pub fn shared(self, instructions: Instructions) -> usize {
        let row = 2 * self.row();
        3 * match instructions {
            Instructions::Hopper => 64 * row,
            Instructions::Common if self.row() <= 256 => 64 * (row + 16),
            Instructions::Common => 32 * (row + 16),
        }
    }

    /// The code of the kernel that makes rows.
    pub fn halves(self) -> &'static Code {
        HALVES.with(&self.defines())
    }

    /// The code of the kernels of scores, of blocks of so many warps; `keep` if the best tokens are written.
    pub fn scores(self, keep: bool, warps: usize, instructions: Instructions) -> &'static Code {
        let [base, dim, split, _] = self.defines();
        let hopper = ("HOPPER", u32::from(instructions == Instructions::Hopper));
        SCORES.with(&[base, dim, split, hopper, ("KEEP", u32::from(keep)), ("WARPS", warps as u32)])
    }

    /// The code of the kernels of gradients.
    pub fn gradients(self) -> &'static Code {
        GRADIENTS.with(&self.defines())
    }

    fn defines(self) -> [(&'static str, u32); 4] {
        [("LOW", 0), ("DIM", self.dim() as u32), ("SPLIT", u32::from(self.split)), ("HOPPER", 0)]
    }
}
