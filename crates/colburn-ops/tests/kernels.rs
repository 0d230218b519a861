//! The switch for kernels is a setting of the process, so its test has a process of its own.

#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use burn::tensor::{Device, Tensor};
use colburn_ops::{gelu, kernels};

#[test]
fn kernels_can_be_turned_off_and_on() {
    let x = || Tensor::<1, burn::tensor::Int>::arange(-500..500, &Device::flex()).float() / 100.0;
    let value = |enabled| {
        kernels::set_enabled(enabled);
        assert_eq!(kernels::enabled(), enabled);
        gelu(x()).into_data().try_to_vec::<f32>().unwrap()
    };
    let [kernel, composed, again] = [true, false, true].map(value);
    let difference = kernel.iter().zip(&composed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-5, "{difference}");
    assert!(kernel != composed, "another function would not have the same digits to the last");
    assert!(kernel == again);
}
