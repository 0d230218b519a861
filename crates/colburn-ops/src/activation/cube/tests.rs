//! The kernels against their twins on flex.

use burn::tensor::{DType, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::super::composed;
use super::Extras;
use crate::activation::Activation;
use crate::cube::array::len;
use crate::cube::copy::cast;
use crate::cube::queue::alone;
use crate::cube::testing::{agree, array, moved, numbers_of, short_types, values};
use crate::testing::{close, random};

const SHAPES: [[usize; 2]; 6] = [[0, 5], [1, 7], [5, 15], [3, 16], [3, 18], [50, 384]];

fn all() -> Vec<Activation> {
    Activation::NAMES.into_iter().filter_map(Activation::from_name).collect()
}

fn forward(activation: Activation, x: &CubeTensor) -> CubeTensor {
    alone(x, |queue| super::forward(queue, activation, x))
}

fn backward(
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    alone(x, |queue| super::backward(queue, activation, x, gradient, extras))
}

fn gated_forward(activation: Activation, x: &CubeTensor) -> CubeTensor {
    alone(x, |queue| super::gated_forward(queue, activation, x))
}

fn gated_backward(
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    alone(x, |queue| super::gated_backward(queue, activation, x, gradient, extras))
}

/// All that a backward pass gives, but for the sums of columns.
const BOTH: Extras = Extras { value: true, sums: false };

#[test]
fn every_element_agrees_with_its_twin() {
    for (seed, activation) in all().into_iter().enumerate() {
        for shape in SHAPES {
            let x = random(shape, seed as u64) * 3.0;
            agree([x], |[x]| activation.forward(x), |[x]| composed::activate(activation, x), 4e-6);
        }
    }
    agree(
        [random([3, 5, 8], 1)],
        |[x]| Activation::Gelu.forward(x),
        |[x]| composed::activate(Activation::Gelu, x),
        1e-6,
    );
}

#[test]
fn far_from_zero_values_are_those_of_the_twin() {
    let far =
        [-1e30f32, -3000.0, -88.5, -30.0, -14.0, -6.0, 6.0, 14.0, 30.0, 88.5, 3000.0, 1e18, 20.0, 19.5, 10.0, -0.0];
    for activation in all() {
        // Squares and cubes of the largest are infinite in the twin, too.
        let count =
            if matches!(activation, Activation::Gelu | Activation::Relu | Activation::Linear) { 1..16 } else { 3..11 };
        let x = Tensor::<1>::from_floats(&far[count], &burn::tensor::Device::flex()).unsqueeze::<2>();
        // Eight times as many are whole vectors.
        for x in [x.clone(), Tensor::cat(vec![x; 8], 1)] {
            // The twin takes 1 - σ, which has few digits there.
            agree([x], |[x]| activation.forward(x), |[x]| composed::activate(activation, x), 5e-5);
        }
    }
}

#[test]
fn gated_units_agree_with_their_twins() {
    for activation in [Activation::Gelu, Activation::Silu, Activation::Relu] {
        for shape in [[3, 2], [4, 6], [5, 30], [3, 32], [4, 34], [40, 2304]] {
            let x = random(shape, 7) * 2.0;
            agree([x], |[x]| activation.gated(x), |[x]| composed::gated(activation, x), 4e-6);
        }
    }
    for (shape, expected) in [([0, 6], [0, 3]), ([2, 0], [2, 0]), ([2, 1], [2, 0])] {
        let x = moved(random(shape, 1)).autodiff().require_grad();
        let y = Activation::Gelu.gated(x.clone());
        assert_eq!(y.dims(), expected);
        assert_eq!(values(x.grad(&y.sum().backward()).unwrap()), vec![0.0; shape[0] * shape[1]]);
    }
}

#[test]
fn nan_stays_nan() {
    for activation in all() {
        let x = moved(Tensor::<2>::from_floats([[f32::NAN; 24], [1.0; 24]], &burn::tensor::Device::flex()));
        let y = values(activation.forward(x.clone()));
        assert!(y[..24].iter().all(|y| y.is_nan()) && y[24..].iter().all(|y| y.is_finite()), "{activation:?}: {y:?}");
        let y = values(activation.gated(x));
        assert!(y[..12].iter().all(|y| y.is_nan()), "{activation:?}, gated");
    }
}

#[test]
fn the_backward_pass_gives_the_value_and_sums_of_columns() {
    for shape in [[1, 3], [300, 40], [70, 1537], [70, 1536], [1000, 8], [6431, 264]] {
        let (x, gradient) = (array(random(shape, 1)), array(random(shape, 2)));
        let (by_x, value, _) = backward(Activation::Gelu, &x, &gradient, BOTH);
        assert!(numbers_of(&value.unwrap()) == numbers_of(&forward(Activation::Gelu, &x)), "the value is another");
        let extras = Extras { value: false, sums: true };
        let (again, none, sums) = backward(Activation::Gelu, &x, &gradient, extras);
        assert!(numbers_of(&again) == numbers_of(&by_x) && none.is_none());
        let mut expected = vec![0.0; shape[1]];
        for row in numbers_of(&by_x).chunks(shape[1]) {
            expected.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        close(&numbers_of(&sums.unwrap()), &expected, 1e-5, "the sums");
    }
    let x = array(random([0, 4], 1));
    let (_, _, sums) = backward(Activation::Gelu, &x, &x, Extras { value: true, sums: true });
    assert_eq!(numbers_of(&sums.unwrap()), [0.0; 4]);
}

#[test]
fn the_backward_pass_of_gated_units_gives_the_value_and_sums_of_columns() {
    for [rows, width] in [[1, 3], [9, 16], [70, 771], [1000, 8], [3000, 264]] {
        let (x, gradient) = (array(random([rows, 2 * width], 3)), array(random([rows, width], 4)));
        let (by_x, value, sums) = gated_backward(Activation::Silu, &x, &gradient, Extras { value: true, sums: true });
        assert!(
            numbers_of(&value.unwrap()) == numbers_of(&gated_forward(Activation::Silu, &x)),
            "the value is another"
        );
        let mut expected = vec![0.0; 2 * width];
        for row in numbers_of(&by_x).chunks(2 * width) {
            expected.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        close(&numbers_of(&sums.unwrap()), &expected, 1e-5, "the sums");
    }
}

#[test]
fn short_types_are_rounded_once() {
    for dtype in short_types() {
        is_rounded_once(dtype);
    }
}

fn is_rounded_once(dtype: DType) {
    let x = cast(&array(random([100, 256], 1)), dtype);
    let gradient = cast(&array(random([100, 256], 2)), dtype);
    let (x_wide, gradient_wide) = (cast(&x, DType::F32), cast(&gradient, DType::F32));
    let round = |x| numbers_of(&cast(&cast(&x, dtype), DType::F32));
    let wide = |x| numbers_of(&cast(&x, DType::F32));
    let y = forward(Activation::Gelu, &x);
    assert!(y.dtype == dtype && wide(y) == round(forward(Activation::Gelu, &x_wide)));
    let (by_x, value, _) = backward(Activation::Gelu, &x, &gradient, BOTH);
    let (expected, _, _) = backward(Activation::Gelu, &x_wide, &gradient_wide, BOTH);
    assert!(
        len(&by_x) == 25_600
            && wide(by_x) == round(expected)
            && wide(value.unwrap()) == round(forward(Activation::Gelu, &x_wide))
    );
    let y = gated_forward(Activation::Silu, &x);
    assert!(wide(y.clone()) == round(gated_forward(Activation::Silu, &x_wide)));
    let gradient_wide = cast(&y, DType::F32);
    let (by_x, value, _) = gated_backward(Activation::Silu, &x, &y, BOTH);
    let (expected, again, _) = gated_backward(Activation::Silu, &x_wide, &gradient_wide, BOTH);
    assert!(wide(by_x) == round(expected) && wide(value.unwrap()) == round(again.unwrap()));
}
