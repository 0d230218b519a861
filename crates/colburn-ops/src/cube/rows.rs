//! Rows of numbers, each shared out among several units of a cube, which keep it in registers.

use cubecl::prelude::*;

use super::array::vector_size;

/// Number of units of a cube.
pub(crate) const UNITS: usize = 256;

/// Number of sums of a row that are added last.
const PARTS: usize = 8;

/// The shares of units in rows of one width. A unit has the vectors of its number, that plus the number of units of a row, and so on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowPlan {
    /// Number of elements of a vector.
    pub vector: usize,
    /// Number of vectors of a row.
    pub vectors: usize,
    /// Number of units of a row, a power of two.
    pub lanes: usize,
}

impl RowPlan {
    /// The plan for rows of f32 or of less.
    pub fn new(width: usize) -> Self {
        let vector = vector_size(&[width], 4);
        let vectors = width / vector;
        // Four vectors a unit leave room for sums over rows beside them.
        let lanes = vectors.div_ceil(4).next_power_of_two().clamp(32, UNITS);
        Self { vector, vectors, lanes }
    }

    /// Number of rows that a cube has at a time.
    pub fn rows(&self) -> usize {
        UNITS / self.lanes
    }
}

/// The row of a unit, and its number among the units of that row.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Place {
    pub row: usize,
    pub lane: usize,
    /// False for units behind the last row. They repeat it and write nothing: all must take part in the sums.
    pub inside: bool,
}

/// The place of this unit in a group of the rows that a cube has at a time.
#[cube]
pub(crate) fn place(group: usize, rows: u32, #[comptime] lanes: usize) -> Place {
    let wanted = group * comptime!(UNITS / lanes) + UNIT_POS as usize / lanes;
    let inside = wanted < rows as usize;
    Place { row: select(inside, wanted, rows as usize - 1), lane: UNIT_POS as usize % lanes, inside }
}

/// The sum of the elements of a vector.
#[cube]
pub(crate) fn elements<N: Size>(vector: Vector<f32, N>) -> f32 {
    let mut sum = vector.extract(0usize);
    #[unroll]
    for i in 1..N::value() {
        sum += vector.extract(i);
    }
    sum
}

/// The sums over the units of a row, of a vector of each. All units of the cube must call this. `shared` has a place for each unit, `parts`
/// [`part_count`] places.
#[cube]
pub(crate) fn total<M: Size>(
    value: Vector<f32, M>,
    shared: &mut [Vector<f32, M>],
    parts: &mut [Vector<f32, M>],
    #[comptime] lanes: usize,
) -> Vector<f32, M> {
    let unit = UNIT_POS as usize;
    let lane = unit % lanes;
    let row = unit / lanes;
    let count = comptime!(PARTS);
    shared[unit] = value;
    sync_cube();
    if lane < count {
        let mut sum = shared[row * lanes + lane];
        #[unroll]
        for part in 1..comptime!(lanes / PARTS) {
            sum += shared[row * lanes + part * count + lane];
        }
        parts[row * count + lane] = sum;
    }
    sync_cube();
    let mut sum = parts[row * count];
    #[unroll]
    for part in 1..count {
        sum += parts[row * count + part];
    }
    sum
}

/// Number of places that [`total`] needs beside those of the units.
pub(crate) fn part_count(lanes: usize) -> usize {
    UNITS / lanes * PARTS
}
