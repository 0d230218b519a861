//! The blocks on CubeCL against their composed form on flex, in value and every gradient.

use burn::tensor::{Device, Tensor};

use super::{AttentionWeights, FeedForwardWeights, LinearWeights, PostNorm, attention_block, feed_forward_block};
use crate::activation::Activation;
use crate::attention::AttentionOptions;
use crate::batch::Batch;
use crate::cube::testing::{agree, moved, short_precisions, values};
use crate::masks::Dropout;
use crate::precision::Precision;
use crate::spans::Spans;
use crate::testing::random;

fn linear(weight: Tensor<2>, bias: Tensor<2>) -> LinearWeights {
    LinearWeights { weight, bias: bias.squeeze_dim(0) }
}

fn norm(weight: Tensor<2>, bias: Tensor<2>, dropout: f64) -> PostNorm {
    PostNorm { weight: weight.squeeze_dim(0), bias: bias.squeeze_dim(0), eps: 1e-5, dropout }
}

fn spans() -> Spans {
    Spans::with_keys(&[5, 0, 17, 1, 33], &[3, 0, 17, 1, 20]).unwrap()
}

/// The attention block of inputs `[x, q, k, v, output, biases…, norm]`.
fn attended(inputs: [Tensor<2>; 11], dropout: f64, precision: Precision) -> Tensor<2> {
    let device: Device = inputs[0].device();
    attended_in(inputs, dropout, precision, &mut Batch::new(&spans(), Dropout::seeded(7), &device))
}

fn attended_in(inputs: [Tensor<2>; 11], dropout: f64, precision: Precision, batch: &mut Batch) -> Tensor<2> {
    let [x, q, k, v, q_bias, k_bias, v_bias, output, output_bias, weight, bias] = inputs;
    let weights = AttentionWeights {
        projections: [linear(q, q_bias), linear(k, k_bias), linear(v, v_bias)],
        output: linear(output, output_bias),
        norm: norm(weight, bias, dropout),
    };
    let options = AttentionOptions { dropout, ..AttentionOptions::new(4) };
    attention_block(x, weights, options, precision, batch)
}

fn attention_inputs(hidden: usize) -> [Tensor<2>; 11] {
    let matrix = |seed| random([hidden, hidden], seed) * (2.0 / (hidden as f64).sqrt());
    let vector = |seed| random([1, hidden], seed);
    let x = random([spans().tokens(), hidden], 1);
    let [q, k, v, output] = [2, 3, 4, 5].map(matrix);
    let [a, b, c, d, e, f] = [6, 7, 8, 9, 10, 11].map(vector);
    [x, q, k, v, a, b, c, output, d, e, f]
}

fn fed_forward(inputs: [Tensor<2>; 7], activation: Activation, dropout: f64, precision: Precision) -> Tensor<2> {
    let mut batch = Batch::new(&spans(), Dropout::seeded(8), &inputs[0].device());
    fed_forward_in(inputs, activation, dropout, precision, &mut batch)
}

fn fed_forward_in(
    inputs: [Tensor<2>; 7],
    activation: Activation,
    dropout: f64,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let [x, inner, inner_bias, outer, outer_bias, weight, bias] = inputs;
    let weights = FeedForwardWeights {
        inner: linear(inner, inner_bias),
        outer: linear(outer, outer_bias),
        norm: norm(weight, bias, dropout),
    };
    feed_forward_block(x, weights, activation, precision, batch)
}

fn feed_forward_inputs(hidden: usize, inner: usize) -> [Tensor<2>; 7] {
    let matrix = |from: usize, to, seed| random([from, to], seed) * (2.0 / (from as f64).sqrt());
    let vector = |width, seed| random([1, width], seed);
    [
        random([spans().tokens(), hidden], 1),
        matrix(hidden, inner, 2),
        vector(inner, 3),
        matrix(inner, hidden, 4),
        vector(hidden, 5),
        vector(hidden, 6),
        vector(hidden, 7),
    ]
}

#[test]
fn cube_attention_agrees_with_its_twin() {
    for (hidden, dropout) in [(16, 0.0), (32, 0.3), (64, 0.1), (80, 0.1), (384, 0.1)] {
        let block = |inputs| attended(inputs, dropout, Precision::F32);
        let inputs = attention_inputs(hidden);
        let (found, expected) = (gradients(inputs.clone().map(moved), block), gradients(inputs, block));
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // The gradient by the bias of the keys is 0 but for rounding.
            let largest = expected.iter().fold(0.3f32, |largest, x| largest.max(x.abs()));
            let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-4 * largest, "{worst} of {largest} at {place}, hidden {hidden}");
        }
    }
}

#[test]
fn cube_feed_forward_agrees_with_its_twin() {
    for (activation, dropout) in [(Activation::Gelu, 0.0), (Activation::Gelu, 0.2), (Activation::Relu, 0.1)] {
        let block = |inputs| fed_forward(inputs, activation, dropout, Precision::F32);
        agree(feed_forward_inputs(24, 40), block, block, 3e-5);
        agree(feed_forward_inputs(18, 30), block, block, 3e-5);
    }
    let block = |inputs| fed_forward(inputs, Activation::Gelu, 0.1, Precision::F32);
    agree(feed_forward_inputs(384, 1536), block, block, 1e-4);
}

