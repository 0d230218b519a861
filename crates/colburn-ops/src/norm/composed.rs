//! Layer norms made of Burn's operations.

use burn::tensor::{Tensor, module};

/// `[tokens, width]`, with weight and bias of `[width]`.
pub(super) fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    module::layer_norm(x, weight, bias, eps)
}
