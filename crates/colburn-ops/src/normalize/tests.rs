//! The kernel against its twin, rows of zeros and rows with NaN.

use burn::tensor::{Device, Tensor};

use super::flex::Normalize;
use super::{composed, flex};
use crate::kernel::flex::apply_1;
use crate::testing::{agree, instruction_sets, random, same_on_any_threads};

// x = torch.tensor([[3., 4.], [0., 0.]], requires_grad=True)
// y = torch.nn.functional.normalize(x, dim=-1); (y * torch.tensor([[1., 0.], [0., 0.]])).sum().backward(); print(y, x.grad)
#[test]
fn a_row_of_zeros_has_a_finite_gradient() {
    for function in [flex::normalize, composed::normalize] {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_data([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
        let y = function(x.clone());
        let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 0.0]], &device);
        let gradients = (y.clone() * weights).sum().backward();
        let values = y.inner().into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(values, [0.6, 0.8, 0.0, 0.0]);
        let gradient = x.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (found, expected) in gradient.iter().zip([0.128, -0.096, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{gradient:?}");
        }
    }
}

#[test]
fn agrees_with_its_twin() {
    for arch in instruction_sets() {
        let kernel = Normalize { arch };
        for shape in [[0, 5], [1, 1], [3, 1], [9, 3], [5, 15], [4, 16], [7, 17], [20, 31], [90, 128], [40, 384]] {
            let x = random(shape, 1);
            // The gradient of a row of one number is 0 but for rounding.
            let tolerance = if shape[1] == 1 { 1e-3 } else { 1e-5 };
            agree([x.clone()], |[x]| apply_1(kernel.clone(), x), |[x]| composed::normalize(x), tolerance);
            // Shorter than the bound.
            let x = x * 1e-14;
            agree([x], |[x]| apply_1(kernel.clone(), x), |[x]| composed::normalize(x), 1e-5);
        }
    }
}

#[test]
fn a_row_with_nan_is_nan_and_other_rows_are_not() {
    for normalize in [flex::normalize, composed::normalize] {
        let x = Tensor::from_floats([[f32::NAN, 1.0, 0.0], [3.0, 0.0, 4.0]], &Device::flex().autodiff()).require_grad();
        let y = normalize(x.clone());
        let gradient = x.grad(&y.clone().sum().backward()).unwrap();
        for values in [y.inner(), gradient] {
            let values = values.into_data().try_to_vec::<f32>().unwrap();
            assert!(values[..3].iter().all(|y| y.is_nan()) && values[3..].iter().all(|y| y.is_finite()), "{values:?}");
        }
    }
}

#[test]
fn is_the_same_on_any_number_of_threads() {
    same_on_any_threads([random([500, 128], 1)], |[x]| flex::normalize(x));
}
