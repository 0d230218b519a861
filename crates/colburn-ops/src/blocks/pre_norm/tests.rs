//! The blocks on CubeCL against their composed form on flex, in value and every gradient.

use burn::tensor::{Device, Tensor};

use super::{pre_norm_attention_block, pre_norm_feed_forward_block};
use crate::activation::Activation;
use crate::attention::AttentionOptions;
use crate::batch::Batch;
use crate::blocks::weights::{PreNorm, PreNormAttentionWeights, PreNormFeedForwardWeights, Projection};
use crate::cube::testing::{agree, all_near, gradients, has_bf16, moved, near_in, short_precisions, values};
use crate::masks::Dropout;
use crate::precision::Precision;
use crate::spans::Spans;
use crate::testing::random;

/// Odd and empty texts, keys that are not all tokens, and texts that no group of the kernels in CUDA C++ holds.
fn spans() -> Spans {
    Spans::with_keys(&[5, 0, 17, 1, 33, 210], &[3, 0, 17, 1, 20, 210]).unwrap()
}

/// The parts that a block may have.
#[derive(Clone, Copy, Debug)]
struct Parts {
    norm: bool,
    biases: bool,
    window: Option<usize>,
    dropout: f64,
}

const PLAIN: Parts = Parts { norm: true, biases: false, window: None, dropout: 0.0 };

fn vector(x: Tensor<2>) -> Tensor<1> {
    x.squeeze_dim(0)
}

fn projection(weight: Tensor<2>, bias: Tensor<2>, parts: Parts) -> Projection {
    Projection { weight, bias: parts.biases.then(|| vector(bias)) }
}

fn norm(weight: Tensor<2>, bias: Tensor<2>, parts: Parts) -> PreNorm {
    PreNorm { weight: vector(weight), bias: parts.biases.then(|| vector(bias)), eps: 1e-5 }
}

/// The attention block of inputs `[x, norm, norm's bias, qkv, its bias, output, its bias]`.
fn attended(inputs: [Tensor<2>; 7], parts: Parts, heads: usize, precision: Precision) -> Tensor<2> {
    let device: Device = inputs[0].device();
    attended_in(inputs, parts, heads, precision, &mut Batch::new(&spans(), Dropout::seeded(7), &device))
}

fn attended_in(
    inputs: [Tensor<2>; 7],
    parts: Parts,
    heads: usize,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let [x, weight, bias, qkv, qkv_bias, output, output_bias] = inputs;
    let weights = PreNormAttentionWeights {
        norm: parts.norm.then(|| norm(weight, bias, parts)),
        qkv: projection(qkv, qkv_bias, parts),
        output: projection(output, output_bias, parts),
        dropout: parts.dropout,
    };
    let options = AttentionOptions { dropout: parts.dropout, window: parts.window, ..AttentionOptions::new(heads) };
    pre_norm_attention_block(x, weights, options, 10_000.0, precision, batch)
}

fn fed_forward(inputs: [Tensor<2>; 7], activation: Activation, parts: Parts, precision: Precision) -> Tensor<2> {
    let mut batch = Batch::new(&spans(), Dropout::seeded(8), &inputs[0].device());
    fed_forward_in(inputs, activation, parts, precision, &mut batch)
}

fn fed_forward_in(
    inputs: [Tensor<2>; 7],
    activation: Activation,
    parts: Parts,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let [x, weight, bias, inner, inner_bias, outer, outer_bias] = inputs;
    let weights = PreNormFeedForwardWeights {
        norm: norm(weight, bias, parts),
        inner: projection(inner, inner_bias, parts),
        outer: projection(outer, outer_bias, parts),
        dropout: parts.dropout,
    };
    pre_norm_feed_forward_block(x, weights, activation, precision, batch)
}

