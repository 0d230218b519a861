//! Activation functions of every element, by kernels of CubeCL.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use super::extras::Extras;
use super::functions::at;
use crate::activation::function::Activation;
use crate::cube::array::{argument, element, empty, len, vector_size, widest};
use crate::cube::launches::counted;
use crate::cube::sums::{Blocks, LANES, ROWS, write_block};

/// As `forward` of the module above, of an array that is not empty.
pub(super) fn forward(activation: Activation, x: &CubeTensor) -> CubeTensor {
    let out = alike(x);
    let vector = vector_size(&[len(x)], widest(x));
    let (client, units) = (&x.client, len(x) / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit reads and writes the vector of its number, if there is one.
    unsafe {
        forward_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(x),
            argument(&out),
            units as u32,
            activation,
            element(x),
        );
    }
    out
}

#[cube(launch_unchecked)]
fn forward_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    y: &mut [Vector<F, N>],
    count: u32,
    #[comptime] activation: Activation,
    #[define(F)] _type: ElemType,
) {
    if ABSOLUTE_POS < count as usize {
        let both = at(activation, Vector::<f32, N>::cast_from(x[ABSOLUTE_POS]));
        y[ABSOLUTE_POS] = Vector::<F, N>::cast_from(both.0);
    }
}

/// As `backward` of the module above, of arrays that are not empty. The sums are those of blocks of rows, `[blocks, width]`.
pub(super) fn backward(
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    let shape = x.meta.shape();
    let width = shape[shape.num_dims() - 1];
    let (by_x, value) = (alike(x), extras.value.then(|| alike(x)));
    let vector = vector_size(&[width], widest(x).max(widest(gradient)));
    let blocks = Blocks::new(len(x) / width, width / vector);
    let partial = extras.sums.then(|| empty(x, [blocks.blocks, width], DType::F32));
    // SAFETY: each unit goes over vectors of its column in the rows of its block, which all arrays have; the first of a column writes the block's
    // sum of it.
    unsafe {
        backward_kernel::launch_unchecked(
            counted(&x.client),
            blocks.count(),
            blocks.dim(),
            vector,
            argument(x),
            argument(gradient),
            argument(&by_x),
            value.as_ref().map(argument).into(),
            partial.as_ref().map(argument).into(),
            blocks.rows as u32,
            blocks.vectors as u32,
            blocks.rows_of_block as u32,
            activation,
            [element(x), element(gradient)],
        );
    }
    (by_x, value, partial)
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn backward_kernel<F: Float, G: Float, N: Size>(
    x: &[Vector<F, N>],
    gradient: &[Vector<G, N>],
    by_x: &mut [Vector<F, N>],
    value: &mut ComptimeOption<Box<[Vector<F, N>]>>,
    partial: &mut ComptimeOption<Box<[Vector<f32, N>]>>,
    rows: u32,
    vectors: u32,
    rows_of_block: u32,
    #[comptime] activation: Activation,
    #[define(F, G)] _types: [ElemType; 2],
) {
    let lanes = comptime!(LANES as u32);
    let column = CUBE_POS_X * lanes + UNIT_POS % lanes;
    let inside = column < vectors;
    let mut row = CUBE_POS_Y * rows_of_block + UNIT_POS / lanes;
    let end = min((CUBE_POS_Y + 1) * rows_of_block, rows);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    if inside {
        while row < end {
            let place = (row * vectors + column) as usize;
            let both = at(activation, Vector::<f32, N>::cast_from(x[place]));
            let slope = both.1 * Vector::<f32, N>::cast_from(gradient[place]);
            by_x[place] = Vector::<F, N>::cast_from(slope);
            #[comptime]
            match value {
                ComptimeOption::Some(value) => value[place] = Vector::<F, N>::cast_from(both.0),
                ComptimeOption::None => {}
            }
            sum += slope;
            row += comptime!(ROWS as u32);
        }
    }
    #[comptime]
    match partial {
        ComptimeOption::Some(partial) => {
            let mut shared = Shared::<[Vector<f32, N>]>::new_slice(comptime!(LANES * ROWS));
            write_block(sum, &mut shared, partial, (CUBE_POS_Y * vectors + column) as usize, inside);
        }
        ComptimeOption::None => {}
    }
}

/// An array of the sizes and type of x.
fn alike(x: &CubeTensor) -> CubeTensor {
    CubeTensor { handle: empty(x, [len(x)], x.dtype).handle, ..x.clone() }
}
