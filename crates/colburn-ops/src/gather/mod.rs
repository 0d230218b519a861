//! Rows of an embedding table.

mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use crate::implementation::Implementation;

/// The rows of a table by their numbers. As with `padding_idx` in PyTorch, the row `frozen` is looked up like any other, but no gradient
/// reaches it.
///
/// # Shapes
/// `table`: `[rows, width]`; the result: `[ids, width]`.
///
/// # Panics
/// When the table has no row of such a number.
pub fn gather(table: Tensor<2>, ids: &[u32], frozen: Option<u32>) -> Tensor<2> {
    match Implementation::of(&table) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::gather(table, ids, frozen),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::gather(table, ids, frozen),
        Implementation::Composed => composed::gather(table, ids, frozen),
    }
}
