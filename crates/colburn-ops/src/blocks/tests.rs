//! The blocks on CubeCL against their composed form on flex, in value and every gradient.

use burn::tensor::{Device, Tensor};

use super::{AttentionWeights, FeedForwardWeights, LinearWeights, PostNorm, attention_block, feed_forward_block};
use crate::activation::Activation;
use crate::attention::{AttentionOptions, RelativeBias};
use crate::batch::Batch;
use crate::cube::testing::{agree, all_near, gradients, moved, near_in, short_precisions, values};
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

/// The attention block of inputs `[x, q, k, v, output, biases…, norm]`, and in front of them the table of a bias by distance.
fn attended_with_bias([table, inputs @ ..]: [Tensor<2>; 12], dropout: f64, precision: Precision) -> Tensor<2> {
    let device: Device = inputs[0].device();
    let mut batch = Batch::new(&spans(), Dropout::seeded(7), &device);
    let bucket = |distance: i64| (distance + 8).clamp(0, 16) as usize;
    attended_in(inputs, Some(RelativeBias { table, bucket }), dropout, precision, &mut batch)
}

/// The attention block of inputs `[x, q, k, v, output, biases…, norm]`.
fn attended(inputs: [Tensor<2>; 11], dropout: f64, precision: Precision) -> Tensor<2> {
    let device: Device = inputs[0].device();
    attended_in(inputs, None, dropout, precision, &mut Batch::new(&spans(), Dropout::seeded(7), &device))
}

fn attended_in(
    inputs: [Tensor<2>; 11],
    relative: Option<RelativeBias>,
    dropout: f64,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let [x, q, k, v, q_bias, k_bias, v_bias, output, output_bias, weight, bias] = inputs;
    let weights = AttentionWeights {
        projections: [linear(q, q_bias), linear(k, k_bias), linear(v, v_bias)],
        output: linear(output, output_bias),
        norm: norm(weight, bias, dropout),
    };
    let options = AttentionOptions { dropout, bias: relative, ..AttentionOptions::new(4) };
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
        all_near(&found, &expected, &format!("hidden {hidden}"));
    }
}

#[test]
fn cube_attention_with_a_bias_agrees_with_its_twin() {
    for (hidden, dropout) in [(32, 0.0), (64, 0.1)] {
        let block = |inputs| attended_with_bias(inputs, dropout, Precision::F32);
        let [a, b, c, d, e, f, g, h, i, j, k] = attention_inputs(hidden);
        let inputs = [random([17, 4], 12), a, b, c, d, e, f, g, h, i, j, k];
        let (found, expected) = (gradients(inputs.clone().map(moved), block), gradients(inputs, block));
        all_near(&found, &expected, &format!("hidden {hidden}"));
    }
}

/// Texts that fill a group of the kernels in CUDA C++ alone and together, and one that is too long for those that take a bias.
#[test]
fn cube_attention_with_a_bias_in_short_types_stays_near_f32_for_texts_of_any_size() {
    for lengths in [&[170, 5, 0, 60][..], &[192], &[200, 7]] {
        let spans = Spans::from_lengths(lengths);
        let [_, rest @ ..] = attention_inputs(128);
        let [q, k, v, others @ ..] = rest;
        let [a, b, c, output, d, e, f] = others;
        let x = random([spans.tokens(), 128], 1);
        let inputs = [random([17, 4], 12), x, q * 0.5, k * 0.5, v, a, b, c, output, d, e, f];
        let block = |precision| {
            let spans = &spans;
            move |[table, inputs @ ..]: [Tensor<2>; 12]| {
                let mut batch = Batch::new(spans, Dropout::seeded(3), &inputs[0].device());
                let bucket = |distance: i64| (distance / 12 + 8).clamp(0, 16) as usize;
                attended_in(inputs, Some(RelativeBias { table, bucket }), 0.1, precision, &mut batch)
            }
        };
        let exact = gradients(inputs.clone(), block(Precision::F32));
        for precision in short_precisions() {
            let found = gradients(inputs.clone().map(moved), block(precision));
            near_in(precision, &found, &exact, &format!("{lengths:?}"));
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

#[test]
fn cube_blocks_in_short_types_stay_near_f32() {
    for precision in short_precisions() {
        for dropout in [0.0, 0.1] {
            let attention = attention_inputs(128);
            let exact = gradients(attention.clone(), |inputs| attended(inputs, dropout, Precision::F32));
            let found = gradients(attention.clone().map(moved), |inputs| attended(inputs, dropout, precision));
            near_in(precision, &found, &exact, "attention");
            // Less peaked weights: the bias comes on top.
            let [x, q, k, v, rest @ ..] = attention;
            let [q_bias, k_bias, v_bias, output, output_bias, weight, bias] = rest;
            let (table, q, k) = (random([17, 4], 12), q * 0.5, k * 0.5);
            let biased = [table, x, q, k, v, q_bias, k_bias, v_bias, output, output_bias, weight, bias];
            let block = |precision| move |inputs| attended_with_bias(inputs, dropout, precision);
            let exact = gradients(biased.clone(), block(Precision::F32));
            let found = gradients(biased.map(moved), block(precision));
            near_in(precision, &found, &exact, "attention with a bias");
            let inputs = feed_forward_inputs(128, 256);
            let block = |precision| move |inputs| fed_forward(inputs, Activation::Gelu, dropout, precision);
            let exact = gradients(inputs.clone(), block(Precision::F32));
            near_in(precision, &gradients(inputs.map(moved), block(precision)), &exact, "feed-forward");
        }
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
        all[0] = between(attended_in(inputs, None, 0.1, precision, &mut batch));
        let y = fed_forward_in(all.clone(), Activation::Gelu, 0.1, precision, &mut batch);
        let mut inputs = attention.clone();
        inputs[0] = between(y);
        attended_in(inputs, None, 0.1, precision, &mut batch)
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
