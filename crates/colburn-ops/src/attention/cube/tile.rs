//! Tiles of rows in shared memory, and their products.
//!
//! A cube has a unit for every block of 4 × 4 scores; unit `(down, across)` has rows `4 · down` to `4 · down + 3` and the columns alike. Rows lie
//! in shared memory by their place in the block, then by the block, so that the units of a group read neighbouring rows, which begin in
//! different banks.

use cubecl::prelude::*;

use super::shape::{BLOCK, Shape};
use super::turns::Turns;

/// Four numbers.
pub(super) type Four = Vector<f32, Const<4>>;

/// The row of blocks of a unit.
#[cube]
pub(super) fn down(#[comptime] shape: Shape) -> usize {
    UNIT_POS as usize / shape.across
}

/// The column of blocks of a unit.
#[cube]
pub(super) fn across(#[comptime] shape: Shape) -> usize {
    UNIT_POS as usize % shape.across
}

/// Shared memory for rows of so many blocks.
#[cube]
pub(super) fn rows_of(#[comptime] blocks: usize, #[comptime] shape: Shape) -> Shared<[Four]> {
    Shared::new_slice(comptime!(BLOCK * blocks * shape.stride()))
}

/// Shared memory for the weights of a tile.
#[cube]
pub(super) fn weights_of(#[comptime] shape: Shape) -> Shared<[Four]> {
    Shared::new_slice(comptime!(shape.rows() * shape.weights_stride()))
}

/// Four numbers of a row that begins at an element of `x`.
#[cube]
fn read<F: Float, N: Size>(x: &[Vector<F, N>], row: usize, vector: usize, #[comptime] shape: Shape) -> Four {
    if comptime!(shape.whole()) {
        Four::cast_from(x[row / 4 + vector])
    } else {
        let mut value = Four::new(0.0f32);
        #[unroll]
        for lane in 0..4usize {
            if vector * 4 + lane < shape.head_dim {
                value.insert(lane, f32::cast_from(x[row + vector * 4 + lane].extract(0usize)));
            }
        }
        value
    }
}

/// Writes four numbers of a row that begins at an element of `out`.
#[cube]
pub(super) fn write<F: Float, N: Size>(
    out: &mut [Vector<F, N>],
    row: usize,
    vector: usize,
    value: Four,
    #[comptime] shape: Shape,
) {
    if comptime!(shape.whole()) {
        out[row / 4 + vector] = Vector::cast_from(value);
    } else {
        #[unroll]
        for lane in 0..4usize {
            if vector * 4 + lane < shape.head_dim {
                out[row + vector * 4 + lane] = Vector::new(F::cast_from(value.extract(lane)));
            }
        }
    }
}

/// Loads `factor` times the rows of a tile of so many blocks, which begin at an element of `x` and are `stride` elements apart. Rows from
/// `count` on become zeros.
#[cube]
pub(super) fn load<F: Float, N: Size>(
    x: &[Vector<F, N>],
    first: u32,
    stride: u32,
    count: u32,
    factor: f32,
    tile: &mut Shared<[Four]>,
    turns: &Turns,
    #[comptime] blocks: usize,
    #[comptime] shape: Shape,
) {
    let units = comptime!(shape.units());
    let places = comptime!(BLOCK * blocks * shape.vectors());
    if comptime!(shape.fixed && places.is_multiple_of(units)) {
        #[unroll]
        for step in 0..comptime!(places / units) {
            let place = UNIT_POS as usize + step * units;
            load_place::<F, N>(x, first, stride, count, factor, tile, place, blocks, shape);
        }
    } else {
        for place in range_stepped(UNIT_POS as usize, BLOCK * blocks * turns.vectors, units) {
            load_place::<F, N>(x, first, stride, count, factor, tile, place, blocks, shape);
        }
    }
}

#[cube]
fn load_place<F: Float, N: Size>(
    x: &[Vector<F, N>],
    first: u32,
    stride: u32,
    count: u32,
    factor: f32,
    tile: &mut Shared<[Four]>,
    place: usize,
    #[comptime] blocks: usize,
    #[comptime] shape: Shape,
) {
    let (row, vector) = (place / shape.vectors(), place % shape.vectors());
    let mut value = Four::new(0.0f32);
    if (row as u32) < count {
        value = read::<F, N>(x, (first + row as u32 * stride) as usize, vector, shape) * Four::new(factor);
    }
    tile[(row % BLOCK * blocks + row / BLOCK) * shape.stride() + vector] = value;
}