/// x, the norm's vectors, and two layers with their biases, the first from `hidden` to `first`, the second from `second` to `hidden`.
fn inputs(hidden: usize, first: usize, second: usize) -> [Tensor<2>; 7] {
    let matrix = |from: usize, to, seed| random([from, to], seed) / (from as f64).sqrt();
    let vector = |width, seed| random([1, width], seed);
    [
        random([spans().tokens(), hidden], 1),
        vector(hidden, 2) + 1.0,
        vector(hidden, 3),
        matrix(hidden, first, 4),
        vector(first, 5),
        matrix(second, hidden, 6),
        vector(hidden, 7),
    ]
}

#[test]
fn cube_attention_agrees_with_its_twin() {
    let all = [
        (192, 3, Parts { window: Some(20), biases: true, dropout: 0.1, ..PLAIN }),
        (36, 3, Parts { norm: false, ..PLAIN }),
        (32, 4, PLAIN),
        (64, 2, Parts { window: Some(4), ..PLAIN }),
        (64, 1, Parts { biases: true, dropout: 0.2, ..PLAIN }),
        (128, 2, Parts { norm: false, biases: true, ..PLAIN }),
    ];
    // A device in software compiles kernels of each size for seconds.
    let count = if has_bf16() { all.len() } else { 2 };
    for (hidden, heads, parts) in all.into_iter().take(count) {
        let block = |inputs| attended(inputs, parts, heads, Precision::F32);
        let inputs = inputs(hidden, 3 * hidden, hidden);
        let (found, expected) = (gradients(inputs.clone().map(moved), block), gradients(inputs, block));
        all_near(&found, &expected, &format!("hidden {hidden}, {parts:?}"));
    }
}

#[test]
fn cube_feed_forward_agrees_with_its_twin() {
    let biased = Parts { biases: true, dropout: 0.2, ..PLAIN };
    for (activation, parts) in [(Activation::Gelu, PLAIN), (Activation::Silu, biased)] {
        let block = |inputs| fed_forward(inputs, activation, parts, Precision::F32);
        agree(inputs(24, 80, 40), block, block, 1e-4);
        agree(inputs(18, 30, 15), block, block, 1e-4);
    }
    let block = |inputs| fed_forward(inputs, Activation::Gelu, PLAIN, Precision::F32);
    agree(inputs(384, 1152, 576), block, block, 1e-4);
}

#[test]
fn cube_blocks_in_short_types_stay_near_f32() {
    for (biases, dropout, window) in [(false, 0.0, None), (false, 0.0, Some(20)), (true, 0.1, None)] {
        for precision in short_precisions() {
            for norm in [true, false] {
                let parts = Parts { norm, biases, window, dropout };
                let attention = inputs(128, 384, 128);
                let block = |precision| move |inputs| attended(inputs, parts, 2, precision);
                let exact = gradients(attention.clone(), block(Precision::F32));
                let found = gradients(attention.map(moved), block(precision));
                near_in(precision, &found, &exact, &format!("attention, {parts:?}"));
            }
            let parts = Parts { norm: true, biases, window, dropout };
            let inputs = inputs(128, 512, 256);
            let block = |precision| move |inputs| fed_forward(inputs, Activation::Gelu, parts, precision);
            let exact = gradients(inputs.clone(), block(Precision::F32));
            let found = gradients(inputs.map(moved), block(precision));
            near_in(precision, &found, &exact, &format!("feed-forward, {parts:?}"));
        }
    }
}

