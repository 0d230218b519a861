//! Layer normalization with its weights. Burn's own module has a private epsilon, which the operations need.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};

/// A norm over the hidden dimension (`torch.nn.LayerNorm`).
#[derive(Module, Debug)]
pub struct LayerNorm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub(crate) eps: f64,
}

impl LayerNorm {
    /// The norm of a new model: weights one, biases zero.
    pub fn new(width: usize, eps: f64, bias: bool, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([width], device),
            bias: bias.then(|| Initializer::Zeros.init([width], device)),
            eps,
        }
    }
}
