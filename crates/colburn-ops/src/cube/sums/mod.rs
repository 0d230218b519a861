//! Sums over the rows of a matrix: by blocks of rows, then over the blocks. Nothing depends on the order in which cubes run.

mod blocks;
#[cfg(feature = "cuda")]
mod cuda;
mod portable;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use self::blocks::{Blocks, LANES, ROWS};
pub(crate) use self::portable::write_block;
use super::array::sizes;
use super::queue::Queue;

/// The sum over the first dimension of partial sums, `[blocks, width]` of f32: `[width]`.
pub(crate) fn add_partial(queue: &mut Queue, partial: &CubeTensor) -> CubeTensor {
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::adds(partial)
    {
        return cuda::add_partial(task, partial);
    }
    queue.start();
    portable::add_partial(partial)
}

/// The sums of the columns of `[rows, width]`: `[width]` of f32.
pub(crate) fn column_sums(queue: &mut Queue, x: &CubeTensor) -> CubeTensor {
    let [rows, width] = sizes(x);
    if rows * width == 0 {
        return zeros(x, width);
    }
    let partial = partial_sums(queue, x);
    if sizes::<2>(&partial)[0] == 1 { first_row(partial, width) } else { add_partial(queue, &partial) }
}

fn partial_sums(queue: &mut Queue, x: &CubeTensor) -> CubeTensor {
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(x)
    {
        return cuda::partial_sums(task, x);
    }
    queue.start();
    portable::partial_sums(x)
}

/// The only row of an array as a vector.
fn first_row(mut x: CubeTensor, width: usize) -> CubeTensor {
    *x.meta = burn_std::Metadata::new([width], burn_std::strides![1]);
    x
}

/// So many zeros of f32.
pub(crate) fn zeros(like: &CubeTensor, count: usize) -> CubeTensor {
    burn_cubecl::ops::numeric::zeros_client(like.client.clone(), like.device.clone(), [count].into(), DType::F32)
}
