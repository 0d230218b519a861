//! Attention with its projections and the norm behind it.

mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "cube")]
pub(super) mod packed;

use burn::tensor::Tensor;

use super::weights::AttentionWeights;
use crate::attention::AttentionOptions;
#[cfg(feature = "cube")]
use crate::attention::cube::fits;
use crate::batch::Batch;
#[cfg(feature = "cube")]
use crate::implementation::Implementation;
use crate::precision::Precision;

/// `norm(x + dropout(output(attention(q, k, v))))`, where q, k and v are projections of x: the first half of a layer of BERT
/// (`BertAttention` of transformers).
///
/// # Shapes
/// `x` and the result: `[tokens, hidden]`; all weights are `[hidden, hidden]`, all vectors `[hidden]`.
///
/// # Panics
/// When the shapes do not fit together.
pub fn attention_block(
    x: Tensor<2>,
    weights: AttentionWeights,
    options: AttentionOptions,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if Implementation::of(&x) == Implementation::Cube
        && x.dims()[0] > 0
        && fits(x.dims()[1] / options.heads, batch.device())
    {
        return cube::attention_block(x, weights, options, precision, batch);
    }
    composed::attention_block(x, weights, options, precision, batch)
}
