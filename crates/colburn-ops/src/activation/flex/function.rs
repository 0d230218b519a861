//! Activation functions with their derivatives, in vectors.

use pulp::Simd;

use crate::activation::function::Activation;
use crate::cpu::math::{normal, sigmoid};

/// An activation function that has a kernel.
#[derive(Clone, Copy, Debug)]
pub(in crate::activation) enum SimdActivation {
    /// x Φ(x).
    Gelu,
    /// `x σ(a x + b x³)`: SiLU, and the approximations of GELU by it and, for `(1 + tanh u) / 2` is `σ(2 u)`, by the hyperbolic tangent.
    Swish { a: f32, b: f32 },
    /// The larger of x and 0.
    Relu,
}

impl SimdActivation {
    /// The function for an activation; `None` if it has no kernel.
    pub fn of(activation: Activation) -> Option<Self> {
        // √(8/π)
        let a = 1.595_769;
        match activation {
            Activation::Gelu => Some(Self::Gelu),
            Activation::GeluNew => Some(Self::Swish { a, b: a * 0.044_715 }),
            Activation::QuickGelu => Some(Self::Swish { a: 1.702, b: 0.0 }),
            Activation::Silu => Some(Self::Swish { a: 1.0, b: 0.0 }),
            Activation::Relu => Some(Self::Relu),
            _ => None,
        }
    }

    /// Value and derivative. The compiler leaves out the one that is not used.
    #[inline(always)]
    pub fn at<S: Simd>(self, simd: S, x: S::f32s) -> [S::f32s; 2] {
        let splat = |value| simd.splat_f32s(value);
        match self {
            Self::Gelu => {
                let [cdf, e] = normal(simd, x);
                // 1 / √(2π): the density is that times e.
                let density = simd.mul_f32s(e, splat(0.398_942_3));
                [simd.mul_f32s(x, cdf), simd.mul_add_f32s(x, density, cdf)]
            }
            Self::Swish { a, b } => {
                let square = simd.mul_f32s(x, x);
                let factor = simd.mul_add_f32s(square, splat(b), splat(a));
                let [value, rest] = sigmoid(simd, simd.mul_f32s(x, factor));
                let swish = simd.mul_f32s(x, value);
                let inner = simd.mul_add_f32s(square, splat(3.0 * b), splat(a));
                [swish, simd.mul_add_f32s(simd.mul_f32s(swish, rest), inner, value)]
            }
            Self::Relu => {
                let positive = simd.less_than_f32s(splat(0.0), x);
                // Selected and not the maximum, which on some instruction sets turns NaN into 0.
                let negative = simd.less_than_f32s(x, splat(0.0));
                [simd.select_f32s(negative, splat(0.0), x), simd.select_f32s(positive, splat(1.0), splat(0.0))]
            }
        }
    }
}
