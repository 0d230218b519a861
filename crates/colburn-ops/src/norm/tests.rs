//! The kernels against their twins, and a norm of PyTorch.

use burn::tensor::{Device, Tensor};

use super::flex::{Formula, Norm, SumNorm};
use super::{composed, flex};
use crate::batch::Batch;
use crate::dropout;
use crate::kernel::flex::{apply_2, apply_3, apply_4};
use crate::masks::{Dropout, RowMasks};
use crate::spans::Spans;
use crate::testing::{agree, instruction_sets, random, same_on_any_threads};

const SHAPES: [[usize; 2]; 11] =
    [[0, 5], [1, 1], [3, 1], [9, 3], [5, 15], [4, 16], [7, 17], [20, 31], [90, 384], [40, 768], [30, 1536]];

fn inputs([tokens, width]: [usize; 2]) -> [Tensor<2>; 4] {
    [
        random([tokens, width], 1) * 2.0 + 1.0,
        random([tokens, width], 2) * 2.0,
        random([1, width], 3) + 1.0,
        random([1, width], 4),
    ]
}

fn masks(tokens: usize) -> RowMasks {
    let lengths = [tokens / 3, 0, tokens / 2, tokens - tokens / 3 - tokens / 2];
    Batch::new(&Spans::from_lengths(&lengths), Dropout::seeded(5), &Device::flex()).row_masks(0.3).unwrap()
}

fn flat(x: Tensor<2>) -> Tensor<1> {
    let width = x.dims()[1];
    x.reshape([width])
}

#[test]
fn agrees_with_its_twin() {
    for arch in instruction_sets() {
        for shape in SHAPES {
            let [x, _, w, b] = inputs(shape);
            // Few numbers that happen to be alike are divided by a small one.
            let tolerance = if shape[1] < 15 { 2e-4 } else { 1e-5 };
            let eps = 1e-3;
            let kernel = Norm(Formula { arch, eps: eps as f32, masks: None });
            agree(
                [x.clone(), w.clone()],
                |[x, w]| apply_2(kernel.clone(), x, flat(w)),
                |[x, w]| composed::layer_norm(x, flat(w), None, eps),
                tolerance,
            );
            agree(
                [x, w, b],
                |[x, w, b]| apply_3(kernel.clone(), x, flat(w), flat(b)),
                |[x, w, b]| composed::layer_norm(x, flat(w), Some(flat(b)), eps),
                tolerance,
            );
        }
    }
}

#[test]
fn of_a_sum_agrees_with_its_twin() {
    for arch in instruction_sets() {
        for (shape, with_masks) in SHAPES.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
            let [x, residual, w, b] = inputs(shape);
            let tolerance = if shape[1] < 15 { 2e-4 } else { 1e-5 };
            let eps = 1e-3;
            let masks = with_masks.then(|| masks(shape[0]));
            let kernel = SumNorm(Formula { arch, eps: eps as f32, masks: masks.clone() });
            let dropped = |x| dropout::composed::dropout(x, masks.as_ref());
            agree(
                [x.clone(), residual.clone(), w.clone()],
                |[x, residual, w]| apply_3(kernel.clone(), x, residual, flat(w)),
                |[x, residual, w]| composed::layer_norm(dropped(x) + residual, flat(w), None, eps),
                tolerance,
            );
            // The gradient by x goes over x in place, because nothing else holds it.
            agree(
                [x, residual, w, b],
                |[x, residual, w, b]| apply_4(kernel.clone(), x * 1.0, residual, flat(w), flat(b)),
                |[x, residual, w, b]| composed::layer_norm(dropped(x) + residual, flat(w), Some(flat(b)), eps),
                tolerance,
            );
        }
    }
}

#[test]
fn rows_far_from_zero_keep_their_digits() {
    let x = random([4, 384], 7);
    let norm = |x: Tensor<2>| {
        let y = flex::layer_norm(x, Tensor::ones([384], &Device::flex()), None, 1e-12);
        y.into_data().try_to_vec::<f32>().unwrap()
    };
    // Steps of 1/4096 are exact in f32 beside 1024.
    let steps = (x * 4096.0).round() / 4096.0;
    let (near, far) = (norm(steps.clone()), norm(steps + 1024.0));
    assert!(near.iter().zip(far).all(|(near, far)| (near - far).abs() < 5e-4));
}

#[test]
fn is_the_same_on_any_number_of_threads() {
    let run = |[x, residual, w, b]: [Tensor<2>; 4]| {
        flex::drop_add_norm(x, residual, flat(w), Some(flat(b)), 1e-12, Some(masks(200)))
    };
    same_on_any_threads(inputs([200, 384]), run);
}

// x = torch.tensor([[1., 2., 4.]], requires_grad=True); w = torch.tensor([2., 1., .5]); b = torch.tensor([0., 1., -1.])
// y = torch.nn.functional.layer_norm(x, [3], w, b, 1e-5); (y * torch.tensor([[1., -1., 2.]])).sum().backward(); print(y, x.grad)
#[test]
fn a_layer_norm_is_that_of_torch() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_data([[1.0, 2.0, 4.0]], &device).require_grad();
    let weight = Tensor::<1>::from_data([2.0, 1.0, 0.5], &device);
    let bias = Tensor::<1>::from_data([0.0, 1.0, -1.0], &device);
    let y = flex::layer_norm(x.clone(), weight, Some(bias), 1e-5);
    let weights = Tensor::<2>::from_data([[1.0, -1.0, 2.0]], &device);
    let gradients = (y.clone() * weights).sum().backward();
    let near = |found: Vec<f32>, expected: [f32; 3]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?} is not {expected:?}");
    };
    near(y.inner().into_data().try_to_vec().unwrap(), [-2.1380827, 0.732_739_7, -0.3318491]);
    near(x.grad(&gradients).unwrap().into_data().try_to_vec().unwrap(), [0.916_322_3, -1.3744816, 0.45815927]);
}

#[test]
fn a_row_with_nan_is_nan_and_other_rows_are_not() {
    for norm in [flex::layer_norm, composed::layer_norm] {
        let device = Device::flex().autodiff();
        let x = Tensor::from_floats([[f32::NAN, 1.0, 0.0], [3.0, 0.0, 4.0]], &device).require_grad();
        let y = norm(x.clone(), Tensor::ones([3], &device), None, 1e-5);
        let gradient = x.grad(&y.clone().powi_scalar(3).sum().backward()).unwrap();
        for values in [y.inner(), gradient] {
            let values = values.into_data().try_to_vec::<f32>().unwrap();
            assert!(values[..3].iter().all(|y| y.is_nan()) && values[3..].iter().all(|y| y.is_finite()), "{values:?}");
        }
    }
}
