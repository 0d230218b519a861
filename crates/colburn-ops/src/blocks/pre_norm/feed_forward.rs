//! The feed-forward block as one node on CubeCL.
//!
//! The backward pass keeps the input, its norm in the type of the factors and two numbers a row, and the input of the activation. The gated
//! activation itself is made again, in the pass that multiplies by its derivative.

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use super::ends::{ByStart, Ends, SavedNorm};
use crate::activation::Activation;
use crate::activation::cube::{Extras, gated_backward, gated_forward};
use crate::batch::Batch;
use crate::blocks::projection::Types;
use crate::blocks::weights::{PreNorm, PreNormFeedForwardWeights};
use crate::cube::masks::{RowMasks, on_device};
use crate::cube::queue::Queue;
use crate::cube::room::Room;
use crate::cube::terms::Terms;
use crate::kernel::cube::apply_present;
use crate::kernel::{Kernel, Present};
use crate::precision::Precision;

/// As `pre_norm_feed_forward_block` of the module above.
pub(super) fn pre_norm_feed_forward_block(
    x: Tensor<2>,
    weights: PreNormFeedForwardWeights,
    activation: Activation,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let PreNormFeedForwardWeights { norm, inner, outer, dropout } = weights;
    let masks = batch.row_masks(dropout).map(|masks| on_device(&masks, batch));
    let PreNorm { weight: norm, bias: norm_bias, eps } = norm;
    let ends = Ends::new(eps, 0.0, batch);
    let inputs = [
        Some(x.into_dispatch()),
        Some(norm.into_dispatch()),
        norm_bias.map(Tensor::into_dispatch),
        Some(inner.weight.into_dispatch()),
        inner.bias.map(Tensor::into_dispatch),
        Some(outer.weight.into_dispatch()),
        outer.bias.map(Tensor::into_dispatch),
    ];
    let present = Present::of(&inputs);
    apply_present(FeedForward { present, activation, masks, ends, precision }, inputs)
}

#[derive(Clone, Debug)]
struct FeedForward {
    present: Present<7>,
    activation: Activation,
    /// Of the gated activation.
    masks: Option<RowMasks>,
    ends: Ends,
    precision: Precision,
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
struct Saved {
    types: Types,
    /// The weights of both layers in the type of factors.
    weights: [CubeTensor; 2],
    /// True for each layer that has a bias.
    biases: [bool; 2],
    norm: Option<SavedNorm>,
    /// The input of the first product.
    low: CubeTensor,
    /// The input of the activation, and the gate.
    between: CubeTensor,
}

impl FeedForward {
    /// The array times its masks, if there are masks.
    fn dropped(&self, queue: &mut Queue, types: Types, x: CubeTensor) -> CubeTensor {
        Terms { masks: self.masks.clone(), ..Terms::new(x) }.sum_in(queue, Room::Scratch, types.low)
    }
}

impl<const N: usize> Kernel<CubeBackend, N> for FeedForward {
    type Saved = Saved;

    fn forward(&self, inputs: [CubeTensor; N]) -> (CubeTensor, Saved) {
        let [Some(x), norm, norm_bias, Some(inner), bias, Some(outer), outer_bias] = self.present.spread(inputs) else {
            panic!("the matrices of a block are never missing")
        };
        let types = Types::of(self.precision, &x);
        let queue = &mut Queue::new(&x);
        let biases = [bias.is_some(), outer_bias.is_some()];
        let (weights, bias) = types.low_weights(queue, [&inner, &outer], bias.as_ref());
        let (low, norm) = self.ends.start(queue, types, &x, norm, norm_bias.as_ref());
        let between = types.forward(queue, &low, &weights[0], bias.as_ref());
        let activated = gated_forward(queue, self.activation, &between);
        let activated = self.dropped(queue, types, activated);
        let y = types.forward_in(queue, Room::Scratch, &activated, &weights[1], None);
        let out = self.ends.end(queue, y, outer_bias, x);
        queue.start();
        (out, Saved { types, weights, biases, norm, low, between })
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; N]) -> [Option<CubeTensor>; N] {
        let Saved { types, weights: [inner, outer], biases, norm, low, between } = saved;
        let queue = &mut Queue::new(&gradient);
        let (by_y, by_outer_bias) = self.ends.end_backward(queue, types, &gradient, biases[1]);
        let by_activated = types.by_x(queue, &by_y, &outer);
        let by_activated = self.dropped(queue, types, by_activated);
        let extras = Extras { value: true, sums: biases[0] };
        let (by_between, activated, by_bias) = gated_backward(queue, self.activation, &between, &by_activated, extras);
        let by_outer = activated.map(|activated| {
            let activated = self.dropped(queue, types, activated);
            types.by_weight(queue, &activated, &by_y)
        });
        let by_inner = types.by_weight(queue, &low, &by_between);
        let by_low = types.by_x(queue, &by_between, &inner);
        let ByStart { x, weight: by_norm, bias: by_norm_bias } =
            self.ends.start_backward(queue, norm, by_low, gradient);
        queue.start();
        let all = [Some(x), by_norm, by_norm_bias, Some(by_inner), by_bias, by_outer, by_outer_bias];
        self.present.only(wanted, all)
    }
}
