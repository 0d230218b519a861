//! Cross-entropy made of Burn's operations.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};

pub(super) fn cross_entropy(scores: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let rows = labels.len();
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [rows, 1]), &scores.device());
    log_softmax(scores, 1).gather(1, labels).neg().reshape([rows])
}
