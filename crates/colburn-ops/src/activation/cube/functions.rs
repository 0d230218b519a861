//! Activation functions with their derivatives, in vectors of f32. NaN stays NaN: nothing is bounded by a minimum or maximum.

use cubecl::prelude::*;

use crate::activation::function::Activation;

/// Value and derivative.
#[cube]
pub(super) fn at<N: Size>(#[comptime] activation: Activation, x: Vector<f32, N>) -> (Vector<f32, N>, Vector<f32, N>) {
    match activation {
        Activation::Gelu => gelu(x),
        Activation::Gelu10 => {
            let both = gelu(x);
            at_most(both.0, both.1, 10.0f32)
        }
        Activation::GeluNew => swish(x, 1.595_769f32, 0.071_354_814f32),
        Activation::QuickGelu => swish(x, 1.702f32, 0.0f32),
        Activation::Silu => swish(x, 1.0f32, 0.0f32),
        Activation::Relu => relu(x),
        Activation::Relu2 => {
            let both = relu(x);
            (both.0 * both.0, both.0 + both.0)
        }
        Activation::Relu6 => {
            let both = relu(x);
            at_most(both.0, both.1, 6.0f32)
        }
        Activation::LeakyRelu => {
            let both = relu(x);
            let (small, large) = (Vector::<f32, N>::new(0.01f32), Vector::<f32, N>::new(0.99f32));
            (x * small + both.0 * large, small + both.1 * large)
        }
        Activation::Mish => mish(x),
        Activation::Sigmoid => {
            let both = sigmoid(x);
            (both.0, both.0 * both.1)
        }
        Activation::Tanh => {
            // Some devices bound the argument, which loses NaN.
            let value = select_many(x.is_nan(), x, x.tanh());
            (value, Vector::<f32, N>::new(1.0f32) - value * value)
        }
        Activation::Linear => (x, Vector::<f32, N>::new(1.0f32)),
    }
}

/// Value and derivative, or the bound and 0 where the value is larger.
#[cube]
fn at_most<N: Size>(value: Vector<f32, N>, slope: Vector<f32, N>, bound: f32) -> (Vector<f32, N>, Vector<f32, N>) {
    let bound = Vector::<f32, N>::new(bound);
    let above = value.greater_than(&bound);
    (select_many(above, bound, value), select_many(above, Vector::<f32, N>::new(0.0f32), slope))
}

/// x Φ(x). With a = |x| and t = 1 / (1 + 0.2316419 a), Φ(-a) is `e^(-a²/2)` times a polynomial in t, within 7.5e-8 (Abramowitz and Stegun,
/// 26.2.17).
#[cube]
fn gelu<N: Size>(x: Vector<f32, N>) -> (Vector<f32, N>, Vector<f32, N>) {
    let one = Vector::<f32, N>::new(1.0f32);
    // The density.
    let e = (x * x * Vector::<f32, N>::new(-0.5f32)).exp() * Vector::<f32, N>::new(0.398_942_3f32);
    let t = one / (x.abs() * Vector::<f32, N>::new(0.231_641_9f32) + one);
    let mut series = Vector::<f32, N>::new(1.330_274_4f32);
    series = series * t + Vector::<f32, N>::new(-1.821_256f32);
    series = series * t + Vector::<f32, N>::new(1.781_477_9f32);
    series = series * t + Vector::<f32, N>::new(-0.356_563_78f32);
    series = series * t + Vector::<f32, N>::new(0.319_381_53f32);
    let tail = series * t * e;
    let share = select_many(x.less_than(&Vector::<f32, N>::new(0.0f32)), tail, one - tail);
    (x * share, x * e + share)
}

/// `x σ(a x + b x³)`.
#[cube]
fn swish<N: Size>(x: Vector<f32, N>, #[comptime] a: f32, #[comptime] b: f32) -> (Vector<f32, N>, Vector<f32, N>) {
    let square = x * x;
    let a = Vector::<f32, N>::new(a);
    let b = Vector::<f32, N>::new(b);
    let both = sigmoid(x * (square * b + a));
    let value = x * both.0;
    let inner = square * b * Vector::<f32, N>::new(3.0f32) + a;
    (value, value * both.1 * inner + both.0)
}

/// `σ(x) = 1 / (1 + e^-x)`, and `1 - σ(x)`.
#[cube]
fn sigmoid<N: Size>(x: Vector<f32, N>) -> (Vector<f32, N>, Vector<f32, N>) {
    let one = Vector::<f32, N>::new(1.0f32);
    // Beyond, e would be infinite, and the product with it NaN.
    let largest = Vector::<f32, N>::new(87.0f32);
    let negative = -x;
    let e = select_many(negative.greater_than(&largest), largest, negative).exp();
    let value = one / (e + one);
    (value, e * value)
}

/// The larger of x and 0.
#[cube]
fn relu<N: Size>(x: Vector<f32, N>) -> (Vector<f32, N>, Vector<f32, N>) {
    let zero = Vector::<f32, N>::new(0.0f32);
    let value = select_many(x.less_than(&zero), zero, x);
    (value, select_many(x.greater_than(&zero), Vector::<f32, N>::new(1.0f32), zero))
}

/// `x tanh(ln(1 + eˣ))`. With e = eˣ, the second factor is n / (n + 2) for n = e (e + 2), which beyond 20 is 1.
#[cube]
fn mish<N: Size>(x: Vector<f32, N>) -> (Vector<f32, N>, Vector<f32, N>) {
    let two = Vector::<f32, N>::new(2.0f32);
    let largest = Vector::<f32, N>::new(20.0f32);
    let above = x.greater_than(&largest);
    let e = select_many(above, largest, x).exp();
    let n = e * (e + two);
    let below = n + two;
    let factor = n / below;
    let slope = e * (e + Vector::<f32, N>::new(1.0f32)) * Vector::<f32, N>::new(4.0f32) / (below * below);
    (x * factor, factor + x * select_many(above, Vector::<f32, N>::new(0.0f32), slope))
}
