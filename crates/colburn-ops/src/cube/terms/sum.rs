//! The terms of a sum.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::{len, sizes};
use crate::cube::masks::RowMasks;

/// The terms of the sum.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// `[tokens, width]`, f32, bf16 or f16.
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
}
