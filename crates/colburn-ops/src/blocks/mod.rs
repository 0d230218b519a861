//! The two halves of a layer of BERT, each as one operation: attention and feed-forward, with the norm that follows them (Vaswani et al. 2017,
//! Devlin et al. 2019).
//!
//! The composed form is a chain of this crate's operations, and on flex each of these is a kernel. On the CubeCL backends a block is one node of
//! Burn's graph: an operation through Burn's API costs the host 40 µs, a kernel that a node starts 8 µs. Inside a block activations have the
//! type of the precision; the input and the output, which are the residual stream, are f32.

mod attention;
mod feed_forward;
#[cfg(feature = "cube")]
mod post_norm;
#[cfg(feature = "cube")]
mod projection;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

pub use self::attention::{AttentionWeights, attention_block};
pub use self::feed_forward::{FeedForwardWeights, feed_forward_block};

/// A linear layer with a bias.
#[derive(Clone, Debug)]
pub struct LinearWeights {
    /// `[from, to]`.
    pub weight: Tensor<2>,
    /// `[to]`.
    pub bias: Tensor<1>,
}

/// The end of a block: the norm of the input plus the block's output after dropout.
#[derive(Clone, Debug)]
pub struct PostNorm {
    /// `[width]`.
    pub weight: Tensor<1>,
    /// `[width]`.
    pub bias: Tensor<1>,
    /// Added to the variance.
    pub eps: f64,
    /// Probability of dropping an element of the block's output.
    pub dropout: f64,
}
