//! The forward kernel of layer norms in CubeCL: rows stay in registers between the sum, its mean, its variance and the norm.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, ir::ElemType};

use crate::cube::array::{argument, cubes, element, empty};
use crate::cube::launches::counted;
use crate::cube::masks::{self, MaskArrays, factors_at, row_key};
use crate::cube::queue::alone;
use crate::cube::rows::{RowPlan, UNITS, elements, part_count, place, total};
use crate::cube::terms::{Terms as Input, sum_at};

/// The norms and the statistics, as `forward` of the module above, by kernels that bind so many buffers at most.
pub(super) fn within(
    buffers: usize,
    input: &Input,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    eps: f32,
) -> (CubeTensor, CubeTensor) {
    let [rows, width] = input.sizes();
    let others = 3 + usize::from(bias.is_some());
    if input.buffers() + others > buffers {
        let sum = alone(&input.x, |queue| input.sum(queue, DType::F32));
        return within(buffers, &Input::new(sum), weight, bias, eps);
    }
    let y = empty(&input.x, [rows, width], DType::F32);
    let statistics = empty(&input.x, [rows, 2], DType::F32);
    if rows * width == 0 {
        return (y, statistics);
    }
    let plan = RowPlan::new(width);
    // SAFETY: units read and write vectors below `vectors` of rows below `rows`, which the arrays of rows have; vectors of weights have as many
    // elements as rows.
    unsafe {
        forward_kernel::launch_unchecked(
            counted(&input.x.client),
            cubes(rows.div_ceil(plan.rows())),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            argument(&input.x),
            input.x_bias.as_ref().map(argument).into(),
            input.residual.as_ref().map(argument).into(),
            masks::arguments(input.masks.as_ref()),
            argument(weight),
            bias.map(argument).into(),
            argument(&y),
            argument(&statistics),
            rows as u32,
            eps,
            plan.vectors,
            plan.lanes,
            element(&input.x),
        );
    }
    (y, statistics)
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn forward_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    x_bias: &ComptimeOption<Box<[Vector<f32, N>]>>,
    residual: &ComptimeOption<Box<[Vector<f32, N>]>>,
    masks: &ComptimeOption<MaskArrays>,
    weight: &[Vector<f32, N>],
    bias: &ComptimeOption<Box<[Vector<f32, N>]>>,
    y: &mut [Vector<f32, N>],
    statistics: &mut [f32],
    rows: u32,
    eps: f32,
    #[comptime] vectors: usize,
    #[comptime] lanes: usize,
    #[define(F)] _type: ElemType,
) {
    let share = comptime!(vectors.div_ceil(lanes));
    let size = N::value();
    let width = comptime!((vectors * size) as u32);
    let here = place(CUBE_POS, rows, lanes);
    let (row, lane, inside) = (here.row, here.lane, here.inside);
    let masks = row_key(masks, row, width);

    let mut values = Array::<Vector<f32, N>>::new(share);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    #[unroll]
    for i in 0..share {
        let column = i * lanes + lane;
        if column < vectors {
            let factors = factors_at::<N>(&masks, column);
            let value = sum_at(x, x_bias, residual, &factors, row * vectors + column, column);
            values[i] = value;
            sum += value;
        }
    }
    let mut shared = Shared::<[Vector<f32, Const<1>>]>::new_slice(comptime!(UNITS));
    let mut sums = Shared::<[Vector<f32, Const<1>>]>::new_slice(comptime!(part_count(lanes)));
    let sum = total::<Const<1>>(Vector::new(elements(sum)), &mut shared, &mut sums, lanes).extract(0usize);
    let mean = sum / width as f32;

    let mut squares = Vector::<f32, N>::new(0.0f32);
    #[unroll]
    for i in 0..share {
        if i * lanes + lane < vectors {
            let difference = values[i] - Vector::new(mean);
            squares += difference * difference;
        }
    }
    let squares = total::<Const<1>>(Vector::new(elements(squares)), &mut shared, &mut sums, lanes).extract(0usize);
    let scale = 1.0f32 / (squares / width as f32 + eps).sqrt();

    if inside {
        #[unroll]
        for i in 0..share {
            let column = i * lanes + lane;
            if column < vectors {
                let mut value = (values[i] - Vector::new(mean)) * Vector::new(scale) * weight[column];
                #[comptime]
                match bias {
                    ComptimeOption::Some(bias) => value += bias[column],
                    ComptimeOption::None => {}
                }
                y[row * vectors + column] = value;
            }
        }
        if lane == 0 {
            statistics[2 * row] = mean;
            statistics[2 * row + 1] = scale;
        }
    }
}
