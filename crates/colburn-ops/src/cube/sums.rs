//! Sums over the rows of a matrix: by blocks of rows, then over the blocks. Nothing depends on the order in which cubes run.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim, ir::ElemType};

use super::array::{argument, element, empty, sizes, vector_size, widest};
use super::launches::counted;

/// Number of neighbouring vectors that a cube of the first pass has.
pub(crate) const LANES: usize = 32;
/// Number of rows that it has at a time.
pub(crate) const ROWS: usize = 8;

/// Number of neighbouring vectors that a cube of the second pass has.
const SECOND_LANES: usize = 8;
/// Number of blocks that it has at a time.
const SECOND_ROWS: usize = 32;

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

    /// The cubes.
    pub fn count(&self) -> CubeCount {
        CubeCount::Static(self.vectors.div_ceil(LANES) as u32, self.blocks as u32, 1)
    }

    /// The units of a cube.
    pub fn dim(&self) -> CubeDim {
        CubeDim::new_1d((LANES * ROWS) as u32)
    }
}

/// Adds the sums of the units of a cube that have the same column, and writes that of the cube's block. All units must call this. `shared`
/// has a place for each unit.
#[cube]
pub(crate) fn write_block<N: Size>(
    sum: Vector<f32, N>,
    shared: &mut [Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    at: usize,
    inside: bool,
) {
    let unit = UNIT_POS as usize;
    let lanes = comptime!(LANES);
    shared[unit] = sum;
    sync_cube();
    if unit < lanes && inside {
        let mut total = shared[unit];
        #[unroll]
        for row in 1..comptime!(ROWS) {
            total += shared[row * lanes + unit];
        }
        out[at] = total;
    }
}

#[cube(launch_unchecked)]
fn first_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    out: &mut [Vector<f32, N>],
    rows: u32,
    vectors: u32,
    rows_of_block: u32,
    #[define(F)] _type: ElemType,
) {
    let lanes = comptime!(LANES as u32);
    let column = CUBE_POS_X * lanes + UNIT_POS % lanes;
    let inside = column < vectors;
    let mut row = CUBE_POS_Y * rows_of_block + UNIT_POS / lanes;
    let end = min((CUBE_POS_Y + 1) * rows_of_block, rows);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    if inside {
        while row < end {
            sum += Vector::<f32, N>::cast_from(x[(row * vectors + column) as usize]);
            row += comptime!(ROWS as u32);
        }
    }
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(comptime!(LANES * ROWS));
    write_block(sum, &mut shared, out, (CUBE_POS_Y * vectors + column) as usize, inside);
}

#[cube(launch_unchecked)]
fn second_kernel<N: Size>(partial: &[Vector<f32, N>], out: &mut [Vector<f32, N>], blocks: u32, vectors: u32) {
    let lanes = comptime!(SECOND_LANES as u32);
    let lane = UNIT_POS % lanes;
    let column = CUBE_POS_X * lanes + lane;
    let mut block = UNIT_POS / lanes;
    let mut sum = Vector::<f32, N>::new(0.0f32);
    if column < vectors {
        while block < blocks {
            sum += partial[(block * vectors + column) as usize];
            block += comptime!(SECOND_ROWS as u32);
        }
    }
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(comptime!(SECOND_LANES * SECOND_ROWS));
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    if UNIT_POS < lanes && column < vectors {
        let mut total = shared[lane as usize];
        #[unroll]
        for row in 1..comptime!(SECOND_ROWS) {
            total += shared[row * comptime!(SECOND_LANES) + lane as usize];
        }
        out[column as usize] = total;
    }
}

/// The sum over the first dimension of partial sums, `[blocks, width]` of f32: `[width]`.
pub(crate) fn add_partial(partial: &CubeTensor) -> CubeTensor {
    let [blocks, width] = sizes(partial);
    let out = empty(partial, [width], DType::F32);
    let vector = vector_size(&[width], 4);
    let vectors = width / vector;
    // SAFETY: each unit reads vectors of its column in all blocks, and the first of a column writes it.
    unsafe {
        second_kernel::launch_unchecked(
            counted(&partial.client),
            CubeCount::Static(vectors.div_ceil(SECOND_LANES) as u32, 1, 1),
            CubeDim::new_1d((SECOND_LANES * SECOND_ROWS) as u32),
            vector,
            argument(partial),
            argument(&out),
            blocks as u32,
            vectors as u32,
        );
    }
    out
}

/// The sums of the columns of `[rows, width]`: `[width]` of f32.
pub(crate) fn column_sums(x: &CubeTensor) -> CubeTensor {
    let [rows, width] = sizes(x);
    if rows * width == 0 {
        return zeros(x, width);
    }
    let vector = vector_size(&[width], widest(x));
    let blocks = Blocks::new(rows, width / vector);
    let partial = empty(x, [blocks.blocks, width], DType::F32);
    // SAFETY: each unit reads vectors of its column in the rows of its block, and the first of a column writes the block's sum of it.
    unsafe {
        first_kernel::launch_unchecked(
            counted(&x.client),
            blocks.count(),
            blocks.dim(),
            vector,
            argument(x),
            argument(&partial),
            rows as u32,
            blocks.vectors as u32,
            blocks.rows_of_block as u32,
            element(x),
        );
    }
    if blocks.blocks == 1 { first_row(partial, width) } else { add_partial(&partial) }
}

/// The only row of an array as a vector.
fn first_row(mut x: CubeTensor, width: usize) -> CubeTensor {
    *x.meta = burn_std::Metadata::new([width], burn_std::strides![1]);
    x
}

/// So many zeros of f32.
pub(crate) fn zeros(like: &CubeTensor, count: usize) -> CubeTensor {
    burn_cubecl::ops::numeric::zeros_client(like.client.clone(), like.device.clone(), [count].into(), DType::F32)
}
