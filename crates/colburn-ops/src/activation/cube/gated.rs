//! Gated linear units by the kernels of CubeCL: of each row of `2 · width` numbers, the function of the first half times the second.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use super::functions::at;
use crate::activation::function::Activation;
use crate::cube::array::{argument, element, empty, sizes, vector_size, widest};
use crate::cube::copy::cast;
use crate::cube::launches::counted;
use crate::cube::sums::zeros;

/// The units of `[tokens, 2 · width]`: `[tokens, width]`, in the type of x.
pub(super) fn forward(activation: Activation, x: &CubeTensor) -> CubeTensor {
    let [rows, both] = sizes(x);
    let width = both / 2;
    let out = empty(x, [rows, width], x.dtype);
    if rows * width == 0 {
        return out;
    }
    let vector = vector_size(&[width, both], widest(x));
    let (client, units) = (&x.client, rows * width / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit writes the vector of its number, if there is one, and reads two of the same row, below twice the width.
    unsafe {
        gated_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(x),
            argument(&out),
            units as u32,
            (width / vector) as u32,
            (both / vector) as u32,
            activation,
            element(x),
        );
    }
    out
}

#[cube(launch_unchecked)]
fn gated_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    y: &mut [Vector<F, N>],
    count: u32,
    width: u32,
    stride: u32,
    #[comptime] activation: Activation,
    #[define(F)] _type: ElemType,
) {
    if ABSOLUTE_POS < count as usize {
        let place = ABSOLUTE_POS as u32;
        let first = place / width * stride + place % width;
        let both = at(activation, Vector::<f32, N>::cast_from(x[first as usize]));
        let gate = Vector::<f32, N>::cast_from(x[(first + width) as usize]);
        y[ABSOLUTE_POS] = Vector::<F, N>::cast_from(both.0 * gate);
    }
}

/// The gradient by x, `[tokens, 2 · width]`, in its type, and with `again` the units themselves.
pub(super) fn backward(
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    again: bool,
) -> (CubeTensor, Option<CubeTensor>) {
    let [rows, both] = sizes(x);
    let width = both / 2;
    // A column without a partner has no gradient.
    let by_x = if both == 2 * width {
        empty(x, [rows, both], x.dtype)
    } else {
        let zeros = cast(&zeros(x, rows * both), x.dtype);
        CubeTensor { handle: zeros.handle, ..x.clone() }
    };
    let value = again.then(|| empty(x, [rows, width], x.dtype));
    if rows * width == 0 {
        return (by_x, value);
    }
    let vector = vector_size(&[width, both], widest(x).max(widest(gradient)));
    let (client, units) = (&x.client, rows * width / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit reads the vector of its number of the gradient, if there is one, and reads and writes two of the same row, below twice
    // the width.
    unsafe {
        gated_backward_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(x),
            argument(gradient),
            argument(&by_x),
            value.as_ref().map(argument).into(),
            units as u32,
            (width / vector) as u32,
            (both / vector) as u32,
            activation,
            [element(x), element(gradient)],
        );
    }
    (by_x, value)
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn gated_backward_kernel<F: Float, G: Float, N: Size>(
    x: &[Vector<F, N>],
    gradient: &[Vector<G, N>],
    by_x: &mut [Vector<F, N>],
    value: &mut ComptimeOption<Box<[Vector<F, N>]>>,
    count: u32,
    width: u32,
    stride: u32,
    #[comptime] activation: Activation,
    #[define(F, G)] _types: [ElemType; 2],
) {
    if ABSOLUTE_POS < count as usize {
        let place = ABSOLUTE_POS as u32;
        let first = (place / width * stride + place % width) as usize;
        let second = first + width as usize;
        let both = at(activation, Vector::<f32, N>::cast_from(x[first]));
        let gate = Vector::<f32, N>::cast_from(x[second]);
        let slope = Vector::<f32, N>::cast_from(gradient[ABSOLUTE_POS]);
        by_x[first] = Vector::<F, N>::cast_from(slope * gate * both.1);
        by_x[second] = Vector::<F, N>::cast_from(slope * both.0);
        #[comptime]
        match value {
            ComptimeOption::Some(value) => value[ABSOLUTE_POS] = Vector::<F, N>::cast_from(both.0 * gate),
            ComptimeOption::None => {}
        }
    }
}
