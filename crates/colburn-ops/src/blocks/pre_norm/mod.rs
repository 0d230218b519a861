//! The halves of a layer whose norm comes first: what a half computes is added to the residual stream as it is.

#[cfg(feature = "cube")]
mod attention;
mod composed;
#[cfg(feature = "cube")]
mod ends;
#[cfg(feature = "cube")]
mod feed_forward;
#[cfg(test)]
#[cfg(feature = "flex")]
#[cfg(feature = "cube")]
mod tests;

use burn::tensor::Tensor;

use super::weights::{PreNormAttentionWeights, PreNormFeedForwardWeights};
use crate::activation::Activation;
use crate::attention::AttentionOptions;
#[cfg(feature = "cube")]
use crate::attention::cube::fits;
use crate::batch::Batch;
#[cfg(feature = "cube")]
use crate::implementation::Implementation;
use crate::precision::Precision;

/// `x + dropout(output(attention(rotary(qkv(norm(x))))))`: the first half of a layer of ModernBERT (`ModernBertAttention` of transformers, with its
/// norm). Queries and keys are rotated by their positions, with the base `theta` of the wavelengths ([`Rotary`](crate::Rotary)).
///
/// # Shapes
/// `x` and the result: `[tokens, hidden]`.
///
/// # Panics
/// When the shapes do not fit together, or a head has an odd number of elements.
pub fn pre_norm_attention_block(
    x: Tensor<2>,
    weights: PreNormAttentionWeights,
    options: AttentionOptions,
    theta: f64,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if Implementation::of(&x) == Implementation::Cube
        && options.bias.is_none()
        && x.dims()[0] > 0
        && fits(x.dims()[1] / options.heads, batch.device())
    {
        return attention::pre_norm_attention_block(x, weights, options, theta, precision, batch);
    }
    composed::pre_norm_attention_block(x, weights, options, theta, precision, batch)
}

/// `x + outer(dropout(gated(inner(norm(x)))))`, where a gated activation is the function of the first half of each row times the second half
/// ([`Activation::gated`]): the second half of a layer of ModernBERT (`ModernBertMLP` of transformers, with its norm).
///
/// # Shapes
/// `x` and the result: `[tokens, hidden]`.
///
/// # Panics
/// When the shapes do not fit together.
pub fn pre_norm_feed_forward_block(
    x: Tensor<2>,
    weights: PreNormFeedForwardWeights,
    activation: Activation,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if Implementation::of(&x) == Implementation::Cube && x.dims()[0] > 0 {
        return feed_forward::pre_norm_feed_forward_block(x, weights, activation, precision, batch);
    }
    composed::pre_norm_feed_forward_block(x, weights, activation, precision, batch)
}