/// The products of the rows of `a` with those of `b`: the scores of a unit, row by row.
#[cube]
pub(super) fn products(
    a: &Shared<[Four]>,
    b: &Shared<[Four]>,
    scores: &mut Array<f32>,
    turns: &Turns,
    #[comptime] shape: Shape,
) {
    let stride = comptime!(shape.stride());
    let (down, across) = (down(shape), across(shape));
    #[unroll]
    for place in 0..BLOCK * BLOCK {
        scores[place] = 0.0f32;
    }
    for vector in 0..turns.vectors {
        let mut rows = Array::<Four>::new(BLOCK);
        #[unroll]
        for i in 0..BLOCK {
            rows[i] = a[(i * shape.down + down) * stride + vector];
        }
        #[unroll]
        for j in 0..BLOCK {
            let column = b[(j * shape.across + across) * stride + vector];
            #[unroll]
            for i in 0..BLOCK {
                let row = rows[i];
                let mut sum = scores[i * BLOCK + j];
                #[unroll]
                for lane in 0..4usize {
                    sum = fma(row.extract(lane), column.extract(lane), sum);
                }
                scores[i * BLOCK + j] = sum;
            }
        }
    }
}

/// Writes a unit's weights to shared memory.
#[cube]
pub(super) fn share(weights: &Array<f32>, tile: &mut Shared<[Four]>, #[comptime] shape: Shape) {
    let (down, across) = (down(shape), across(shape));
    #[unroll]
    for i in 0..BLOCK {
        let mut row = Four::new(0.0f32);
        #[unroll]
        for j in 0..BLOCK {
            row.insert(j, weights[i * BLOCK + j]);
        }
        tile[(i * shape.down + down) * shape.weights_stride() + across] = row;
    }
}

/// Sums for the rows of a unit: of each row the vectors `across`, `across + shape.across` and so on.
#[cube]
pub(super) fn sums_of(#[comptime] shape: Shape) -> Array<Four> {
    let count = comptime!(BLOCK * shape.per_unit());
    let mut sums = Array::<Four>::new(count);
    #[unroll]
    for place in 0..count {
        sums[place] = Four::new(0.0f32);
    }
    sums
}

/// Adds the product of weights with rows, one for every column of the weights.
#[cube]
pub(super) fn accumulate(
    weights: &Shared<[Four]>,
    rows: &Shared<[Four]>,
    sums: &mut Array<Four>,
    turns: &Turns,
    #[comptime] shape: Shape,
) {
    let (stride, per_unit, last) = comptime!((shape.stride(), shape.per_unit(), shape.vectors() - 1));
    let (down, across) = (down(shape), across(shape));
    for block in 0..turns.across {
        let mut of_rows = Array::<Four>::new(BLOCK);
        #[unroll]
        for i in 0..BLOCK {
            of_rows[i] = weights[(i * shape.down + down) * shape.weights_stride() + block];
        }
        #[unroll]
        for k in 0..BLOCK {
            #[unroll]
            for c in 0..per_unit {
                // Vectors beyond the last one are summed and never written.
                let vector = min_place(across + c * shape.across, last, shape);
                let row = rows[(k * shape.across + block) * stride + vector];
                #[unroll]
                for i in 0..BLOCK {
                    let weight = Four::new(of_rows[i].extract(k));
                    sums[i * per_unit + c] = fma(row, weight, sums[i * per_unit + c]);
                }
            }
        }
    }
}

/// The place, or the last one.
#[cube]
fn min_place(place: usize, #[comptime] last: usize, #[comptime] shape: Shape) -> usize {
    if comptime!((last + 1).is_multiple_of(shape.across)) { place } else { select(place > last, last, place) }
}

/// Writes `factor` times a row of a unit's sums to a row that begins at an element of `out`.
#[cube]
pub(super) fn write_row<F: Float, N: Size>(
    sums: &Array<Four>,
    #[comptime] i: usize,
    factor: f32,
    out: &mut [Vector<F, N>],
    row: usize,
    #[comptime] shape: Shape,
) {
    let (per_unit, vectors) = comptime!((shape.per_unit(), shape.vectors()));
    #[unroll]
    for c in 0..per_unit {
        let vector = across(shape) + c * shape.across;
        if comptime!(vectors.is_multiple_of(shape.across)) || vector < vectors {
            write::<F, N>(out, row, vector, sums[i * per_unit + c] * Four::new(factor), shape);
        }
    }
}

/// Writes zeros to a row that begins at an element of `out`.
#[cube]
pub(super) fn write_zeros<F: Float, N: Size>(out: &mut [Vector<F, N>], row: usize, #[comptime] shape: Shape) {
    let (per_unit, vectors) = comptime!((shape.per_unit(), shape.vectors()));
    #[unroll]
    for c in 0..per_unit {
        let vector = across(shape) + c * shape.across;
        if comptime!(vectors.is_multiple_of(shape.across)) || vector < vectors {
            write::<F, N>(out, row, vector, Four::new(0.0f32), shape);
        }
    }
}
