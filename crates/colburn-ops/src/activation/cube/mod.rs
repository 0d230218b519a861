//! Activation functions on CubeCL, alone and as gated linear units. The backward pass computes the function again instead of keeping its parts.

mod elementwise;
mod functions;
mod gated;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

pub(crate) use self::elementwise::{Extras, backward, forward};
pub(crate) use self::gated::{gated as gated_forward, gated_backward};
use super::function::Activation;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_1;

/// The function of every element.
pub(super) fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    apply_1(Elementwise(activation), x)
}

/// The function of the first half of each row, times the second half.
pub(super) fn gated(activation: Activation, x: Tensor<2>) -> Tensor<2> {
    apply_1(Gated(activation), x)
}

#[derive(Clone, Debug)]
struct Elementwise(Activation);

impl Kernel<CubeBackend, 1> for Elementwise {
    type Saved = CubeTensor;

    fn forward(&self, [x]: [CubeTensor; 1]) -> (CubeTensor, CubeTensor) {
        (forward(self.0, &x), x)
    }

    fn backward(&self, x: CubeTensor, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        [Some(backward(self.0, &x, &gradient, Extras { value: false, sums: false }).0)]
    }
}

#[derive(Clone, Debug)]
struct Gated(Activation);

impl Kernel<CubeBackend, 1> for Gated {
    type Saved = CubeTensor;

    fn forward(&self, [x]: [CubeTensor; 1]) -> (CubeTensor, CubeTensor) {
        (gated_forward(self.0, &x), x)
    }

    fn backward(&self, x: CubeTensor, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        [Some(gated_backward(self.0, &x, &gradient, false).0)]
    }
}
