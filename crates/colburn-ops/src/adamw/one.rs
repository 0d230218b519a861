//! The update of one parameter, and the norm of one gradient.

use burn::tensor::Tensor;

use super::composed;
#[cfg(feature = "cube")]
use super::cube;
#[cfg(feature = "flex")]
use super::flex;
use super::update::AdamWUpdate;
use crate::implementation::Implementation;

/// The sum of squares of all numbers, on their device and off the graph. It is the same on any number of cores.
///
/// # Shapes
/// `x`: any; the result: `[1]`.
pub fn squared_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let x = x.inner();
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::squared_norm(x),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::squared_norms(vec![crate::any_tensor::AnyTensor::new(x)]),
        Implementation::Composed => composed::squared_norm(x),
    }
}

/// The weight and its moments, the mean of the gradients and that of their squares, after an update. They are off the graph.
///
/// On flex and on CubeCL devices weight and moments are updated in place if nothing else holds them, and copied first otherwise.
///
/// # Shapes
/// All: those of the weight.
pub fn adamw<const D: usize>(
    update: &AdamWUpdate,
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let (weight, gradient, moments) = (weight.inner(), gradient.inner(), moments.map(Tensor::inner));
    match Implementation::of_all([&weight, &gradient, &moments[0], &moments[1]]) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::adamw(update, weight, gradient, moments),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::adamw(update, weight, gradient, moments),
        Implementation::Composed => composed::adamw(update, weight, gradient, moments),
    }
}
