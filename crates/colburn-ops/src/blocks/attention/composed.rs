//! The attention block made of this crate's operations.

use burn::tensor::Tensor;

use crate::attention::{AttentionOptions, attention_packed};
use crate::batch::Batch;
use crate::blocks::weights::{AttentionWeights, LinearWeights, PostNorm};
use crate::linear::{linear, three_linears};
use crate::norm::drop_add_norm;
use crate::precision::Precision;

pub(in crate::blocks) fn attention_block(
    x: Tensor<2>,
    weights: AttentionWeights,
    options: AttentionOptions,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let AttentionWeights { projections, output, norm } = weights;
    let (matrices, biases) = (projections.clone().map(|one| one.weight), projections.map(|one| one.bias));
    let qkv = three_linears(x.clone(), matrices, Some(biases), precision);
    let attended = attention_packed(qkv, options, batch);
    let LinearWeights { weight, bias } = output;
    let y = linear(attended, weight, Some(bias), precision);
    let PostNorm { weight, bias, eps, dropout } = norm;
    drop_add_norm(y, x, weight, Some(bias), eps, dropout, batch)
}
