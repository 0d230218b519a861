//! The matrices of a product, in arrays.

use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::sizes;

/// A matrix in an array: all of it, some of its columns, or either of them turned.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(super) array: CubeTensor,
    /// The first element.
    pub(super) first: usize,
    /// Rows and columns in memory.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Distance from a row to the next, in elements.
    pub(super) stride: usize,
    pub(super) transposed: bool,
    /// Number of matrices, and the distance from one to the next.
    pub(super) batch: (usize, usize),
}

impl Matrix {
    /// All of an array of two dimensions.
    pub fn new(array: &CubeTensor) -> Self {
        let [rows, columns] = sizes(array);
        Self { array: array.clone(), first: 0, rows, columns, stride: columns, transposed: false, batch: (1, 0) }
    }

    /// Some columns of an array of two dimensions.
    pub fn columns(array: &CubeTensor, first: usize, columns: usize) -> Self {
        Self { first, columns, ..Self::new(array) }
    }

    /// An array of three dimensions as one matrix each.
    pub fn batch(array: &CubeTensor) -> Self {
        let [count, rows, columns] = sizes(array);
        let array = array.clone();
        Self { array, first: 0, rows, columns, stride: columns, transposed: false, batch: (count, rows * columns) }
    }

    /// So many matrices of equal width, side by side in an array of two dimensions.
    pub fn side_by_side(array: &CubeTensor, count: usize) -> Self {
        let whole = Self::new(array);
        let columns = whole.columns / count;
        Self { columns, batch: (count, columns), ..whole }
    }

    /// This matrix so many times.
    pub fn repeated(self, count: usize) -> Self {
        Self { batch: (count, 0), ..self }
    }

    /// The transposed matrix.
    pub fn transposed(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Rows and columns of the matrix as it is multiplied.
    pub(super) fn sizes(&self) -> [usize; 2] {
        if self.transposed { [self.columns, self.rows] } else { [self.rows, self.columns] }
    }
}

/// The numbers that a product is computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arithmetic {
    /// Factors of f32 are rounded to 10 bits of their fraction, which tensor cores take. Only CUDA does so.
    pub tf32: bool,
}
