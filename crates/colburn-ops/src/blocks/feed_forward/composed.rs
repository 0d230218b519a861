//! The feed-forward block made of this crate's operations.

use burn::tensor::Tensor;

use crate::activation::Activation;
use crate::batch::Batch;
use crate::blocks::weights::{FeedForwardWeights, PostNorm};
use crate::linear::linear;
use crate::norm::drop_add_norm;
use crate::precision::Precision;

pub(in crate::blocks) fn feed_forward_block(
    x: Tensor<2>,
    weights: FeedForwardWeights,
    activation: Activation,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let FeedForwardWeights { inner, outer, norm } = weights;
    let between = activation.forward(linear(x.clone(), inner.weight, Some(inner.bias), precision));
    let y = linear(between, outer.weight, Some(outer.bias), precision);
    let PostNorm { weight, bias, eps, dropout } = norm;
    drop_add_norm(y, x, weight, Some(bias), eps, dropout, batch)
}
