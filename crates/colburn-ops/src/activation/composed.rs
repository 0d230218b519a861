//! Activation functions made of Burn's operations, exact in value and gradient on every backend.
//!
//! Burn's own `gelu` computes its gradient by the tanh formula on some backends (off by up to 1e-3), so GELU is composed from `erf`
//! here and differentiated by autodiff.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::tensor::{
    Tensor,
    activation::{relu, sigmoid},
};

use super::function::Activation;

/// The function of every element.
pub(super) fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Gelu => {
            let cdf = (x.clone() * FRAC_1_SQRT_2).erf().add_scalar(1.0) * 0.5;
            x * cdf
        }
        Activation::Gelu10 => at_most(activate(Activation::Gelu, x), 10.0),
        Activation::GeluNew => {
            let cube = x.clone() * x.clone() * x.clone();
            let inner = (x.clone() + cube * 0.044715) * (2.0 / PI).sqrt();
            x * (inner.tanh().add_scalar(1.0) * 0.5)
        }
        Activation::QuickGelu => x.clone() * sigmoid(x * 1.702),
        Activation::Relu => relu(x),
        Activation::Relu2 => {
            let x = relu(x);
            x.clone() * x
        }
        Activation::Relu6 => at_most(relu(x), 6.0),
        Activation::LeakyRelu => x.clone() * 0.01 + relu(x) * 0.99,
        Activation::Silu => x.clone() * sigmoid(x),
        Activation::Mish => mish(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Linear => x,
    }
}

/// The function of the first half of each row, times the second half.
pub(super) fn gated(activation: Activation, x: Tensor<2>) -> Tensor<2> {
    let width = x.dims()[1] / 2;
    activate(activation, x.clone().narrow(1, 0, width)) * x.narrow(1, width, width)
}

/// Every element, or the bound where that is smaller. Filled and not clamped, because on some backends a clamp turns NaN into its bound.
fn at_most<const D: usize>(x: Tensor<D>, bound: f64) -> Tensor<D> {
    let above = x.clone().greater_elem(bound);
    x.mask_fill(above, bound)
}

/// With e = eˣ, tanh(ln(1 + e)) is n / (n + 2) for n = e (e + 2), which beyond 20 is 1.
fn mish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let e = at_most(x.clone(), 20.0).exp();
    let n = e.clone() * e.add_scalar(2.0);
    x * (n.clone() / n.add_scalar(2.0))
}
