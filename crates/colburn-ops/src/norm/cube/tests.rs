//! The kernels against their twins on flex, with and without a limit to the number of buffers.

use burn::tensor::{DType, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::super::composed;
use super::{Gradients, Input, Norms, pre_backward, pre_forward};
use crate::batch::Batch;
use crate::cube::copy::cast;
use crate::cube::masks::on_device;
use crate::cube::queue::alone;
use crate::cube::testing::{agree, array, device, moved, numbers_of, short_types, values};
use crate::dropout;
use crate::masks::{Dropout, RowMasks};
use crate::spans::Spans;
use crate::testing::{close, random};

const SHAPES: [[usize; 2]; 8] = [[0, 5], [1, 1], [9, 3], [4, 16], [7, 18], [20, 31], [2200, 12], [30, 1536]];

fn inputs([tokens, width]: [usize; 2]) -> [Tensor<2>; 4] {
    [
        random([tokens, width], 1) * 2.0 + 1.0,
        random([tokens, width], 2) * 2.0,
        random([1, width], 3) + 1.0,
        random([1, width], 4),
    ]
}

fn batch(tokens: usize) -> Batch {
    let lengths = [tokens / 3, 0, tokens / 2, tokens - tokens / 3 - tokens / 2];
    Batch::new(&Spans::from_lengths(&lengths), Dropout::seeded(5), &device())
}

fn masks(tokens: usize) -> RowMasks {
    batch(tokens).row_masks(0.3).unwrap()
}

fn forward(input: &Input, weight: &CubeTensor, bias: &CubeTensor, eps: f32) -> Norms {
    alone(weight, |queue| super::forward(queue, input, weight, Some(bias), eps, true))
}

fn backward(input: &Input, weight: &CubeTensor, statistics: &CubeTensor, gradient: &CubeTensor) -> Gradients {
    alone(weight, |queue| super::backward(queue, input, weight, statistics, gradient))
}

fn flat(x: Tensor<2>) -> Tensor<1> {
    let width = x.dims()[1];
    x.reshape([width])
}

/// Few numbers that happen to be alike are divided by a small one.
fn tolerance(width: usize) -> f32 {
    if width < 15 { 2e-4 } else { 1e-5 }
}

#[test]
fn agrees_with_its_twin() {
    for shape in SHAPES {
        let ([x, _, w, b], eps) = (inputs(shape), 1e-3);
        agree(
            [x.clone(), w.clone()],
            |[x, w]| crate::layer_norm(x, flat(w), None, eps),
            |[x, w]| composed::layer_norm(x, flat(w), None, eps),
            tolerance(shape[1]),
        );
        agree(
            [x, w, b],
            |[x, w, b]| crate::layer_norm(x, flat(w), Some(flat(b)), eps),
            |[x, w, b]| composed::layer_norm(x, flat(w), Some(flat(b)), eps),
            tolerance(shape[1]),
        );
    }
}

#[test]
fn of_a_sum_agrees_with_its_twin() {
    for (shape, p) in SHAPES.into_iter().flat_map(|shape| [(shape, 0.0), (shape, 0.3)]) {
        let ([x, residual, w, b], eps) = (inputs(shape), 1e-3);
        let masks = (p > 0.0).then(|| masks(shape[0]));
        let dropped = |x| dropout::composed::dropout(x, masks.as_ref());
        agree(
            [x.clone(), residual.clone(), w.clone()],
            |[x, residual, w]| crate::drop_add_norm(x, residual, flat(w), None, eps, p, &mut batch(shape[0])),
            |[x, residual, w]| composed::layer_norm(dropped(x) + residual, flat(w), None, eps),
            tolerance(shape[1]),
        );
        agree(
            [x, residual, w, b],
            |[x, residual, w, b]| {
                crate::drop_add_norm(x, residual, flat(w), Some(flat(b)), eps, p, &mut batch(shape[0]))
            },
            |[x, residual, w, b]| composed::layer_norm(dropped(x) + residual, flat(w), Some(flat(b)), eps),
            tolerance(shape[1]),
        );
    }
}

#[test]
fn a_bias_of_x_and_few_buffers_agree_with_the_twin() {
    let shapes = [
        ([0, 4], 0.3),
        ([300, 5], 0.3),
        ([40, 384], 0.3),
        ([40, 384], 0.0),
        ([9, 1026], 0.3),
        ([1700, 768], 0.3),
        ([33, 1024], 0.3),
        ([3, 1536], 0.3),
        ([5, 2568], 0.0),
        ([2, 4096], 0.3),
    ];
    for (shape, p) in shapes {
        let [x, residual, w, b] = inputs(shape);
        let (x_bias, gradient) = (random([1, shape[1]], 5), random(shape, 6));
        let host_masks = (p > 0.0).then(|| masks(shape[0]));
        let leaves = [x.clone(), x_bias.clone(), residual.clone(), w.clone(), b.clone()];
        let leaves = leaves.map(|leaf| leaf.autodiff().require_grad());
        let [x_leaf, x_bias_leaf, residual_leaf, w_leaf, b_leaf] = leaves.clone();
        let sum = dropout::composed::dropout(x_leaf + x_bias_leaf, host_masks.as_ref()) + residual_leaf;
        let value = composed::layer_norm(sum, flat(w_leaf), Some(flat(b_leaf)), 1e-3);
        let gradients = (value.clone() * gradient.clone().autodiff()).sum().backward();
        let expected = leaves.map(|leaf| values(leaf.grad(&gradients).unwrap()));

        let input = Input {
            x: array(x),
            x_bias: Some(array(flat(x_bias))),
            residual: Some(array(residual)),
            masks: host_masks.map(|masks| on_device(&masks, &mut batch(shape[0]))),
        };
        let (w, b, gradient) = (array(flat(w)), array(flat(b)), array(gradient));
        let check = |y: CubeTensor, by: Gradients, what: &str| {
            close(&numbers_of(&y), &values(value.clone().inner()), tolerance(shape[1]), "the norm");
            let found = [by.by_x, by.by_x_bias.unwrap(), by.by_sum, by.by_weight, by.by_bias.unwrap()];
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let what = format!("gradient {number} of {shape:?} {what}");
                close(&numbers_of(found), expected, tolerance(shape[1]), &what);
            }
            found.map(|found| numbers_of(&found))
        };
        for buffers in [7, 32] {
            let (y, statistics) = super::forward::within(buffers, &input, &w, Some(&b), 1e-3);
            let by = super::backward::within(buffers, &input, &w, &statistics, &gradient);
            check(y, by, &format!("with {buffers} buffers"));
        }
        let run = || {
            let norms = forward(&input, &w, &b, 1e-3);
            assert!(norms.low.is_none_or(|low| numbers_of(&low) == numbers_of(&norms.y)), "the norm once more");
            check(norms.y, backward(&input, &w, &norms.statistics, &gradient), "by the best kernels")
        };
        assert!(run() == run(), "the gradients of {shape:?} differ from run to run");
    }
}

