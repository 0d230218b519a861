//! The kernel of CubeCL.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use super::sum::Terms;
use crate::cube::array::{argument, element, empty, vector_size};
use crate::cube::launches::counted;
use crate::cube::masks::{self, MaskArrays, factors_at, row_key};

/// As `Terms::sum`, of arrays that are not empty.
pub(super) fn sum(terms: &Terms, dtype: DType) -> CubeTensor {
    let [rows, width] = terms.sizes();
    let out = empty(&terms.x, [rows, width], dtype);
    let vector = vector_size(&[width], 4);
    let (client, units) = (&terms.x.client, rows * width / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit writes the vector of its number, if there is one, and reads those of the same row and column. The arrays have as
    // many rows and columns, and each row a text.
    unsafe {
        terms_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(&terms.x),
            terms.x_bias.as_ref().map(argument).into(),
            terms.residual.as_ref().map(argument).into(),
            masks::arguments(terms.masks.as_ref()),
            argument(&out),
            units as u32,
            width / vector,
            [element(&terms.x), element(&out)],
        );
    }
    out
}

/// The vector of the sum at a place, which is in this column. Both count vectors.
#[cube]
pub(crate) fn sum_at<F: Float, N: Size>(
    x: &[Vector<F, N>],
    bias: &ComptimeOption<Box<[Vector<f32, N>]>>,
    residual: &ComptimeOption<Box<[Vector<f32, N>]>>,
    factors: &ComptimeOption<Vector<f32, N>>,
    at: usize,
    column: usize,
) -> Vector<f32, N> {
    let mut value = Vector::<f32, N>::cast_from(x[at]);
    #[comptime]
    match bias {
        ComptimeOption::Some(bias) => value += bias[column],
        ComptimeOption::None => {}
    }
    #[comptime]
    match factors {
        ComptimeOption::Some(factors) => value *= *factors,
        ComptimeOption::None => {}
    }
    #[comptime]
    match residual {
        ComptimeOption::Some(residual) => value += residual[at],
        ComptimeOption::None => {}
    }
    value
}

#[allow(clippy::too_many_arguments, reason = "a kernel takes its arrays one by one")]
#[cube(launch_unchecked)]
fn terms_kernel<F: Float, O: Float, N: Size>(
    x: &[Vector<F, N>],
    bias: &ComptimeOption<Box<[Vector<f32, N>]>>,
    residual: &ComptimeOption<Box<[Vector<f32, N>]>>,
    masks: &ComptimeOption<MaskArrays>,
    out: &mut [Vector<O, N>],
    count: u32,
    #[comptime] vectors: usize,
    #[define(F, O)] _types: [ElemType; 2],
) {
    if ABSOLUTE_POS < count as usize {
        let size = N::value();
        let masks = row_key(masks, ABSOLUTE_POS / vectors, comptime!((vectors * size) as u32));
        let column = ABSOLUTE_POS % vectors;
        let value = sum_at(x, bias, residual, &factors_at::<N>(&masks, column), ABSOLUTE_POS, column);
        out[ABSOLUTE_POS] = Vector::<O, N>::cast_from(value);
    }
}
