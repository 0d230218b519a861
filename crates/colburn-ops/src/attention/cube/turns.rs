//! The numbers of turns of loops over a tile.

use cubecl::prelude::*;

/// The numbers of turns of loops: over the vectors in a row of a head, and over the blocks of columns.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Turns {
    pub vectors: usize,
    pub across: usize,
}