/// A norm before a layer: the gradient that goes past the layer is added to that by the norm.
#[test]
fn before_a_layer_agrees_with_the_twin() {
    for shape in [[300, 5], [40, 384], [1700, 768], [33, 1024], [3, 1536], [5, 2568], [2, 4096]] {
        let [x, passing, w, b] = inputs(shape);
        let gradient = random(shape, 6);
        let leaves = [x.clone(), w.clone(), b.clone()].map(|leaf| leaf.autodiff().require_grad());
        let [x_leaf, w_leaf, b_leaf] = leaves.clone();
        let value = composed::layer_norm(x_leaf.clone(), flat(w_leaf), Some(flat(b_leaf)), 1e-3);
        let sum = (value.clone() * gradient.clone().autodiff()).sum() + (x_leaf * passing.clone().autodiff()).sum();
        let gradients = sum.backward();
        let expected = leaves.map(|leaf| values(leaf.grad(&gradients).unwrap()));
        let (x, w, b) = (array(x), array(flat(w)), array(flat(b)));
        let (gradient, passing) = (array(gradient), array(passing));
        let run = |dtype: DType| {
            let norms = alone(&x, |queue| pre_forward(queue, &x, &w, Some(&b), 1e-3, dtype));
            let gradient = cast(&gradient, dtype);
            let by = alone(&x, |queue| pre_backward(queue, &x, &w, &norms.statistics, &gradient, &passing, true));
            if let Some(low) = by.low {
                assert!(dtype != DType::F32 && numbers_of(&cast(&low, DType::F32)) == rounded(&by.by_x, dtype));
            }
            let found = [by.by_x, by.by_weight, by.by_bias.unwrap()];
            (numbers_of(&cast(&norms.low, DType::F32)), found.map(|found| numbers_of(&found)))
        };
        let (y, found) = run(DType::F32);
        close(&y, &values(value.inner()), tolerance(shape[1]), "the norm");
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            close(found, expected, tolerance(shape[1]), &format!("gradient {number} of {shape:?}"));
        }
        assert!(run(DType::F32) == (y.clone(), found), "the gradients of {shape:?} differ from run to run");
        for dtype in short_types() {
            let (low, found) = run(dtype);
            close(&low, &y, 4e-3, &format!("the norm in {dtype:?}"));
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                close(found, expected, 2e-2, &format!("gradient {number} of {shape:?} in {dtype:?}"));
            }
        }
    }
}

