//! Products by cubek's kernels, without tuning: on wgpu, and on CUDA where cuBLASLt is missing.

use burn_cubecl::kernel::{
    into_contiguous,
    matmul::{MatmulStrategy, matmul},
};
use burn_cubecl::tensor::CubeTensor;
use burn_std::{Metadata, strides};

use super::matrix::Matrix;
use crate::cube::copy::{copied, copy_into};

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

/// One of the matrices as a tensor, with strides. It is copied where the device cannot address a buffer that starts there.
fn tensor(matrix: &Matrix, number: usize) -> CubeTensor {
    let mut tensor = matrix.array.clone();
    let (rows, columns, stride) = (matrix.rows, matrix.columns, matrix.stride);
    let first = matrix.first + number * matrix.batch.1;
    let start = (first * tensor.dtype.size()) as u64;
    if start.is_multiple_of(tensor.client.properties().memory.alignment) {
        tensor.handle = tensor.handle.offset_start(start);
    } else {
        tensor = copied(&tensor, first, rows.saturating_sub(1) * stride + columns, tensor.dtype);
    }
    *tensor.meta = if matrix.transposed {
        Metadata::new([columns, rows], strides![1, stride])
    } else {
        Metadata::new([rows, columns], strides![stride, 1])
    };
    tensor
}
