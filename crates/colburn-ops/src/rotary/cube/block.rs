//! The rotation of queries and keys inside a block: q, k and v lie side by side in an array that belongs to the block alone.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

#[cfg(feature = "cuda")]
use super::cuda::{self, Table};
use super::portable::Angles;
use crate::batch::Batch;
use crate::cube::queue::Queue;
use crate::rotary::angles::Tables;

/// The rotation of the tokens of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Rotation {
    /// By the kernel of CubeCL.
    Portable(Box<Angles>),
    /// By the kernel in CUDA C++.
    #[cfg(feature = "cuda")]
    Cuda(Table),
}

impl Rotation {
    /// The rotation of heads of this size, an even number, in this type, with the base `theta` of their wavelengths.
    pub fn new(batch: &mut Batch, head_dim: usize, theta: f64, dtype: DType) -> Self {
        #[cfg(feature = "cuda")]
        if cuda::serves(batch.device(), head_dim, dtype) {
            return Self::Cuda(Table::new(batch, head_dim, theta));
        }
        let _ = dtype;
        let Tables { cos, sin } = Tables::of(batch, head_dim, theta);
        Self::Portable(Box::new(Angles::new(cos, sin)))
    }

    /// Rotates the queries and keys of `[tokens, 3 · hidden]` by the angles or, if `back` is set, by the opposite ones. The array is written
    /// over: nothing else may hold it.
    pub fn apply(&self, queue: &mut Queue, qkv: CubeTensor, back: bool) -> CubeTensor {
        match self {
            Self::Portable(angles) => {
                let columns = 2 * (qkv.meta.shape()[1] / 3);
                queue.start();
                angles.rotated(qkv, columns, back)
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(table) => {
                let task = queue.task().expect("kernels in CUDA C++ are chosen on CUDA alone");
                table.rotate(task, &qkv, back);
                qkv
            }
        }
    }
}
