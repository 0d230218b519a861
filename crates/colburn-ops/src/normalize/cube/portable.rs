//! The kernels of CubeCL.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::CubeDim;
use cubecl::prelude::*;

use crate::cube::array::{argument, cubes, empty, sizes};
use crate::cube::launches::counted;
use crate::cube::rows::{RowPlan, UNITS, elements, part_count, place, total};

/// The least square of a length: a shorter row is divided by the root of this.
const LEAST: f32 = 1e-24;

/// As `forward` of the module above, of an array that is not empty.
pub(super) fn forward(x: &CubeTensor) -> (CubeTensor, CubeTensor) {
    let [rows, width] = sizes(x);
    let (out, squares) = (empty(x, [rows, width], DType::F32), empty(x, [rows], DType::F32));
    let plan = RowPlan::new(width);
    // SAFETY: units read and write vectors below `vectors` of rows below `rows`, which the arrays have.
    unsafe {
        forward_kernel::launch_unchecked(
            counted(&x.client),
            cubes(rows.div_ceil(plan.rows())),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            argument(x),
            argument(&out),
            argument(&squares),
            rows as u32,
            plan.vectors,
            plan.lanes,
        );
    }
    (out, squares)
}

/// As `backward` of the module above, of arrays that are not empty.
pub(super) fn backward(value: &CubeTensor, squares: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let [rows, width] = sizes(value);
    let out = empty(value, [rows, width], DType::F32);
    let plan = RowPlan::new(width);
    // SAFETY: as in the forward pass.
    unsafe {
        backward_kernel::launch_unchecked(
            counted(&value.client),
            cubes(rows.div_ceil(plan.rows())),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            argument(value),
            argument(squares),
            argument(gradient),
            argument(&out),
            rows as u32,
            plan.vectors,
            plan.lanes,
        );
    }
    out
}

/// The divisor of a row. No maximum is taken, which would turn NaN into a number.
#[cube]
fn norm(square: f32) -> f32 {
    select(square < comptime!(LEAST), 1e-12f32, square.sqrt())
}

#[cube(launch_unchecked)]
fn forward_kernel<N: Size>(
    x: &[Vector<f32, N>],
    y: &mut [Vector<f32, N>],
    squares: &mut [f32],
    rows: u32,
    #[comptime] vectors: usize,
    #[comptime] lanes: usize,
) {
    let share = comptime!(vectors.div_ceil(lanes));
    let here = place(CUBE_POS, rows, lanes);
    let (row, lane, inside) = (here.row, here.lane, here.inside);
    let mut values = Array::<Vector<f32, N>>::new(share);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    #[unroll]
    for i in 0..share {
        let column = i * lanes + lane;
        if column < vectors {
            let value = x[row * vectors + column];
            values[i] = value;
            sum += value * value;
        }
    }
    let mut shared = Shared::<[Vector<f32, Const<1>>]>::new_slice(comptime!(UNITS));
    let mut parts = Shared::<[Vector<f32, Const<1>>]>::new_slice(comptime!(part_count(lanes)));
    let square = total::<Const<1>>(Vector::new(elements(sum)), &mut shared, &mut parts, lanes).extract(0usize);
    if inside {
        let norm = Vector::<f32, N>::new(norm(square));
        #[unroll]
        for i in 0..share {
            let column = i * lanes + lane;
            if column < vectors {
                y[row * vectors + column] = values[i] / norm;
            }
        }
        if lane == 0 {
            squares[row] = square;
        }
    }
}

#[cube(launch_unchecked)]
fn backward_kernel<N: Size>(
    value: &[Vector<f32, N>],
    squares: &[f32],
    gradient: &[Vector<f32, N>],
    by_x: &mut [Vector<f32, N>],
    rows: u32,
    #[comptime] vectors: usize,
    #[comptime] lanes: usize,
) {
    let share = comptime!(vectors.div_ceil(lanes));
    let here = place(CUBE_POS, rows, lanes);
    let (row, lane, inside) = (here.row, here.lane, here.inside);
    let mut values = Array::<Vector<f32, N>>::new(share);
    let mut slopes = Array::<Vector<f32, N>>::new(share);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    #[unroll]
    for i in 0..share {
        let column = i * lanes + lane;
        if column < vectors {
            let at = row * vectors + column;
            let (value, slope) = (value[at], gradient[at]);
            values[i] = value;
            slopes[i] = slope;
            sum += value * slope;
        }
    }
    let mut shared = Shared::<[Vector<f32, Const<1>>]>::new_slice(comptime!(UNITS));
    let mut parts = Shared::<[Vector<f32, Const<1>>]>::new_slice(comptime!(part_count(lanes)));
    let along = total::<Const<1>>(Vector::new(elements(sum)), &mut shared, &mut parts, lanes).extract(0usize);
    if inside {
        let square = squares[row];
        // A row shorter than that is divided by a constant.
        let along = Vector::<f32, N>::new(select(square < comptime!(LEAST), 0.0f32, along));
        let norm = Vector::<f32, N>::new(norm(square));
        #[unroll]
        for i in 0..share {
            let column = i * lanes + lane;
            if column < vectors {
                by_x[row * vectors + column] = (slopes[i] - values[i] * along) / norm;
            }
        }
    }
}
