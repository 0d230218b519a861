//! The kernels against their twins, and products in bf16 and f16.

use burn::backend::Flex;
use burn::tensor::{Device, Tensor, TensorData, f16};

use super::flex::Linear;
use super::{composed, flex};
use crate::cpu::array::Array;
use crate::cpu::bf16;
use crate::kernel::Kernel;
use crate::precision::Precision;
use crate::testing::{agree, close, numbers, random};

#[test]
fn one_layer_agrees_with_its_twin() {
    let shapes = [[0, 3, 2], [1, 1, 1], [7, 3, 5], [33, 64, 17], [300, 96, 130]];
    for (seed, [tokens, from, to]) in shapes.into_iter().enumerate() {
        let seed = 10 * seed as u64;
        let inputs = [random([tokens, from], seed), random([from, to], seed + 1), random([1, to], seed + 2)];
        agree(
            inputs.clone(),
            |[x, w, b]| flex::linear(x, w, Some(b.reshape([to])), Precision::F32),
            |[x, w, b]| composed::linear(x, w, Some(b.reshape([to])), Precision::F32),
            1e-5,
        );
        let [x, w, _] = inputs;
        agree(
            [x, w],
            |[x, w]| flex::linear(x, w, None, Precision::F32),
            |[x, w]| composed::linear(x, w, None, Precision::F32),
            1e-5,
        );
    }
}

/// Without a twin: Burn's gradient of the parts of nothing reads beyond it.
#[test]
fn three_layers_of_no_tokens() {
    let weights = [2, 3, 4].map(|to| random([3, to], to as u64).autodiff().require_grad());
    let biases = [2, 3, 4].map(|to| random([to], to as u64).autodiff().require_grad());
    let y = flex::three_linears(random([0, 3], 1).autodiff(), weights.clone(), Some(biases.clone()), Precision::F32);
    assert_eq!(y.dims(), [0, 9]);
    let gradients = y.sum().backward();
    for (weight, bias) in weights.iter().zip(&biases) {
        let squares =
            [weight.grad(&gradients).map(|x| x.square().sum()), bias.grad(&gradients).map(|x| x.square().sum())];
        assert!(squares.into_iter().all(|sum| sum.is_some_and(|sum| sum.into_scalar::<f32>() == 0.0)));
    }
}

#[test]
fn three_layers_agree_with_their_twin() {
    for (seed, [tokens, from, to]) in [[1, 1, 1], [19, 8, 5], [130, 96, 96]].into_iter().enumerate() {
        let seed = 100 + 10 * seed as u64;
        let weight = |number| random([from, to + number], seed + number as u64);
        let bias = |number| random([1, to + number], seed + 4 + number as u64);
        let x = random([tokens, from], seed + 9);
        agree(
            [x.clone(), weight(0), weight(1), weight(2), bias(0), bias(1), bias(2)],
            |[x, a, b, c, d, e, f]| {
                flex::three_linears(x, [a, b, c], Some([d, e, f].map(|bias| bias.squeeze_dim(0))), Precision::F32)
            },
            |[x, a, b, c, d, e, f]| {
                Tensor::cat(vec![x.clone().matmul(a) + d, x.clone().matmul(b) + e, x.matmul(c) + f], 1)
            },
            1e-5,
        );
        agree(
            [x, weight(0), weight(1), weight(2)],
            |[x, a, b, c]| flex::three_linears(x, [a, b, c], None, Precision::F32),
            |[x, a, b, c]| Tensor::cat(vec![x.clone().matmul(a), x.clone().matmul(b), x.matmul(c)], 1),
            1e-5,
        );
    }
}

#[test]
fn in_short_types_all_three_products_have_rounded_factors() {
    rounds(Precision::Bf16, bf16::round, 1e-3);
    rounds(Precision::F16, |x| f16::from_f32(x).to_f32(), 1e-4);
}

fn rounds(precision: Precision, round: fn(f32) -> f32, least: f32) {
    let [tokens, from, to] = [50, 40, 70];
    let [x, weight, gradient] = [[tokens, from], [from, to], [tokens, to]].map(|shape| {
        let values = numbers(shape[0] * shape[1], shape[1] as u64);
        [values.iter().map(|&value| round(value)).collect(), values].map(|values| Array::new(values, shape))
    });
    let results = |precision, rounded: usize| {
        let (value, saved) =
            Kernel::<Flex, 2>::forward(&Linear(precision), [x[1 - rounded].clone(), weight[1 - rounded].clone()]);
        let gradients =
            Kernel::<Flex, 2>::backward(&Linear(precision), saved, gradient[1 - rounded].clone(), [true; 2]);
        [Some(value)].into_iter().chain(gradients).map(|result| result.unwrap().to_vec()).collect::<Vec<_>>()
    };
    let [short, rounded, f32] = [results(precision, 0), results(Precision::F32, 1), results(Precision::F32, 0)];
    for ((short, rounded), f32) in short.iter().zip(&rounded).zip(&f32) {
        close(short, rounded, 1e-6, precision.name());
        assert!(short.iter().zip(f32).any(|(short, f32)| (short - f32).abs() > least), "{precision:?}");
    }
}

/// A factor above 65,504 is infinite in f16, and one below half of its smallest number is 0.
#[test]
fn f16_ends_where_its_numbers_end() {
    let device = Device::flex();
    // 65,520 lies in the middle between the largest number and the next that there would be.
    let x = Tensor::<2>::from_data([[65_519.0f32], [65_520.0], [2e-8], [4e-8]], &device);
    let y = flex::linear(x, Tensor::ones([1, 1], &device), None, Precision::F16).into_data();
    assert_eq!(y, TensorData::from([[65_504.0], [f32::INFINITY], [0.0], [2f32.powi(-24)]]));
}