/// The numbers of an array of f32 after a cast to this type and back.
fn rounded(x: &CubeTensor, dtype: DType) -> Vec<f32> {
    numbers_of(&cast(&cast(x, dtype), DType::F32))
}

#[test]
fn rows_far_from_zero_keep_their_digits() {
    // Steps of 1/4096 are exact in f32 beside 1024.
    let steps = (random([4, 384], 7) * 4096.0).round() / 4096.0;
    let norm = |x: Tensor<2>| values(crate::layer_norm(moved(x), Tensor::ones([384], &device()), None, 1e-12));
    let (near, far) = (norm(steps.clone()), norm(steps + 1024.0));
    assert!(near.iter().zip(far).all(|(near, far)| (near - far).abs() < 5e-4));
}

#[test]
fn a_row_with_nan_is_nan_and_other_rows_are_not() {
    let x = Tensor::<2>::from_floats([[f32::NAN, 1.0, 0.0], [3.0, 0.0, 4.0]], &burn::tensor::Device::flex());
    let x = moved(x).autodiff().require_grad();
    let y = crate::layer_norm(x.clone(), Tensor::ones([3], &device().autodiff()), None, 1e-5);
    let gradient = x.grad(&y.clone().powi_scalar(3).sum().backward()).unwrap();
    for values in [values(y.inner()), values(gradient)] {
        assert!(values[..3].iter().all(|y| y.is_nan()) && values[3..].iter().all(|y| y.is_finite()), "{values:?}");
    }
}

#[test]
fn a_row_with_nan_between_whole_vectors_is_nan_alone() {
    let mut x = crate::testing::numbers(20 * 64, 1);
    x[7 * 64 + 9] = f32::NAN;
    let x = crate::cube::testing::tensor(x, [20, 64]).autodiff().require_grad();
    let weight = Tensor::ones([64], &device().autodiff()).require_grad();
    let y = crate::layer_norm(x.clone(), weight.clone(), None, 1e-5);
    let gradients = y.clone().powi_scalar(3).sum().backward();
    for values in [values(y.inner()), values(x.grad(&gradients).unwrap())] {
        let rows = values.chunks(64).enumerate();
        assert!(
            rows.flat_map(|(row, values)| values.iter().map(move |y| (row, y)))
                .all(|(row, y)| y.is_nan() == (row == 7))
        );
    }
    assert!(values(weight.grad(&gradients).unwrap()).iter().all(|value| value.is_nan()));
}

#[test]
fn short_types_are_those_of_their_f32() {
    for dtype in short_types() {
        is_that_of_its_f32(dtype);
    }
}

fn is_that_of_its_f32(dtype: DType) {
    let [x, residual, w, b] = inputs([200, 768]);
    let x = cast(&array(x), dtype);
    let masks = on_device(&masks(200), &mut batch(200));
    let (residual, x_bias) = (Some(array(residual)), Some(array(flat(random([1, 768], 5)))));
    let low = Input { x: x.clone(), x_bias, residual, masks: Some(masks) };
    let wide = Input { x: cast(&x, DType::F32), ..low.clone() };
    let (w, b) = (array(flat(w)), array(flat(b)));
    let (low_norms, norms) = (forward(&low, &w, &b, 1e-5), forward(&wide, &w, &b, 1e-5));
    assert!(numbers_of(&low_norms.y) == numbers_of(&norms.y));
    let round = |x: &_| rounded(x, dtype);
    assert!(low_norms.low.is_none_or(|low| numbers_of(&cast(&low, DType::F32)) == round(&norms.y)), "y in {dtype:?}");
    let gradient = array(random([200, 768], 6));
    let found = backward(&low, &w, &low_norms.statistics, &gradient);
    let expected = backward(&wide, &w, &norms.statistics, &gradient);
    assert!(numbers_of(&cast(&found.by_x, DType::F32)) == round(&expected.by_x));
    assert!(numbers_of(&found.by_x_bias.unwrap()) == numbers_of(&expected.by_x_bias.unwrap()));
    assert!(numbers_of(&found.by_sum) == numbers_of(&expected.by_sum));
}
