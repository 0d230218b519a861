//! Rows of length one, made of Burn's operations.

use burn::tensor::Tensor;

/// Every row over its L2 norm, `[tokens, width]`.
pub(super) fn normalize(x: Tensor<2>) -> Tensor<2> {
    // Bounded before the root, whose gradient at 0 is infinite. Filled and not clamped, because on some backends a clamp turns NaN into
    // its bound.
    let square = (x.clone() * x.clone()).sum_dim(1);
    let short = square.clone().lower_elem(1e-24);
    x / square.mask_fill(short, 1e-24).sqrt()
}
