//! Cross-entropy of scores: the end of the contrastive loss.

mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(test)]
#[cfg(feature = "flex")]
#[cfg(feature = "cube")]
mod tests;

use burn::tensor::Tensor;

use crate::implementation::Implementation;

/// The negative logarithm of the softmax of each row's label (`torch.nn.functional.cross_entropy` with `reduction="none"`).
///
/// # Shapes
/// `scores`: `[rows, columns]`; `labels`: a column for each row; the result: `[rows]`.
///
/// # Panics
/// When there are not as many labels as rows, or a label is not a column.
pub fn cross_entropy(scores: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let [rows, columns] = scores.dims();
    assert_eq!(labels.len(), rows, "number of labels");
    assert!(labels.iter().all(|&label| (label as usize) < columns), "a label beyond {columns} columns");
    match Implementation::of(&scores) {
        #[cfg(feature = "cube")]
        Implementation::Cube if rows > 0 => cube::cross_entropy(scores, labels),
        _ => composed::cross_entropy(scores, labels),
    }
}
