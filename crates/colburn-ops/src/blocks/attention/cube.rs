//! The attention block as one node on CubeCL.
//!
//! The backward pass keeps the input, also in the type of the factors, q, k and v, the attended values, the output of the last product and two
//! numbers a row.

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use super::packed::{Attended, Packed};
use crate::attention::AttentionOptions;
use crate::batch::Batch;
use crate::blocks::post_norm::{End, SavedEnd};
use crate::blocks::projection::Types;
use crate::blocks::weights::AttentionWeights;
use crate::cube::array::cube_device;
use crate::cube::parts::equal_parts;
use crate::cube::queue::Queue;
use crate::cube::sums::column_sums;
use crate::kernel::cube::{apply_11, apply_12};
use crate::kernel::{Kernel, only};
use crate::precision::Precision;

/// As `attention_block` of the module above.
pub(super) fn attention_block(
    x: Tensor<2>,
    weights: AttentionWeights,
    options: AttentionOptions,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let AttentionWeights { projections, output, norm } = weights;
    let [_, hidden] = x.dims();
    let table = options.bias.as_ref().map(|bias| bias.table.clone());
    let attention = Packed::new(hidden, precision.element(&cube_device(batch.device())), options, batch);
    let end = End::new(&norm, batch);
    let [q, k, v] = projections;
    let inputs = [
        q.weight.into_dispatch(),
        k.weight.into_dispatch(),
        v.weight.into_dispatch(),
        q.bias.into_dispatch(),
        k.bias.into_dispatch(),
        v.bias.into_dispatch(),
        output.weight.into_dispatch(),
        output.bias.into_dispatch(),
        norm.weight.into_dispatch(),
        norm.bias.into_dispatch(),
    ];
    let block = AttentionBlock { attention, end, precision };
    match table {
        Some(table) => apply_12(block, x, inputs, table),
        None => apply_11(block, x, inputs),
    }
}

#[derive(Clone, Debug)]
struct AttentionBlock {
    attention: Packed,
    end: End,
    precision: Precision,
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
struct Saved {
    types: Types,
    /// The weights of the projections side by side, and that of the output, in the type of factors.
    weights: [CubeTensor; 2],
    /// The input in the type of factors.
    low: CubeTensor,
    attended: Attended,
    end: SavedEnd,
}

impl AttentionBlock {
    fn forward(&self, inputs: [CubeTensor; 11], table: Option<CubeTensor>) -> (CubeTensor, Saved) {
        let [x, q, k, v, q_bias, k_bias, v_bias, output, output_bias, norm, norm_bias] = inputs;
        let types = Types::of(self.precision, &x);
        let queue = &mut Queue::new(&x);
        let given = self.end.given(&x, types.low);
        let x_low = given.as_ref().unwrap_or(&x);
        let [low, joined, biases, output] =
            types.low_all(queue, [&[x_low], &[&q, &k, &v], &[&q_bias, &k_bias, &v_bias], &[&output]]);
        let weights = [joined, output];
        let qkv = types.forward(queue, &low, &weights[0], Some(&biases));
        let (attended, log_sums) = self.attention.forward(queue, &qkv, table.as_ref());
        let y = types.forward(queue, &attended, &weights[1], None);
        let (out, end) = self.end.forward(queue, y, output_bias, x, [norm, norm_bias]);
        queue.start();
        let attended = Attended { qkv, table, output: attended, log_sums };
        (out, Saved { types, weights, low, attended, end })
    }

    /// The gradients by the inputs, and by the table.
    fn backward(&self, saved: Saved, gradient: &CubeTensor) -> ([Option<CubeTensor>; 11], Option<CubeTensor>) {
        let Saved { types, weights: [qkv_weight, output_weight], low, attended, end } = saved;
        let queue = &mut Queue::new(gradient);
        let by_end = end.backward(queue, gradient);
        let by_output = types.by_weight(queue, &attended.output, &by_end.by_x);
        let by_attended = types.by_x(queue, &by_end.by_x, &output_weight);
        let (by_qkv, by_table) = self.attention.backward(queue, attended, by_attended);
        let [q, k, v] = types.by_joined(queue, &low, &by_qkv);
        let by_biases = column_sums(queue, &by_qkv);
        let [q_bias, k_bias, v_bias] = equal_parts(queue, &by_biases);
        types.add_by_x(queue, &by_qkv, &qkv_weight, &by_end.by_sum);
        queue.start();
        let all = [
            Some(by_end.by_sum),
            Some(q),
            Some(k),
            Some(v),
            Some(q_bias),
            Some(k_bias),
            Some(v_bias),
            Some(by_output),
            by_end.by_x_bias,
            Some(by_end.by_weight),
            by_end.by_bias,
        ];
        (all, by_table)
    }
}

impl Kernel<CubeBackend, 11> for AttentionBlock {
    type Saved = Saved;

    fn forward(&self, inputs: [CubeTensor; 11]) -> (CubeTensor, Saved) {
        self.forward(inputs, None)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 11]) -> [Option<CubeTensor>; 11] {
        only(wanted, self.backward(saved, &gradient).0)
    }
}

/// The last input is the table of a bias by distance.
impl Kernel<CubeBackend, 12> for AttentionBlock {
    type Saved = Saved;

    fn forward(&self, inputs: [CubeTensor; 12]) -> (CubeTensor, Saved) {
        let [a, b, c, d, e, f, g, h, i, j, k, table] = inputs;
        self.forward([a, b, c, d, e, f, g, h, i, j, k], Some(table))
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 12]) -> [Option<CubeTensor>; 12] {
        let ([a, b, c, d, e, f, g, h, i, j, k], by_table) = self.backward(saved, &gradient);
        only(wanted, [a, b, c, d, e, f, g, h, i, j, k, by_table])
    }
}
