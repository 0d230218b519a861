//! The factors of products on tensor cores: halves, one or two for a number, and the code that is compiled for them.

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

/// Halves of a vector are a multiple of this.
const UNIT: usize = 32;

/// See above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Factors {
    /// Numbers of a vector.
    pub width: usize,
    /// True if a number is the sum of two halves.
    pub split: bool,
}

impl Factors {
    /// The factors for vectors of this width, up to [`WIDEST`].
    pub fn new(width: usize, queries: Precision, documents: Precision) -> Self {
        Self { width, split: [queries, documents].contains(&Precision::F32) }
    }

    /// Halves of a vector for each half of a number.
    pub fn dim(self) -> usize {
        self.width.next_multiple_of(UNIT)
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
    pub fn shared(self) -> usize {
        let rows = if self.row() > 256 { 32 } else { 64 };
        3 * rows * (2 * self.row() + 16)
    }

    /// The code of the kernel that makes rows.
    pub fn halves(self) -> &'static Code {
        HALVES.with(&self.defines())
    }

    /// The code of the kernels of scores, of blocks of so many warps; `keep` if the best tokens are written.
    pub fn scores(self, keep: bool, warps: usize) -> &'static Code {
        let [base, dim, split] = self.defines();
        SCORES.with(&[base, dim, split, ("KEEP", u32::from(keep)), ("WARPS", warps as u32)])
    }

    /// The code of the kernels of gradients.
    pub fn gradients(self) -> &'static Code {
        GRADIENTS.with(&self.defines())
    }

    fn defines(self) -> [(&'static str, u32); 3] {
        [("BF16", 0), ("DIM", self.dim() as u32), ("SPLIT", u32::from(self.split))]
    }
}
