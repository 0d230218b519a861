//! The end of a block on CubeCL: dropout, the residual stream and the norm.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::weights::PostNorm;
use crate::batch::Batch;
use crate::cube::masks::{RowMasks, on_device};
use crate::norm::cube::{self as norm, Gradients, Input};

/// The settings of a block's end.
#[derive(Clone, Debug)]
pub(super) struct End {
    eps: f32,
    masks: Option<RowMasks>,
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
pub(super) struct SavedEnd {
    input: Input,
    weight: CubeTensor,
    statistics: CubeTensor,
}

impl End {
    /// The end of this block; it draws the masks of the next place in the network.
    pub fn new(norm: &PostNorm, batch: &mut Batch) -> Self {
        let masks = batch.row_masks(norm.dropout);
        let masks = masks.map(|masks| on_device(&masks, batch));
        Self { eps: norm.eps as f32, masks }
    }

    /// The norm of `masks · (y + y_bias) + x`, and the state for the backward pass.
    pub fn forward(
        &self,
        y: CubeTensor,
        y_bias: CubeTensor,
        x: CubeTensor,
        [weight, bias]: [CubeTensor; 2],
    ) -> (CubeTensor, SavedEnd) {
        let input = Input { x: y, x_bias: Some(y_bias), residual: Some(x), masks: self.masks.clone() };
        let (out, statistics) = norm::forward(&input, &weight, Some(&bias), self.eps);
        (out, SavedEnd { input, weight, statistics })
    }
}

impl SavedEnd {
    /// The gradients, from that by the norm.
    pub fn backward(&self, gradient: CubeTensor) -> Gradients {
        debug_assert_eq!(gradient.dtype, DType::F32);
        norm::backward(&self.input, &self.weight, &self.statistics, gradient)
    }

    /// The input of the block.
    pub fn x(&self) -> Option<&CubeTensor> {
        self.input.residual.as_ref()
    }
}
