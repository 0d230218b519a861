//! The computations of an optimizer on each parameter: the square of a gradient's length, and AdamW's update.
//!
//! Composed of tensor operations an update is a dozen passes over weight, gradient and moments, each of which makes a new tensor. The
//! kernel is one pass, in place. On CubeCL devices one call serves all parameters, because a call through Burn costs the host more than a
//! small parameter costs the device. Parameters, learning rates and the state from step to step belong to the trainer.

mod all;
mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
mod update;

use burn::tensor::Tensor;

pub use self::all::{AdamWSettings, Clip, ParameterUpdate, adamw_all, squared_norms, updates_on_device};
pub use self::update::AdamWUpdate;
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
        Implementation::Cube => squared_norms(vec![crate::AnyTensor::new(x)]),
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
