//! The embedding matrices of all families. Rows are looked up in them, and the padding row never learns.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};
use colburn_ops::gather;

/// An embedding matrix, `[rows, dim]`.
#[derive(Module, Debug)]
pub struct Table {
    pub(crate) weight: Param<Tensor<2>>,
}

impl Table {
    /// All zero.
    pub fn zeros(rows: usize, dim: usize, device: &Device) -> Self {
        Self { weight: Initializer::Zeros.init([rows, dim], device) }
    }

    /// The rows of these numbers, `[numbers, dim]`.
    pub fn rows(&self, numbers: &[u32]) -> Tensor<2> {
        gather(self.weight.val(), numbers, None)
    }

    /// One row, `[1, dim]`.
    pub fn row(&self, number: usize) -> Tensor<2> {
        let table = self.weight.val();
        let [_, dim] = table.dims();
        table.slice([number..number + 1, 0..dim])
    }

    /// The rows of token ids, `[tokens, dim]`. A padding token written in a text has an embedding, but no gradient
    /// reaches that row, as with `padding_idx` in PyTorch.
    pub fn words(&self, ids: &[u32], padding: Option<u32>) -> Tensor<2> {
        gather(self.weight.val(), ids, padding)
    }
}
