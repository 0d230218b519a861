//! The kernels of the activation functions that encoders have, alone and as gated linear units.

pub(super) mod elementwise;
pub(super) mod function;
pub(super) mod gated;

use burn::tensor::Tensor;
use pulp::Arch;

use self::{elementwise::Elementwise, function::SimdActivation, gated::Gated};
use crate::kernel::flex::apply_1;

/// The function of every element.
pub(super) fn activate<const D: usize>(activation: SimdActivation, x: Tensor<D>) -> Tensor<D> {
    apply_1(Elementwise::<D> { arch: Arch::new(), activation }, x)
}

/// The function of the first half of each row, times the second half.
pub(super) fn gated(activation: SimdActivation, x: Tensor<2>) -> Tensor<2> {
    apply_1(Gated { arch: Arch::new(), activation }, x)
}