/// The gradients of a sum of the block's values, weighted at random.
fn gradients<const N: usize>(inputs: [Tensor<2>; N], block: impl Fn([Tensor<2>; N]) -> Tensor<2>) -> Vec<Vec<f32>> {
    let inputs = inputs.map(|input| input.autodiff().require_grad());
    let y = block(inputs.clone());
    let weights = Tensor::from_data(random(y.dims(), 77).into_data(), &y.device().inner()).autodiff();
    let found = (y.clone() * weights).sum().backward();
    let mut all = vec![values(y.inner())];
    all.extend(inputs.iter().map(|input| input.grad(&found).map(values).unwrap_or_default()));
    all
}

/// Within the rounding of a few products, whose factors have 8 bits in bf16 and 11 in f16.
#[test]
fn cube_blocks_in_short_types_stay_near_f32() {
    for precision in short_precisions() {
        stays_near_f32(precision, if precision == Precision::F16 { 3e-3 } else { 2e-2 });
    }
}

fn stays_near_f32(precision: Precision, most: f64) {
    let near = |found: Vec<Vec<f32>>, expected: Vec<Vec<f32>>| {
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let difference: Vec<f32> = found.iter().zip(expected).map(|(found, expected)| found - expected).collect();
            let relative = norm(&difference) / norm(expected).max(1e-9);
            // The gradient by the bias of the keys is 0 but for rounding.
            assert!(relative < most || norm(expected) < 1e-3, "{relative} at {place} in {precision:?}");
        }
    };
    for dropout in [0.0, 0.1] {
        let attention = attention_inputs(128);
        let exact = gradients(attention.clone(), |inputs| attended(inputs, dropout, Precision::F32));
        near(gradients(attention.map(moved), |inputs| attended(inputs, dropout, precision)), exact);
        let inputs = feed_forward_inputs(128, 256);
        let block = |precision| move |inputs| fed_forward(inputs, Activation::Gelu, dropout, precision);
        let exact = gradients(inputs.clone(), block(Precision::F32));
        near(gradients(inputs.map(moved), block(precision)), exact);
    }
}

/// A block takes the result of the one before in the type of factors, where that is at hand. It gives what a cast would give.
#[test]
fn cube_blocks_in_a_row_are_those_one_by_one() {
    for precision in short_precisions().into_iter().chain([Precision::F32]) {
        are_those_one_by_one(precision);
    }
}

fn are_those_one_by_one(precision: Precision) {
    let attention = attention_inputs(128).map(moved);
    let run = |between: fn(Tensor<2>) -> Tensor<2>, weights: [Tensor<2>; 7]| {
        let mut batch = Batch::new(&spans(), Dropout::seeded(9), &weights[0].device());
        let mut all = weights;
        let inputs = attention.clone();
        all[0] = between(attended_in(inputs, 0.1, precision, &mut batch));
        let y = fed_forward_in(all.clone(), Activation::Gelu, 0.1, precision, &mut batch);
        let mut inputs = attention.clone();
        inputs[0] = between(y);
        attended_in(inputs, 0.1, precision, &mut batch)
    };
    let weights = feed_forward_inputs(128, 256).map(moved);
    let at_once = gradients(weights.clone(), |weights| run(|x| x, weights));
    let copied = gradients(weights, |weights| run(|x| x * 1.0, weights));
    assert!(at_once == copied && at_once[0].iter().all(|x| x.is_finite()));
}

/// NaN in a row of the input reaches the whole text in attention, and its own row in feed-forward.
#[test]
fn cube_blocks_pass_nan_on() {
    for precision in short_precisions().into_iter().chain([Precision::F32]) {
        let mut x = crate::testing::numbers(spans().tokens() * 128, 1);
        x[7 * 128 + 5] = f32::NAN;
        let x = crate::cube::testing::tensor(x, [spans().tokens(), 128]);
        let rows = |y: Tensor<2>| values(y).chunks(128).map(|row| row.iter().any(|y| y.is_nan())).collect::<Vec<_>>();
        let mut inputs = attention_inputs(128).map(moved);
        inputs[0] = x.clone();
        let found = rows(attended(inputs, 0.1, precision));
        // The text of rows 5 to 21.
        assert!(found.iter().enumerate().all(|(row, nan)| *nan == (5..22).contains(&row)), "{precision:?}: {found:?}");
        let mut inputs = feed_forward_inputs(128, 256).map(moved);
        inputs[0] = x;
        let found = rows(fed_forward(inputs, Activation::Gelu, 0.1, precision));
        assert!(found.iter().enumerate().all(|(row, nan)| *nan == (row == 7)), "{precision:?}: {found:?}");
    }
}

/// The same run twice gives the same bits.
#[test]
fn cube_blocks_repeat_to_the_bit() {
    for precision in short_precisions().into_iter().chain([Precision::F32]) {
        let inputs = attention_inputs(64).map(moved);
        let run = || gradients(inputs.clone(), |inputs| attended(inputs, 0.1, precision));
        assert!(run() == run(), "{precision:?}");
        let inputs = feed_forward_inputs(64, 256).map(moved);
        let run = || gradients(inputs.clone(), |inputs| fed_forward(inputs, Activation::Gelu, 0.1, precision));
        assert!(run() == run(), "{precision:?}");
    }
}
