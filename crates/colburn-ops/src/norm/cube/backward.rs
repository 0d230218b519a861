//! The backward kernel of layer norms in CubeCL. It computes the sum again, masks included, and goes over all arrays once; a small second kernel
//! adds the sums over rows, of which each cube has written one.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim, ir::ElemType};

use super::gradients::Gradients;
use crate::cube::array::{argument, element, empty};
use crate::cube::launches::counted;
use crate::cube::masks::{self, MaskArrays, dropped, factors, row_key};
use crate::cube::queue::Queue;
use crate::cube::rows::{RowPlan, UNITS, elements, part_count, place, total};
use crate::cube::sums::{add_partial, column_sums, zeros};
use crate::cube::terms::{Terms as Input, sum_at};

/// Number of cubes at most: two for each multiprocessor of a large device. It decides the order of sums, so it is the same on all.
const CUBES: usize = 264;

/// As `backward` of the module above, by kernels that bind so many buffers at most.
pub(super) fn within(
    buffers: usize,
    input: &Input,
    weight: &CubeTensor,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
) -> Gradients {
    let [rows, width] = input.sizes();
    let mut queue = Queue::new(gradient);
    let with_x = input.masks.is_some() || input.x.dtype != DType::F32;
    if input.buffers() + OTHERS + usize::from(with_x) > buffers {
        // The sum is computed before, and the gradients by x behind.
        let sum = Input::new(input.sum(&mut queue, DType::F32));
        queue.start();
        let gradients = within(buffers, &sum, weight, statistics, gradient);
        let by_x = Input { masks: input.masks.clone(), ..Input::new(gradients.by_sum.clone()) };
        let by_x_bias = input.x_bias.as_ref().map(|_| {
            let by_x = by_x.sum(&mut queue, DType::F32);
            column_sums(&mut queue, &by_x)
        });
        let by_x = by_x.sum(&mut queue, input.x.dtype);
        queue.start();
        return Gradients { by_x, by_x_bias, ..gradients };
    }
    let by_sum = empty(gradient, [rows, width], DType::F32);
    let by_x = with_x.then(|| empty(gradient, [rows, width], input.x.dtype));
    let count = if input.x_bias.is_some() { 3 } else { 2 };
    let sums = if rows * width == 0 {
        zeros(gradient, count * width)
    } else {
        let partial = launch(input, weight, statistics, gradient, &by_sum, by_x.as_ref(), count);
        add_partial(&mut queue, &partial)
    };
    let gradients = Gradients::new(&mut queue, by_x, by_sum, &sums, count == 3);
    queue.start();
    gradients
}

/// Number of buffers that the kernel binds beside the input and the gradient by x.
const OTHERS: usize = 5;

