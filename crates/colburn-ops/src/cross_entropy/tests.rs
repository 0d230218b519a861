//! The kernel against its twin.

use super::{composed, cube};
use crate::cube::testing::agree;
use crate::testing::random;

#[test]
fn cube_agrees_with_its_twin() {
    for (seed, [rows, columns]) in [[1, 1], [3, 7], [32, 64], [5, 1000]].into_iter().enumerate() {
        let labels: Vec<u32> = (0..rows as u32).map(|row| row * 7 % columns as u32).collect();
        agree(
            [random([rows, columns], seed as u64)],
            |[scores]| cube::cross_entropy(scores * 5.0, &labels).reshape([rows, 1]),
            |[scores]| composed::cross_entropy(scores * 5.0, &labels).reshape([rows, 1]),
            1e-5,
        );
    }
}

#[test]
fn cube_does_not_hide_nan() {
    use burn::tensor::{Tensor, TensorData};

    let scores = TensorData::new(vec![1.0, f32::NAN, 2.0, 3.0], [2, 2]);
    let scores = Tensor::<2>::from_data(scores, &crate::cube::testing::device());
    let losses: Vec<f32> = cube::cross_entropy(scores, &[0, 0]).into_data().try_to_vec().unwrap();
    assert!(losses[0].is_nan() && (losses[1] - 1.3132617).abs() < 1e-6, "{losses:?}");
}
