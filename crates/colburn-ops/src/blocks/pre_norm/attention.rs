//! The attention block as one node on CubeCL.
//!
//! The backward pass keeps the input, its norm in the type of the factors and two numbers a row, the rotated q and k beside v, and the attended
//! values.

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use super::ends::{ByStart, Ends, SavedNorm};
use crate::attention::AttentionOptions;
use crate::batch::Batch;
use crate::blocks::attention::packed::{Attended, Packed};
use crate::blocks::projection::Types;
use crate::blocks::weights::PreNormAttentionWeights;
use crate::cube::array::cube_device;
use crate::cube::queue::Queue;
use crate::cube::room::Room;
use crate::cube::sums::column_sums;
use crate::kernel::cube::apply_present;
use crate::kernel::{Kernel, Present};
use crate::precision::Precision;
use crate::rotary::cube::Rotation;

/// As `pre_norm_attention_block` of the module above, for attention without a bias of the scores.
pub(super) fn pre_norm_attention_block(
    x: Tensor<2>,
    weights: PreNormAttentionWeights,
    options: AttentionOptions,
    theta: f64,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let PreNormAttentionWeights { norm, qkv, output, dropout } = weights;
    let [_, hidden] = x.dims();
    let dtype = precision.element(&cube_device(batch.device()));
    let rotation = Rotation::new(batch, hidden / options.heads, theta, dtype);
    let attention = Packed::new(hidden, dtype, options, batch);
    let ends = Ends::new(norm.as_ref().map_or(0.0, |norm| norm.eps), dropout, batch);
    let (norm, norm_bias) = norm.map_or((None, None), |norm| (Some(norm.weight), norm.bias));
    let inputs = [
        Some(x.into_dispatch()),
        norm.map(Tensor::into_dispatch),
        norm_bias.map(Tensor::into_dispatch),
        Some(qkv.weight.into_dispatch()),
        qkv.bias.map(Tensor::into_dispatch),
        Some(output.weight.into_dispatch()),
        output.bias.map(Tensor::into_dispatch),
    ];
    let present = Present::of(&inputs);
    apply_present(AttentionBlock { present, rotation, attention, ends, precision }, inputs)
}

#[derive(Clone, Debug)]
struct AttentionBlock {
    present: Present<7>,
    rotation: Rotation,
    attention: Packed,
    ends: Ends,
    precision: Precision,
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
struct Saved {
    types: Types,
    /// The weights of both projections in the type of factors.
    weights: [CubeTensor; 2],
    /// True for each projection that has a bias.
    biases: [bool; 2],
    norm: Option<SavedNorm>,
    /// The input of the first product.
    low: CubeTensor,
    attended: Attended,
}

impl<const N: usize> Kernel<CubeBackend, N> for AttentionBlock {
    type Saved = Saved;

    fn forward(&self, inputs: [CubeTensor; N]) -> (CubeTensor, Saved) {
        let [Some(x), norm, norm_bias, Some(weight), bias, Some(output), output_bias] = self.present.spread(inputs)
        else {
            panic!("the matrices of a block are never missing")
        };
        let types = Types::of(self.precision, &x);
        let queue = &mut Queue::new(&x);
        let biases = [bias.is_some(), output_bias.is_some()];
        let (weights, bias) = types.low_weights(queue, [&weight, &output], bias.as_ref());
        let (low, norm) = self.ends.start(queue, types, &x, norm, norm_bias.as_ref());
        let qkv = types.forward(queue, &low, &weights[0], bias.as_ref());
        let qkv = self.rotation.apply(queue, qkv, false);
        let (attended, log_sums) = self.attention.forward(queue, &qkv, None);
        let y = types.forward_in(queue, Room::Scratch, &attended, &weights[1], None);
        let out = self.ends.end(queue, y, output_bias, x);
        queue.start();
        let attended = Attended { qkv, table: None, output: attended, log_sums };
        (out, Saved { types, weights, biases, norm, low, attended })
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; N]) -> [Option<CubeTensor>; N] {
        let Saved { types, weights: [weight, output], biases, norm, low, attended } = saved;
        let queue = &mut Queue::new(&gradient);
        let (by_y, by_output_bias) = self.ends.end_backward(queue, types, &gradient, biases[1]);
        let by_output = types.by_weight(queue, &attended.output, &by_y);
        let by_attended = types.by_x(queue, &by_y, &output);
        let (by_qkv, _) = self.attention.backward(queue, attended, by_attended);
        let by_qkv = self.rotation.apply(queue, by_qkv, true);
        let by_weight = types.by_weight(queue, &low, &by_qkv);
        let by_bias = biases[0].then(|| column_sums(queue, &by_qkv));
        let by_low = types.by_x(queue, &by_qkv, &weight);
        let ByStart { x, weight: by_norm, bias: by_norm_bias } =
            self.ends.start_backward(queue, norm, by_low, gradient);
        queue.start();
        let all = [Some(x), by_norm, by_norm_bias, Some(by_weight), by_bias, Some(by_output), by_output_bias];
        self.present.only(wanted, all)
    }
}
