//! Rows of length one.

mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use crate::implementation::Implementation;

/// Every row divided by its L2 norm, or by 1e-12 where that is larger (`torch.nn.functional.normalize`).
///
/// # Shapes
/// `x` and the result: `[tokens, width]`.
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::normalize(x),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::normalize(x),
        Implementation::Composed => composed::normalize(x),
    }
}
