//! Dropout made of Burn's operations: a product with a tensor of factors.

use burn::tensor::Tensor;

use crate::masks::RowMasks;

/// `x` with its masks, if it has some.
pub(crate) fn dropout(x: Tensor<2>, masks: Option<&RowMasks>) -> Tensor<2> {
    match masks {
        Some(masks) => x.clone() * masks.tensor(&x),
        None => x,
    }
}
