//! The blocks made of this crate's operations.

use burn::tensor::Tensor;

use crate::activation::Activation;
use crate::attention::{AttentionOptions, attention_packed};
use crate::batch::Batch;
use crate::blocks::weights::{PreNorm, PreNormAttentionWeights, PreNormFeedForwardWeights, Projection};
use crate::dropout::{drop_add, dropout};
use crate::linear::linear;
use crate::norm::layer_norm;
use crate::precision::Precision;
use crate::rotary::Rotary;

pub(super) fn pre_norm_attention_block(
    x: Tensor<2>,
    weights: PreNormAttentionWeights,
    options: AttentionOptions,
    theta: f64,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let [_, hidden] = x.dims();
    let rotary = Rotary::new(batch, hidden / options.heads, theta);
    let input = match weights.norm {
        Some(norm) => normed(norm, x.clone()),
        None => x.clone(),
    };
    let qkv = projected(weights.qkv, input, precision);
    let attended = attention_packed(rotary.apply_packed(qkv), options, batch);
    drop_add(projected(weights.output, attended, precision), x, weights.dropout, batch)
}

pub(super) fn pre_norm_feed_forward_block(
    x: Tensor<2>,
    weights: PreNormFeedForwardWeights,
    activation: Activation,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let inner = projected(weights.inner, normed(weights.norm, x.clone()), precision);
    let between = dropout(activation.gated(inner), weights.dropout, batch);
    drop_add(projected(weights.outer, between, precision), x, 0.0, batch)
}

fn normed(norm: PreNorm, x: Tensor<2>) -> Tensor<2> {
    layer_norm(x, norm.weight, norm.bias, norm.eps)
}

fn projected(layer: Projection, x: Tensor<2>, precision: Precision) -> Tensor<2> {
    linear(x, layer.weight, layer.bias, precision)
}
