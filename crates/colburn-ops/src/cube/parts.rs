//! Parts of an array, without a copy where the device can start a buffer there.

use burn_cubecl::tensor::CubeTensor;
use burn_std::{Metadata, strides};

use super::array::len;
use super::copy::copied;
use super::queue::Queue;

/// Rows from `first` on of an array `[rows, …]`; of a vector, elements. They share memory with the array, unless the device cannot address a
/// buffer that starts there.
///
/// # Panics
/// When the array has fewer rows.
pub(crate) fn rows_of(queue: &mut Queue, x: &CubeTensor, first: usize, count: usize) -> CubeTensor {
    let mut shape = x.meta.shape().clone();
    assert!(first + count <= shape[0], "rows {first} to {} of {}", first + count, shape[0]);
    if count == shape[0] {
        return x.clone();
    }
    let width = len(x) / shape[0];
    let bytes = |rows: usize| (rows * width * x.dtype.size()) as u64;
    let (start, alignment) = (bytes(first), x.client.properties().memory.alignment);
    let mut part = x.clone();
    if count == 0 || start.is_multiple_of(alignment) {
        part.handle = x.handle.clone().offset_start(start).offset_end(x.handle.size_in_used() - start - bytes(count));
    } else {
        queue.start();
        part.handle = copied(x, first * width, count * width, x.dtype).handle;
    }
    shape[0] = count;
    *part.meta = Metadata::new(shape, x.meta.strides().clone());
    part
}

/// The parts of an array of `N` times as many rows, or of a vector of as many times its elements. An array of three dimensions has one
/// matrix for each part.
///
/// # Panics
/// When it cannot be cut into `N` equal parts.
pub(crate) fn equal_parts<const N: usize>(queue: &mut Queue, x: &CubeTensor) -> [CubeTensor; N] {
    let shape = x.meta.shape();
    let (all, dimensions) = (shape[0], shape.num_dims());
    assert!(all.is_multiple_of(N), "{N} equal parts of {all} rows");
    std::array::from_fn(|number| {
        let mut part = rows_of(queue, x, number * (all / N), all / N);
        if dimensions == 3 && all == N {
            *part.meta = Metadata::new([shape[1], shape[2]], strides![shape[2], 1]);
        }
        part
    })
}
