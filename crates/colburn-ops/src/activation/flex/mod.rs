//! The kernels of the activation functions that encoders have, alone and as gated linear units.

pub(super) mod elementwise;
pub(super) mod function;
pub(super) mod gated;

use burn::tensor::Tensor;
use pulp::Arch;

use self::{elementwise::Elementwise, function::SimdActivation, gated::Gated};
use super::function::Activation;
use crate::kernel::flex::apply_1;

/// The function of every element. An activation without a kernel hands `x` back.
pub(super) fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Result<Tensor<D>, Tensor<D>> {
    match SimdActivation::of(activation) {
        Some(activation) => Ok(apply_1(Elementwise::<D> { arch: Arch::new(), activation }, x)),
        None => Err(x),
    }
}

/// The function of the first half of each row, times the second half. An activation without a kernel hands `x` back.
pub(super) fn gated(activation: Activation, x: Tensor<2>) -> Result<Tensor<2>, Tensor<2>> {
    match SimdActivation::of(activation) {
        Some(activation) => Ok(apply_1(Gated { arch: Arch::new(), activation }, x)),
        None => Err(x),
    }
}
