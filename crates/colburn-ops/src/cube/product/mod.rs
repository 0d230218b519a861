//! Products of matrices on the device: by cuBLASLt on CUDA, by cubek's kernels elsewhere.

#[cfg(feature = "cuda")]
mod cublaslt;
mod cubek;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::array::sizes;

/// A matrix in an array: all of it, some of its columns, or either of them turned.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    array: CubeTensor,
    /// The first element.
    first: usize,
    /// Rows and columns in memory.
    rows: usize,
    columns: usize,
    /// Distance from a row to the next, in elements.
    stride: usize,
    transposed: bool,
    /// Number of matrices, and the distance from one to the next.
    batch: (usize, usize),
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
    fn sizes(&self) -> [usize; 2] {
        if self.transposed { [self.columns, self.rows] } else { [self.rows, self.columns] }
    }
}

/// The numbers that a product is computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arithmetic {
    /// Factors of f32 are rounded to 10 bits of their fraction, which tensor cores take. Only CUDA does so.
    pub tf32: bool,
}

/// `out ← a · b`, plus `out` if `add` is set, plus the bias, which has as many elements as `out` has columns and its type.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn product(a: Matrix, b: Matrix, bias: Option<&CubeTensor>, add: bool, out: &Matrix, arithmetic: Arithmetic) {
    let ([m, k], [k_of_b, n]) = (a.sizes(), b.sizes());
    assert!(
        k == k_of_b && out.sizes() == [m, n] && !out.transposed && a.array.dtype == b.array.dtype,
        "the product of {:?} and {:?} as {:?}",
        a.sizes(),
        b.sizes(),
        out.sizes()
    );
    if m * n == 0 {
        return;
    }
    #[cfg(feature = "cuda")]
    if k > 0 && cublaslt::serves(&out.array) {
        cublaslt::product(a, b, bias.cloned(), add, out.clone(), arithmetic);
        return;
    }
    let _ = arithmetic;
    cubek::product(a, b, bias, add, out);
}

/// The product as a new array of this type, `[rows of a, columns of b]`.
pub(crate) fn new_product(
    a: Matrix,
    b: Matrix,
    bias: Option<&CubeTensor>,
    dtype: DType,
    arithmetic: Arithmetic,
) -> CubeTensor {
    let ([m, _], [_, n]) = (a.sizes(), b.sizes());
    let out = super::array::empty(&a.array, [m, n], dtype);
    product(a, b, bias, false, &Matrix::new(&out), arithmetic);
    out
}
