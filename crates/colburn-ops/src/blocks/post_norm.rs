//! The end of a block on CubeCL: dropout, the residual stream and the norm.

use std::sync::{Arc, Weak};

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::handover::{Handover, HandoverKey};
use super::weights::PostNorm;
use crate::batch::Batch;
use crate::cube::masks::{RowMasks, on_device};
use crate::cube::queue::Queue;
use crate::norm::cube::{self as norm, Gradients, Input};

/// The settings of a block's end.
#[derive(Clone, Debug)]
pub(super) struct End {
    eps: f32,
    masks: Option<RowMasks>,
    /// A graph outlives its batch, and must not keep what nobody takes.
    handover: Weak<Handover>,
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
        let handover = batch.prepared(HandoverKey, |_, _| Handover::default());
        Self { eps: norm.eps as f32, masks, handover: Arc::downgrade(&handover) }
    }

    /// The input of the block in this type, if the block before has made it.
    pub fn given(&self, x: &CubeTensor, dtype: DType) -> Option<CubeTensor> {
        self.handover.upgrade()?.take(x).filter(|low| low.dtype == dtype)
    }

    /// The norm of `masks · (y + y_bias) + x`, and the state for the backward pass.
    pub fn forward(
        &self,
        queue: &mut Queue,
        y: CubeTensor,
        y_bias: CubeTensor,
        x: CubeTensor,
        [weight, bias]: [CubeTensor; 2],
    ) -> (CubeTensor, SavedEnd) {
        let input = Input { x: y, x_bias: Some(y_bias), residual: Some(x), masks: self.masks.clone() };
        let handover = self.handover.upgrade().filter(|_| input.x.dtype != DType::F32);
        let norms = norm::forward(queue, &input, &weight, Some(&bias), self.eps, handover.is_some());
        if let (Some(handover), Some(low)) = (handover, norms.low) {
            handover.give(&norms.y, low);
        }
        (norms.y, SavedEnd { input, weight, statistics: norms.statistics })
    }
}

impl SavedEnd {
    /// The gradients, from that by the norm.
    pub fn backward(&self, queue: &mut Queue, gradient: &CubeTensor) -> Gradients {
        norm::backward(queue, &self.input, &self.weight, &self.statistics, gradient)
    }
}
