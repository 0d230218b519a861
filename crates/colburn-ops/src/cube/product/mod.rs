//! Products of matrices on the device: by cuBLASLt on CUDA, by cubek's kernels elsewhere.

mod cubek;
#[cfg(feature = "cuda")]
mod cublaslt;
mod matrix;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use self::matrix::{Arithmetic, Matrix};
use super::queue::Queue;
use crate::cube::room::Room;

/// `out ← a · b`, plus `out` if `add` is set, plus the bias, which has as many elements as `out` has columns and its type.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn product(
    queue: &mut Queue,
    a: Matrix,
    b: Matrix,
    bias: Option<&CubeTensor>,
    add: bool,
    out: &Matrix,
    arithmetic: Arithmetic,
) {
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
    if let Some(task) = queue.task()
        && k > 0
        && cublaslt::serves()
    {
        return cublaslt::product(task, &a, &b, bias, add, out, arithmetic);
    }
    let _ = arithmetic;
    queue.start();
    cubek::product(a, b, bias, add, out);
}

/// The product as a new array of this type, `[rows of a, columns of b]`.
pub(crate) fn new_product(
    queue: &mut Queue,
    room: Room,
    a: Matrix,
    b: Matrix,
    bias: Option<&CubeTensor>,
    dtype: DType,
    arithmetic: Arithmetic,
) -> CubeTensor {
    let ([m, _], [_, n]) = (a.sizes(), b.sizes());
    let out = queue.empty_in(room, &a.array, [m, n], dtype);
    product(queue, a, b, bias, false, &Matrix::new(&out), arithmetic);
    out
}
