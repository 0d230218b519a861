//! Attention inside a block: on tensor cores where there are kernels for them, else by those of CubeCL.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::attention::AttentionOptions;
use crate::attention::cube::{Attention, Inputs};
#[cfg(feature = "cuda")]
use crate::attention::cuda::{TensorCores, serves};
use crate::batch::Batch;
#[cfg(feature = "cuda")]
use crate::cube::cuda::task::Task;
use crate::cube::queue::Queue;

/// Attention of q, k and v side by side.
#[derive(Clone, Debug)]
pub(super) enum Packed {
    /// The kernels of CubeCL.
    Portable(Attention),
    /// The kernels in CUDA C++.
    #[cfg(feature = "cuda")]
    TensorCores(TensorCores),
}

impl Packed {
    /// Attention of so many hidden elements of this type; it draws the masks of the next place in the network.
    pub fn new(hidden: usize, dtype: DType, options: AttentionOptions, batch: &mut Batch) -> Self {
        let masks = batch.masks(options.dropout);
        let options = options.within(batch.spans());
        #[cfg(feature = "cuda")]
        if serves(batch.device(), hidden / options.heads, dtype, &options) {
            return Self::TensorCores(TensorCores::new(hidden / options.heads, &options, masks.as_ref(), batch));
        }
        let _ = (hidden, dtype);
        Self::Portable(Attention::new(options, masks, batch))
    }

    /// The result and the logarithm of the sum of each softmax.
    pub fn forward(&self, queue: &mut Queue, qkv: &CubeTensor) -> (CubeTensor, CubeTensor) {
        match self {
            Self::Portable(attention) => {
                queue.start();
                attention.forward(&Inputs::packed(qkv.clone()))
            }
            #[cfg(feature = "cuda")]
            Self::TensorCores(attention) => attention.forward(task(queue), qkv),
        }
    }

    /// The gradient by q, k and v, from that by the result.
    pub fn backward(
        &self,
        queue: &mut Queue,
        qkv: CubeTensor,
        output: CubeTensor,
        log_sums: CubeTensor,
        gradient: CubeTensor,
    ) -> CubeTensor {
        match self {
            Self::Portable(attention) => {
                queue.start();
                attention.backward(Inputs::packed(qkv), output, log_sums, gradient).into_packed()
            }
            #[cfg(feature = "cuda")]
            Self::TensorCores(attention) => attention.backward(task(queue), &qkv, &output, &log_sums, &gradient),
        }
    }
}

/// The task of a queue of CUDA.
#[cfg(feature = "cuda")]
fn task(queue: &mut Queue) -> &mut Task {
    queue.task().expect("kernels in CUDA C++ are chosen on CUDA alone")
}
