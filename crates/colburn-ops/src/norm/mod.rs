//! Layer norms, alone and behind a residual stream.

mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::dropout;
use crate::implementation::Implementation;

/// `(x - mean) / √(variance + eps) · weight + bias` of each row (Ba, Kiros and Hinton 2016; `torch.nn.functional.layer_norm`).
///
/// # Shapes
/// `x` and the result: `[tokens, width]`; `weight` and `bias`: `[width]`.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::layer_norm(x, weight, bias, eps),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::layer_norm(x, weight, bias, eps),
        Implementation::Composed => composed::layer_norm(x, weight, bias, eps),
    }
}

/// The [`layer_norm`] of `dropout(x) + residual`: the end of each half of a layer of BERT. Dropout is as in [`dropout`](dropout::dropout).
///
/// # Shapes
/// `x`, `residual` and the result: `[tokens, width]`; `weight` and `bias`: `[width]`.
pub fn drop_add_norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
    p: f64,
    batch: &mut Batch,
) -> Tensor<2> {
    let masks = batch.row_masks(p);
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::drop_add_norm(x, residual, weight, bias, eps, masks),
        #[cfg(feature = "cube")]
        Implementation::Cube => {
            let masks = masks.map(|masks| crate::cube::masks::on_device(&masks, batch));
            cube::drop_add_norm(x, residual, weight, bias, eps, masks)
        }
        Implementation::Composed => {
            composed::layer_norm(dropout::composed::dropout(x, masks.as_ref()) + residual, weight, bias, eps)
        }
    }
}
