//! The weights of the blocks.

use burn::tensor::Tensor;

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

/// The weights of [`attention_block`](super::attention_block).
#[derive(Clone, Debug)]
pub struct AttentionWeights {
    /// The projections to queries, keys and values.
    pub projections: [LinearWeights; 3],
    /// The projection of the result.
    pub output: LinearWeights,
    /// The norm behind it.
    pub norm: PostNorm,
}

/// The weights of [`feed_forward_block`](super::feed_forward_block).
#[derive(Clone, Debug)]
pub struct FeedForwardWeights {
    /// `[hidden, inner]`.
    pub inner: LinearWeights,
    /// `[inner, hidden]`.
    pub outer: LinearWeights,
    /// The norm behind it.
    pub norm: PostNorm,
}

/// A linear layer with or without a bias.
#[derive(Clone, Debug)]
pub struct Projection {
    /// `[from, to]`.
    pub weight: Tensor<2>,
    /// `[to]`.
    pub bias: Option<Tensor<1>>,
}

/// The norm before a block.
#[derive(Clone, Debug)]
pub struct PreNorm {
    /// `[width]`.
    pub weight: Tensor<1>,
    /// `[width]`.
    pub bias: Option<Tensor<1>>,
    /// Added to the variance.
    pub eps: f64,
}

/// The weights of [`pre_norm_attention_block`](super::pre_norm_attention_block).
#[derive(Clone, Debug)]
pub struct PreNormAttentionWeights {
    /// The norm before it. The first layer of ModernBERT has none.
    pub norm: Option<PreNorm>,
    /// The projection to queries, keys and values side by side: `[hidden, 3 · hidden]`.
    pub qkv: Projection,
    /// The projection of the result: `[hidden, hidden]`.
    pub output: Projection,
    /// Probability of dropping an element of the block's output.
    pub dropout: f64,
}

/// The weights of [`pre_norm_feed_forward_block`](super::pre_norm_feed_forward_block).
#[derive(Clone, Debug)]
pub struct PreNormFeedForwardWeights {
    /// The norm before it.
    pub norm: PreNorm,
    /// The projection to the input of the activation and the gate, side by side: `[hidden, 2 · inner]`.
    pub inner: Projection,
    /// `[inner, hidden]`.
    pub outer: Projection,
    /// Probability of dropping an element of the gated activation.
    pub dropout: f64,
}
