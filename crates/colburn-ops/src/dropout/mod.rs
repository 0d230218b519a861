//! Dropout (Srivastava et al. 2014), alone and added to a residual stream.

pub(crate) mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests;
#[cfg(feature = "flex")]
pub(crate) mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::implementation::Implementation;

/// Sets each element to 0 with probability `p`, and scales the others by `1 / (1 - p)`. Each call is a place of its own in the network.
///
/// # Shapes
/// `x` and the result: `[tokens, width]`.
pub fn dropout(x: Tensor<2>, p: f64, batch: &mut Batch) -> Tensor<2> {
    let Some(masks) = batch.row_masks(p) else { return x };
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::dropout(x, masks),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::dropout(x, crate::cube::masks::on_device(&masks, batch)),
        Implementation::Composed => composed::dropout(x, Some(&masks)),
    }
}

/// `dropout(x) + residual`: the end of each half of a layer whose norms come first.
///
/// # Shapes
/// `x`, `residual` and the result: `[tokens, width]`.
pub fn drop_add(x: Tensor<2>, residual: Tensor<2>, p: f64, batch: &mut Batch) -> Tensor<2> {
    let masks = batch.row_masks(p);
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::drop_add(x, residual, masks),
        #[cfg(feature = "cube")]
        Implementation::Cube => {
            let masks = masks.map(|masks| crate::cube::masks::on_device(&masks, batch));
            cube::drop_add(x, residual, masks)
        }
        Implementation::Composed => composed::dropout(x, masks.as_ref()) + residual,
    }
}
