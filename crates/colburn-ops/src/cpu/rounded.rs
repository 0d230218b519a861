//! Products of matrices whose factors are rounded to a shorter type first, by the product of f32: the numbers of processors that multiply that type,
//! and as slow as f32.

use super::matrix::{self, Matrix};

/// As [`matrix::product`], of the operands rounded to f16. What f16 cannot hold is infinite.
///
/// # Panics
/// When the shapes do not fit together, or `out` is too short.
pub(crate) fn product_of_f16(out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    product(|x| burn::tensor::f16::from_f32(x).to_f32(), out, width, a, b, add);
}

/// As [`matrix::product`], of the operands rounded by a function.
///
/// # Panics
/// When the shapes do not fit together, or `out` is too short.
pub(super) fn product(round: impl Fn(f32) -> f32, out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    let rounded = |matrix: Matrix| {
        let [rows, columns] = matrix.shape();
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column]));
        places.map(|place| round(matrix.at(place))).collect::<Vec<f32>>()
    };
    let (left, right) = (rounded(a), rounded(b));
    let whole = |values, [rows, columns]: [usize; 2]| Matrix::new(values, rows, columns);
    matrix::product(out, width, whole(&left, a.shape()), whole(&right, b.shape()), add);
}
