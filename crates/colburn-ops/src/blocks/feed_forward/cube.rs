//! The feed-forward block as one node on CubeCL.
//!
//! The backward pass keeps the input, also in the type of the factors, the input of the activation, the output of the last product and two
//! numbers a row. The activation itself is made again, in the pass that multiplies by its derivative.

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::activation::Activation;
use crate::activation::cube::{self as activation, Extras};
use crate::batch::Batch;
use crate::blocks::post_norm::{End, SavedEnd};
use crate::blocks::projection::Types;
use crate::blocks::weights::FeedForwardWeights;
use crate::cube::queue::Queue;
use crate::kernel::cube::apply_7;
use crate::kernel::{Kernel, only};
use crate::precision::Precision;

/// As `feed_forward_block` of the module above.
pub(super) fn feed_forward_block(
    x: Tensor<2>,
    weights: FeedForwardWeights,
    activation: Activation,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let FeedForwardWeights { inner, outer, norm } = weights;
    let end = End::new(&norm, batch);
    let inputs = [
        inner.weight.into_dispatch(),
        inner.bias.into_dispatch(),
        outer.weight.into_dispatch(),
        outer.bias.into_dispatch(),
        norm.weight.into_dispatch(),
        norm.bias.into_dispatch(),
    ];
    apply_7(FeedForward { activation, end, precision }, x, inputs)
}

#[derive(Clone, Debug)]
struct FeedForward {
    activation: Activation,
    end: End,
    precision: Precision,
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
struct Saved {
    types: Types,
    /// The weights of both layers in the type of factors.
    weights: [CubeTensor; 2],
    /// The input in the type of factors.
    low: CubeTensor,
    /// The input of the activation.
    between: CubeTensor,
    end: SavedEnd,
}

impl Kernel<CubeBackend, 7> for FeedForward {
    type Saved = Saved;

    fn forward(&self, inputs: [CubeTensor; 7]) -> (CubeTensor, Saved) {
        let [x, inner, inner_bias, outer, outer_bias, norm, norm_bias] = inputs;
        let types = Types::of(self.precision, &x);
        let queue = &mut Queue::new(&x);
        let given = self.end.given(&x, types.low);
        let x_low = given.as_ref().unwrap_or(&x);
        let [low, inner, inner_bias, outer] = types.low_all(queue, [&[x_low], &[&inner], &[&inner_bias], &[&outer]]);
        let weights = [inner, outer];
        let between = types.forward(queue, &low, &weights[0], Some(&inner_bias));
        let activated = activation::forward(queue, self.activation, &between);
        let y = types.forward(queue, &activated, &weights[1], None);
        let (out, end) = self.end.forward(queue, y, outer_bias, x, [norm, norm_bias]);
        queue.start();
        (out, Saved { types, weights, low, between, end })
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 7]) -> [Option<CubeTensor>; 7] {
        let Saved { types, weights: [inner, outer], low, between, end } = saved;
        let queue = &mut Queue::new(&gradient);
        let by_end = end.backward(queue, &gradient);
        let by_activated = types.by_x(queue, &by_end.by_x, &outer);
        let extras = Extras { value: true, sums: true };
        let (by_between, activated, by_inner_bias) =
            activation::backward(queue, self.activation, &between, &by_activated, extras);
        let by_outer = activated.map(|activated| types.by_weight(queue, &activated, &by_end.by_x));
        let by_inner = types.by_weight(queue, &low, &by_between);
        types.add_by_x(queue, &by_between, &inner, &by_end.by_sum);
        queue.start();
        let all = [
            Some(by_end.by_sum),
            Some(by_inner),
            by_inner_bias,
            by_outer,
            by_end.by_x_bias,
            Some(by_end.by_weight),
            by_end.by_bias,
        ];
        only(wanted, all)
    }
}
