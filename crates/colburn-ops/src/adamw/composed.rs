//! AdamW's update and the length of gradients, made of Burn's operations.

use burn::tensor::Tensor;

use super::update::AdamWUpdate;

/// The sum of squares, in two reductions: flex sums a large tensor at once in an order that depends on the number of threads.
pub(super) fn squared_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let squares = x.square();
    if D > 1 { squares.sum_dim(D - 1).sum() } else { squares.sum() }
}

/// The weight and its moments after an update.
pub(super) fn adamw<const D: usize>(
    update: &AdamWUpdate,
    weight: Tensor<D>,
    gradient: Tensor<D>,
    [mean, squares]: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let (beta1, beta2) = update.betas;
    let gradient = if update.factor == 1.0 { gradient } else { gradient * update.factor };
    let mean = mean.clone() + (gradient.clone() - mean) * (1.0 - beta1);
    let squares = squares * beta2 + gradient.square() * (1.0 - beta2);
    let [correction1, correction2] = update.corrections();
    let denominator = squares.clone().sqrt() / correction2.sqrt() + update.epsilon;
    let weight = if update.decay == 0.0 { weight } else { weight * (1.0 - update.decay) };
    let weight = weight - mean.clone() / denominator * (update.rate / correction1);
    (weight, [mean, squares])
}
