//! Blocks of rows of a matrix, which are summed each by itself.

use cubecl::{CubeCount, CubeDim};

/// Number of neighbouring vectors that a cube of the first pass has.
pub(crate) const LANES: usize = 32;
/// Number of rows that it has at a time.
pub(crate) const ROWS: usize = 8;

/// A matrix cut into blocks of rows, and each block into groups of columns: one cube each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    pub vectors: usize,
    pub rows: usize,
    /// Rows of a block.
    pub rows_of_block: usize,
    pub blocks: usize,
}

impl Blocks {
    /// Blocks of a matrix with some rows, each of so many vectors: about as many cubes as a large device runs at once.
    pub fn new(rows: usize, vectors: usize) -> Self {
        const CUBES: usize = 1056;
        let most = (CUBES / vectors.div_ceil(LANES)).max(1).min(rows.div_ceil(ROWS)).max(1);
        let rows_of_block = rows.div_ceil(most).next_multiple_of(ROWS);
        Self { vectors, rows, rows_of_block, blocks: rows.div_ceil(rows_of_block) }
    }

    /// Groups of columns, and blocks.
    #[cfg(feature = "cuda")]
    pub fn grid(&self) -> (u32, u32, u32) {
        (self.vectors.div_ceil(LANES) as u32, self.blocks as u32, 1)
    }

    /// The cubes.
    pub fn count(&self) -> CubeCount {
        CubeCount::Static(self.vectors.div_ceil(LANES) as u32, self.blocks as u32, 1)
    }

    /// The units of a cube.
    pub fn dim(&self) -> CubeDim {
        CubeDim::new_1d((LANES * ROWS) as u32)
    }
}
