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
pub(in crate::blocks) enum Packed {
    /// The kernels of CubeCL.
    Portable(Attention),
    /// The kernels in CUDA C++.
    #[cfg(feature = "cuda")]
    TensorCores(TensorCores),
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
pub(in crate::blocks) struct Attended {
    pub qkv: CubeTensor,
    /// Of the bias.
    pub table: Option<CubeTensor>,
    pub output: CubeTensor,
    /// Of each softmax.
    pub log_sums: CubeTensor,
}

impl Packed {
    /// Attention of so many hidden elements of this type; it draws the masks of the next place in the network.
    pub fn new(hidden: usize, dtype: DType, options: AttentionOptions, batch: &mut Batch) -> Self {
        let masks = batch.masks(options.dropout);
        let options = options.within(batch.spans());
        #[cfg(feature = "cuda")]
        if serves(batch, hidden / options.heads, dtype, &options) {
            return Self::TensorCores(TensorCores::new(hidden / options.heads, &options, masks.as_ref(), batch));
        }
        let _ = (hidden, dtype);
        Self::Portable(Attention::new(options, masks, batch))
    }

    /// The result and the logarithm of the sum of each softmax, with the table of a bias if the options have one.
    pub fn forward(&self, queue: &mut Queue, qkv: &CubeTensor, table: Option<&CubeTensor>) -> (CubeTensor, CubeTensor) {
        match self {
            Self::Portable(attention) => {
                queue.start();
                attention.forward(&Inputs::packed(qkv.clone()).with_table(table.cloned()))
            }
            #[cfg(feature = "cuda")]
            Self::TensorCores(attention) => attention.forward(task(queue), qkv, table),
        }
    }

    /// The gradients by q, k and v and by the table, from that by the result.
    pub fn backward(
        &self,
        queue: &mut Queue,
        Attended { qkv, table, output, log_sums }: Attended,
        gradient: CubeTensor,
    ) -> (CubeTensor, Option<CubeTensor>) {
        match self {
            Self::Portable(attention) => {
                queue.start();
                let inputs = Inputs::packed(qkv).with_table(table);
                attention.backward(inputs, output, log_sums, gradient).into_packed()
            }
            #[cfg(feature = "cuda")]
            Self::TensorCores(attention) => {
                attention.backward(task(queue), &qkv, table.as_ref(), &output, &log_sums, &gradient)
            }
        }
    }
}

/// The task of a queue of CUDA.
#[cfg(feature = "cuda")]
fn task(queue: &mut Queue) -> &mut Task {
    queue.task().expect("kernels in CUDA C++ are chosen on CUDA alone")
}
