//! The sum `mask · (x + bias) + residual`: the end of a half of a layer, and the input of the norm behind it. The bias is that of the linear
//! layer before, whose product then writes nothing but its sums.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise, ir::ElemType};

use super::array::{argument, element, empty, len, sizes, vector_size};
use super::launches::counted;
use super::masks::{self, MaskArrays, RowMasks, factors_at, row_key};

/// The terms of the sum.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// `[tokens, width]`, f32 or bf16.
    pub x: CubeTensor,
    /// `[width]`, f32.
    pub x_bias: Option<CubeTensor>,
    /// `[tokens, width]`, f32.
    pub residual: Option<CubeTensor>,
    pub masks: Option<RowMasks>,
}

impl Terms {
    /// The array alone.
    pub fn new(x: CubeTensor) -> Self {
        Self { x, x_bias: None, residual: None, masks: None }
    }

    /// Rows and columns.
    ///
    /// # Panics
    /// When the terms do not fit together.
    pub fn sizes(&self) -> [usize; 2] {
        let [rows, width] = sizes(&self.x);
        let bias = self.x_bias.as_ref().is_none_or(|bias| len(bias) == width && bias.dtype == DType::F32);
        let residual = self.residual.as_ref();
        let residual = residual.is_none_or(|residual| sizes(residual) == [rows, width] && residual.dtype == DType::F32);
        let masks = self.masks.as_ref().is_none_or(|(_, texts)| rows == 0 || len(&texts.of_row) == rows);
        assert!(bias && residual && masks, "the terms of a sum of [{rows}, {width}]");
        [rows, width]
    }

    /// Number of buffers that a kernel binds for the terms.
    pub fn buffers(&self) -> usize {
        let masks = if self.masks.is_some() { 3 } else { 0 };
        1 + usize::from(self.x_bias.is_some()) + usize::from(self.residual.is_some()) + masks
    }

    /// The sum.
    pub fn sum(&self, dtype: DType) -> CubeTensor {
        let [rows, width] = self.sizes();
        if self.buffers() == 1 && self.x.dtype == dtype {
            return self.x.clone();
        }
        let out = empty(&self.x, [rows, width], dtype);
        if rows * width == 0 {
            return out;
        }
        let vector = vector_size(&[width], 4);
        let (client, units) = (&self.x.client, rows * width / vector);
        let dim = CubeDim::new(client, units);
        // SAFETY: each unit writes the vector of its number, if there is one, and reads those of the same row and column. The arrays have as
        // many rows and columns, and each row a text.
        unsafe {
            terms_kernel::launch_unchecked(
                counted(client),
                calculate_cube_count_elemwise(client, units, dim),
                dim,
                vector,
                argument(&self.x),
                self.x_bias.as_ref().map(argument).into(),
                self.residual.as_ref().map(argument).into(),
                masks::arguments(self.masks.as_ref()),
                argument(&out),
                units as u32,
                width / vector,
                [element(&self.x), element(&out)],
            );
        }
        out
    }
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
