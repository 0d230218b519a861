//! Two linear layers with an activation between them, and the norm behind them.

mod composed;
#[cfg(feature = "cube")]
mod cube;

use burn::tensor::Tensor;

use super::weights::FeedForwardWeights;
use crate::activation::Activation;
use crate::batch::Batch;
#[cfg(feature = "cube")]
use crate::implementation::Implementation;
use crate::precision::Precision;

/// `norm(x + dropout(outer(activation(inner(x)))))`: the second half of a layer of BERT (`BertIntermediate` and `BertOutput` of transformers).
///
/// # Shapes
/// `x` and the result: `[tokens, hidden]`.
///
/// # Panics
/// When the shapes do not fit together.
pub fn feed_forward_block(
    x: Tensor<2>,
    weights: FeedForwardWeights,
    activation: Activation,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    #[cfg(feature = "cube")]
    if Implementation::of(&x) == Implementation::Cube && x.dims()[0] > 0 {
        return cube::feed_forward_block(x, weights, activation, precision, batch);
    }
    composed::feed_forward_block(x, weights, activation, precision, batch)
}
