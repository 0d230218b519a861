//! Products by cubek's kernels, without tuning: on wgpu, and on CUDA where cuBLASLt is missing.

use burn_cubecl::kernel::{
    into_contiguous,
    matmul::{MatmulStrategy, matmul},
};
use burn_cubecl::tensor::CubeTensor;
use burn_std::{Metadata, strides};

use super::matrix::Matrix;
use crate::cube::copy::copy_into;

/// As `product` of the module above.
pub(super) fn product(a: Matrix, b: Matrix, bias: Option<&CubeTensor>, add: bool, out: &Matrix) {
    let count = out.batch.0;
    for number in 0..count {
        let one = |matrix: &Matrix| tensor(matrix, number);
        let value =
            matmul(one(&a), one(&b), None, MatmulStrategy::default(), out.array.dtype).unwrap_or_else(|error| {
                panic!("no kernel for a product of {:?} and {:?}: {error:?}", a.sizes(), b.sizes())
            });
        copy_into(&into_contiguous(value), bias, add, &out.array, out.first + number * out.batch.1, out.stride);
    }
}

/// One of the matrices as a tensor, with strides.
fn tensor(matrix: &Matrix, number: usize) -> CubeTensor {
    let mut tensor = matrix.array.clone();
    let first = (matrix.first + number * matrix.batch.1) * tensor.dtype.size();
    tensor.handle = tensor.handle.offset_start(first as u64);
    let (rows, columns, stride) = (matrix.rows, matrix.columns, matrix.stride);
    *tensor.meta = if matrix.transposed {
        Metadata::new([columns, rows], strides![1, stride])
    } else {
        Metadata::new([rows, columns], strides![stride, 1])
    };
    tensor
}
