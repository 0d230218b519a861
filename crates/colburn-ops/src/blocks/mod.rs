//! The two halves of a layer of an encoder, each as one operation: attention and feed-forward, with the norm that follows them (BERT; Vaswani et
//! al. 2017, Devlin et al. 2019) or goes before them ([`pre_norm`]: ModernBERT; Warner et al. 2024).
//!
//! The composed form is a chain of this crate's operations, and on flex each of these is a kernel. On the CubeCL backends a block is one node of
//! Burn's graph, and on CUDA one task in each direction, as far as its kernels are in CUDA C++: an operation through Burn's API costs the host
//! 40 µs, a kernel of CubeCL 26 µs, a task 5 µs, and a step of a task 4 µs of another thread. Inside a block activations have the type of the
//! precision; the input and the output, which are the residual stream, are f32.

mod attention;
mod feed_forward;
#[cfg(feature = "cube")]
mod handover;
#[cfg(feature = "cube")]
mod post_norm;
mod pre_norm;
#[cfg(feature = "cube")]
mod projection;
#[cfg(test)]
#[cfg(feature = "flex")]
#[cfg(feature = "cube")]
mod tests;
mod weights;

pub use self::attention::attention_block;
pub use self::feed_forward::feed_forward_block;
pub use self::pre_norm::{pre_norm_attention_block, pre_norm_feed_forward_block};
pub use self::weights::{
    AttentionWeights, FeedForwardWeights, LinearWeights, PostNorm, PreNorm, PreNormAttentionWeights,
    PreNormFeedForwardWeights, Projection,
};
