//! The kernel of CubeCL against its twin on flex.

use burn::tensor::{Device, Tensor};

use super::composed;
use crate::cube::testing::{agree, moved, values};
use crate::testing::random;

#[test]
fn the_kernel_of_cube_agrees_with_its_twin() {
    for shape in [[0, 5], [1, 1], [3, 1], [9, 3], [5, 15], [4, 16], [7, 18], [20, 31], [90, 128], [40, 384], [3, 2050]]
    {
        let x = random(shape, 1);
        // The gradient of a row of one number is 0 but for rounding.
        let tolerance = if shape[1] == 1 { 1e-3 } else { 1e-5 };
        agree([x.clone()], |[x]| crate::normalize(x), |[x]| composed::normalize(x), tolerance);
        // Shorter than the bound.
        agree([x * 1e-14], |[x]| crate::normalize(x), |[x]| composed::normalize(x), 1e-5);
    }
}

#[test]
fn a_row_with_nan_is_nan_and_other_rows_are_not_on_cube() {
    let x = Tensor::<2>::from_floats([[f32::NAN, 1.0, 0.0], [3.0, 0.0, 4.0], [0.0, 0.0, 0.0]], &Device::flex());
    let x = moved(x).autodiff().require_grad();
    let y = crate::normalize(x.clone());
    let gradient = x.grad(&y.clone().sum().backward()).unwrap();
    for values in [values(y.inner()), values(gradient)] {
        assert!(values[..3].iter().all(|y| y.is_nan()) && values[3..].iter().all(|y| y.is_finite()), "{values:?}");
    }
}