/// Writes the gradients by the sum and by x. Returns partial sums of those by the vectors, `[cubes, count · width]`.
fn launch(
    input: &Input,
    weight: &CubeTensor,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
    by_sum: &CubeTensor,
    by_x: Option<&CubeTensor>,
    count: usize,
) -> CubeTensor {
    let [rows, width] = input.sizes();
    let plan = RowPlan::new(width);
    let groups = rows.div_ceil(plan.rows());
    let cubes = groups.min(CUBES);
    let partial = empty(gradient, [cubes, count * width], DType::F32);
    // SAFETY: units read and write vectors below `vectors` of rows below `rows`, which the arrays of rows have; the vectors of width have as
    // many; each cube writes its own row of partial sums.
    unsafe {
        backward_kernel::launch_unchecked(
            counted(&gradient.client),
            CubeCount::Static(cubes as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            plan.vector,
            argument(&input.x),
            input.x_bias.as_ref().map(argument).into(),
            input.residual.as_ref().map(argument).into(),
            masks::arguments(input.masks.as_ref()),
            argument(weight),
            argument(statistics),
            argument(gradient),
            argument(by_sum),
            by_x.map(argument).into(),
            argument(&partial),
            rows as u32,
            groups.div_ceil(cubes) as u32,
            plan.vectors,
            plan.lanes,
            count,
            element(&input.x),
        );
    }
    partial
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn backward_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    x_bias: &ComptimeOption<Box<[Vector<f32, N>]>>,
    residual: &ComptimeOption<Box<[Vector<f32, N>]>>,
    masks: &ComptimeOption<MaskArrays>,
    weight: &[Vector<f32, N>],
    statistics: &[f32],
    gradient: &[Vector<f32, N>],
    by_sum: &mut [Vector<f32, N>],
    by_x: &mut ComptimeOption<Box<[Vector<F, N>]>>,
    partial: &mut [Vector<f32, N>],
    rows: u32,
    steps: u32,
    #[comptime] vectors: usize,
    #[comptime] lanes: usize,
    // Number of sums over rows: of weight, bias and, if there are three, the bias of x.
    #[comptime] count: usize,
    #[define(F)] _type: ElemType,
) {
    let share = comptime!(vectors.div_ceil(lanes));
    let size = N::value();
    let width = comptime!((vectors * size) as u32);
    let lane = UNIT_POS as usize % lanes;
    let mut shared = Shared::<[Vector<f32, Const<2>>]>::new_slice(comptime!(UNITS));
    let mut parts = Shared::<[Vector<f32, Const<2>>]>::new_slice(comptime!(part_count(lanes)));
    let mut by_weight = Array::<Vector<f32, N>>::new(share);
    let mut by_bias = Array::<Vector<f32, N>>::new(share);
    let mut by_x_bias = Array::<Vector<f32, N>>::new(share);
    #[unroll]
    for i in 0..share {
        by_weight[i] = Vector::new(0.0f32);
        by_bias[i] = Vector::new(0.0f32);
        by_x_bias[i] = Vector::new(0.0f32);
    }

    for step in 0..steps as usize {
        let here = place(step * CUBE_COUNT + CUBE_POS, rows, lanes);
        let (row, inside) = (here.row, here.inside);
        let masks = row_key(masks, row, width);
        let mean = statistics[2 * row];
        let scale = statistics[2 * row + 1];
        let mut normal = Array::<Vector<f32, N>>::new(share);
        let mut weighted = Array::<Vector<f32, N>>::new(share);
        let mut bits = Array::<u32>::new(share);
        let mut sum = Vector::<f32, N>::new(0.0f32);
        let mut along = Vector::<f32, N>::new(0.0f32);
        #[unroll]
        for i in 0..share {
            let column = i * lanes + lane;
            if column < vectors {
                let at = row * vectors + column;
                #[comptime]
                let factors = match &masks {
                    ComptimeOption::Some(masks) => {
                        bits[i] = dropped::<N>(masks, (column * N::value()) as u32);
                        ComptimeOption::new_Some(factors::<N>(masks, bits[i]))
                    }
                    ComptimeOption::None => ComptimeOption::new_None(),
                };
                let value = sum_at(x, x_bias, residual, &factors, at, column);
                let value = (value - Vector::new(mean)) * Vector::new(scale);
                let slope = gradient[at];
                if inside {
                    by_weight[i] += slope * value;
                    by_bias[i] += slope;
                }
                let slope = slope * weight[column];
                normal[i] = value;
                weighted[i] = slope;
                sum += slope;
                along += slope * value;
            }
        }
        let mut both = Vector::<f32, Const<2>>::empty();
        both.insert(0usize, elements(sum));
        both.insert(1usize, elements(along));
        let both = total::<Const<2>>(both, &mut shared, &mut parts, lanes);
        let sum = both.extract(0usize) / width as f32;
        let along = both.extract(1usize) / width as f32;
        if inside {
            #[unroll]
            for i in 0..share {
                let column = i * lanes + lane;
                if column < vectors {
                    let at = row * vectors + column;
                    let value = (weighted[i] - Vector::new(sum) - normal[i] * Vector::new(along)) * Vector::new(scale);
                    by_sum[at] = value;
                    let mut value = value;
                    #[comptime]
                    match &masks {
                        ComptimeOption::Some(masks) => value *= factors::<N>(masks, bits[i]),
                        ComptimeOption::None => {}
                    }
                    if count == 3 {
                        by_x_bias[i] += value;
                    }
                    #[comptime]
                    match by_x {
                        ComptimeOption::Some(by_x) => by_x[at] = Vector::<F, N>::cast_from(value),
                        ComptimeOption::None => {}
                    }
                }
            }
        }
    }

    let mut columns = Shared::<[Vector<f32, N>]>::new_slice(comptime!(UNITS));
    let first = CUBE_POS * count * vectors;
    write_columns(&by_weight, &mut columns, partial, first, vectors, lanes);
    write_columns(&by_bias, &mut columns, partial, first + vectors, vectors, lanes);
    if count == 3 {
        write_columns(&by_x_bias, &mut columns, partial, first + 2 * vectors, vectors, lanes);
    }
}

/// Adds the sums of the units of a cube that have the same columns, and writes them from `first` on.
#[cube]
fn write_columns<N: Size>(
    sums: &Array<Vector<f32, N>>,
    shared: &mut [Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    first: usize,
    #[comptime] vectors: usize,
    #[comptime] lanes: usize,
) {
    let unit = UNIT_POS as usize;
    #[unroll]
    for i in 0..comptime!(vectors.div_ceil(lanes)) {
        sync_cube();
        shared[unit] = sums[i];
        sync_cube();
        let column = i * lanes + unit;
        if unit < lanes && column < vectors {
            let mut total = shared[unit];
            #[unroll]
            for row in 1..comptime!(UNITS / lanes) {
                total += shared[row * lanes + unit];
            }
            out[first + column] = total;
        }
    }
}
