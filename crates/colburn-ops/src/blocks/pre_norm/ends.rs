//! The beginning and the end of a block on CubeCL: the norm of the residual stream, and the sum with it.
//!
//! The gradient by the residual stream leaves the block's beginning in f32 and, where that costs no pass, in the type of factors, for the end of
//! the block before.

use std::sync::Arc;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::batch::Batch;
use crate::blocks::handover::{GradientKey, Handover};
use crate::blocks::projection::Types;
use crate::cube::masks::{RowMasks, on_device};
use crate::cube::queue::Queue;
use crate::cube::room::Room;
use crate::cube::sums::column_sums;
use crate::cube::terms::Terms;
use crate::norm::cube::{PreGradients, pre_backward, pre_forward};

/// The beginning and the end of a block.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Added to the variance.
    eps: f32,
    /// Of the block's output.
    masks: Option<RowMasks>,
    gradients: Arc<Handover>,
}

/// The state of the norm for the backward pass.
#[derive(Clone, Debug)]
pub(super) struct SavedNorm {
    x: CubeTensor,
    weight: CubeTensor,
    statistics: CubeTensor,
}

/// The gradients by what the norm was computed from.
#[derive(Debug)]
pub(super) struct ByStart {
    pub x: CubeTensor,
    pub weight: Option<CubeTensor>,
    pub bias: Option<CubeTensor>,
}

impl Ends {
    /// The ends of a block whose output is dropped with this probability; they draw the masks of the next place in the network.
    pub fn new(eps: f64, dropout: f64, batch: &mut Batch) -> Self {
        let masks = batch.row_masks(dropout).map(|masks| on_device(&masks, batch));
        let gradients = batch.prepared(GradientKey, |_, _| Handover::default());
        Self { eps: eps as f32, masks, gradients }
    }

    /// The norm of x in the type of factors, or x itself without a norm, and the state for the backward pass.
    pub fn start(
        &self,
        queue: &mut Queue,
        types: Types,
        x: &CubeTensor,
        weight: Option<CubeTensor>,
        bias: Option<&CubeTensor>,
    ) -> (CubeTensor, Option<SavedNorm>) {
        let Some(weight) = weight else {
            let [low] = types.low_all(queue, [&[x]]);
            return (low, None);
        };
        let norms = pre_forward(queue, x, &weight, bias, self.eps, types.low);
        (norms.low, Some(SavedNorm { x: x.clone(), weight, statistics: norms.statistics }))
    }

    /// The gradients, from that by the input of the first product in the type of factors, and `passing`, that by the block's result, which goes past
    /// the block on the residual stream.
    pub fn start_backward(
        &self,
        queue: &mut Queue,
        saved: Option<SavedNorm>,
        gradient: CubeTensor,
        passing: CubeTensor,
    ) -> ByStart {
        let Some(SavedNorm { x, weight, statistics }) = saved else {
            let sum = Terms { residual: Some(passing), ..Terms::new(gradient) };
            return ByStart { x: sum.sum_in(queue, Room::Own, DType::F32), weight: None, bias: None };
        };
        let PreGradients { by_x, low, by_weight, by_bias } =
            pre_backward(queue, &x, &weight, &statistics, &gradient, &passing, true);
        if let Some(low) = low {
            self.gradients.give(&by_x, low);
        }
        ByStart { x: by_x, weight: Some(by_weight), bias: by_bias }
    }

    /// `masks · (y + bias) + x`.
    pub fn end(&self, queue: &mut Queue, y: CubeTensor, bias: Option<CubeTensor>, x: CubeTensor) -> CubeTensor {
        let terms = Terms { x: y, x_bias: bias, residual: Some(x), masks: self.masks.clone() };
        terms.sum_in(queue, Room::Own, DType::F32)
    }

    /// The gradient by y in the type of factors, and with `bias` that by the bias, from that by the block's result.
    pub fn end_backward(
        &self,
        queue: &mut Queue,
        types: Types,
        gradient: &CubeTensor,
        bias: bool,
    ) -> (CubeTensor, Option<CubeTensor>) {
        let given = self.gradients.take(gradient).filter(|low| low.dtype == types.low);
        let [low] = types.low_all(queue, [&[given.as_ref().unwrap_or(gradient)]]);
        let by_y = Terms { masks: self.masks.clone(), ..Terms::new(low) }.sum_in(queue, Room::Scratch, types.low);
        let by_bias = bias.then(|| column_sums(queue, &by_y));
        (by_y, by_bias)
    }
}
