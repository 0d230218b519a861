//! A cast and its place.

use burn_cubecl::tensor::CubeTensor;

/// A cast of an array, `[rows, columns]` or `[columns]`, into columns of a wider one of as many rows.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    pub from: CubeTensor,
    pub to: CubeTensor,
    /// The first column.
    pub first: usize,
}

impl Cast {
    /// Columns of the array, and of that which it goes into.
    pub(super) fn widths(&self) -> [usize; 2] {
        [&self.from, &self.to].map(|array| {
            let shape = array.meta.shape();
            shape[shape.num_dims() - 1]
        })
    }
}
