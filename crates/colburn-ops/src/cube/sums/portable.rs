//! The kernels of CubeCL.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim, ir::ElemType};

use super::blocks::{Blocks, LANES, ROWS};
use crate::cube::array::{argument, element, empty, sizes, vector_size, widest};
use crate::cube::launches::counted;

/// Number of neighbouring vectors that a cube of the second pass has.
const SECOND_LANES: usize = 8;
/// Number of blocks that it has at a time.
const SECOND_ROWS: usize = 32;

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

/// As `add_partial` of the module above.
pub(super) fn add_partial(partial: &CubeTensor) -> CubeTensor {
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

/// The sums of the columns of each block of rows, `[blocks, width]`.
pub(super) fn partial_sums(x: &CubeTensor) -> CubeTensor {
    let [rows, width] = sizes(x);
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
    partial
}
