//! Fused operations of the CPU backend flex, each with its gradient written by hand.
//!
//! Burn composes what is not built in, and differentiates the composition: a softmax is five operations, each of which reads and writes
//! all of its elements, forward and again backward. Here such a composition is one [`Kernel`]: a function of arrays with a gradient, which
//! goes over them once. [`apply`] brings a kernel into Burn's graph.
//!
//! A kernel has a *composed twin*, the same function made of Burn's operations, which every other backend runs and which tests hold the
//! kernel to.

mod activate;
mod adamw;
mod apply;
mod array;
mod attention;
mod curve;
mod drop;
mod gated;
mod gather;
mod half;
mod kernel;
mod lanes;
mod linear;
mod math;
mod matrix;
mod maxsim;
mod norm;
mod norm_rows;
mod normalize;
mod parallel;
mod parts;
mod rotary;
#[cfg(test)]
pub(crate) mod testing;

use burn::tensor::{DType, Tensor};

pub(crate) use self::activate::activate;
pub(crate) use self::adamw::{adamw, squared_norm};
pub(crate) use self::attention::{attention, attention_packed};
pub(crate) use self::curve::Curve;
pub(crate) use self::drop::{drop, drop_add};
pub(crate) use self::gated::gated;
pub(crate) use self::gather::gather;
pub(crate) use self::half::is_native as multiplies_bf16;
pub(crate) use self::linear::{linear, three_linears};
pub(crate) use self::maxsim::maxsim;
pub(crate) use self::norm::{drop_add_norm, layer_norm};
pub(crate) use self::normalize::normalize;
pub(crate) use self::rotary::turn;
use crate::{device, kernels};

/// Whether kernels run where this tensor lies: on flex, in f32, unless they are [turned off](kernels).
pub(crate) fn runs_on<const D: usize>(x: &Tensor<D>) -> bool {
    kernels::enabled() && x.dtype() == DType::F32 && device::name(&x.device()) == "flex"
}
