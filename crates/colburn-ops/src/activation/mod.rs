//! The activations of encoders' feed-forward layers.

mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
mod flex;
mod function;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::flex::function::SimdActivation;
pub use self::function::Activation;
use crate::implementation::Implementation;

impl Activation {
    /// Applies the function to every element.
    ///
    /// # Shapes
    /// `x` and the result: the same, any.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Flex => match SimdActivation::of(self) {
                Some(activation) => flex::activate(activation, x),
                None => composed::activate(self, x),
            },
            #[cfg(feature = "cube")]
            Implementation::Cube => cube::activate(self, x),
            Implementation::Composed => composed::activate(self, x),
        }
    }

    /// A gated linear unit (Shazeer 2020; with GELU: GeGLU): the function of the first half of each row, times the second half.
    ///
    /// # Shapes
    /// `x`: `[tokens, 2 · width]`; the result: `[tokens, width]`.
    pub fn gated(self, x: Tensor<2>) -> Tensor<2> {
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Flex => match SimdActivation::of(self) {
                Some(activation) => flex::gated(activation, x),
                None => composed::gated(self, x),
            },
            #[cfg(feature = "cube")]
            Implementation::Cube => cube::gated(self, x),
            Implementation::Composed => composed::gated(self, x),
        }
    }
}

/// GELU with the error function: `x · (1 + erf(x / √2)) / 2` (Hendrycks and Gimpel 2016; `torch.nn.functional.gelu`).
///
/// # Shapes
/// `x` and the result: the same, any.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::Gelu.forward(x)
}

/// GELU by the tanh formula: `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))` (`gelu_new` of transformers).
///
/// # Shapes
/// `x` and the result: the same, any.
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::GeluNew.forward(x)
}