/// The backward pass of a block takes the gradient in the type of factors from the block behind, where that is at hand. It gives what a cast
/// would give.
#[test]
fn cube_blocks_in_a_row_are_those_one_by_one() {
    let precision = if has_bf16() { Precision::Bf16 } else { Precision::F32 };
    let attention = inputs(128, 384, 128).map(moved);
    for dropout in [0.0, 0.1] {
        let parts = Parts { dropout, ..PLAIN };
        let run = |between: fn(Tensor<2>) -> Tensor<2>, weights: [Tensor<2>; 7]| {
            let mut batch = Batch::new(&spans(), Dropout::seeded(9), &weights[0].device());
            let mut inputs = attention.clone();
            inputs[0] = weights[0].clone();
            let first = Parts { norm: false, ..parts };
            let mut all = weights;
            all[0] = between(attended_in(inputs, first, 2, precision, &mut batch));
            let y = fed_forward_in(all, Activation::Gelu, parts, precision, &mut batch);
            let mut inputs = attention.clone();
            inputs[0] = between(y);
            attended_in(inputs, parts, 2, precision, &mut batch)
        };
        let weights = inputs(128, 512, 256).map(moved);
        let at_once = gradients(weights.clone(), |weights| run(|x| x, weights));
        let copied = gradients(weights, |weights| run(|x| x * 1.0, weights));
        assert!(at_once == copied && at_once[0].iter().all(|x| x.is_finite()), "dropout {dropout}");
    }
}

/// NaN in a row of the input reaches the tokens that see it in attention, and its own row in feed-forward.
#[test]
fn cube_blocks_pass_nan_on() {
    for (precision, window) in [(Precision::F32, None), (Precision::Bf16, None), (Precision::Bf16, Some(3))] {
        let mut x = crate::testing::numbers(spans().tokens() * 128, 1);
        x[12 * 128 + 5] = f32::NAN;
        let x = crate::cube::testing::tensor(x, [spans().tokens(), 128]);
        let rows = |y: Tensor<2>| values(y).chunks(128).map(|row| row.iter().any(|y| y.is_nan())).collect::<Vec<_>>();
        let mut attention = inputs(128, 384, 128).map(moved);
        attention[0] = x.clone();
        let found = rows(attended(attention, Parts { window, ..PLAIN }, 2, precision));
        // The text of rows 5 to 21. A window may let it through to more of them, for 0 times NaN is NaN.
        let reached = window.map_or(5..22, |window| 12 - window..13 + window);
        assert!(reached.clone().all(|row| found[row]), "{precision:?}: {found:?}");
        let few = if window.is_some() { 5..22 } else { reached };
        assert!((0..found.len()).all(|row| !found[row] || few.contains(&row)), "{precision:?}: {found:?}");
        let mut feed_forward = inputs(128, 512, 256).map(moved);
        feed_forward[0] = x;
        let found = rows(fed_forward(feed_forward, Activation::Gelu, PLAIN, precision));
        assert!(found.iter().enumerate().all(|(row, nan)| *nan == (row == 12)), "{precision:?}: {found:?}");
    }
}

#[test]
fn cube_blocks_of_no_tokens_are_empty() {
    let spans = Spans::from_lengths(&[0, 0]);
    let mut all = inputs(32, 96, 32).map(moved);
    all[0] = all[0].clone().slice([0..0, 0..32]);
    let mut batch = Batch::new(&spans, Dropout::off(), &all[0].device());
    assert_eq!(attended_in(all.clone(), PLAIN, 4, Precision::F32, &mut batch).dims(), [0, 32]);
    let mut feed_forward = inputs(32, 96, 48).map(moved);
    feed_forward[0] = all[0].clone();
    assert_eq!(fed_forward_in(feed_forward, Activation::Gelu, PLAIN, Precision::F32, &mut batch).dims(), [0, 32]);
}

/// The same run twice gives the same bits.
#[test]
fn cube_blocks_repeat_to_the_bit() {
    let precision = if has_bf16() { Precision::Bf16 } else { Precision::F32 };
    let parts = Parts { biases: true, dropout: 0.1, ..PLAIN };
    let attention = inputs(64, 192, 64).map(moved);
    let run = || gradients(attention.clone(), |inputs| attended(inputs, parts, 2, precision));
    assert!(run() == run());
    let feed_forward = inputs(64, 512, 256).map(moved);
    let run = || gradients(feed_forward.clone(), |inputs| fed_forward(inputs, Activation::Gelu, parts, precision));
    assert!(run() == run());
}
