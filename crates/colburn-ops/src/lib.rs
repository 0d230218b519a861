//! Packed sequences and the operations of late interaction on them.
//!
//! A batch of texts is one run of tokens, `[tokens, hidden]`, with [`Spans`] that hold the place of each text in it. Linear layers, norms and
//! activations never see a text boundary, so no work is spent on padding; only [`attention`], [`maxsim`] and [`xtr`] look at the spans. The
//! same holds for the result: [`Embeddings`] are one run of vectors with spans and a scoring mask. The layers of an encoder share a
//! [`Batch`], which makes positions, index tensors and masks once.
//!
//! An operation is a folder. Its `mod.rs` is the public function and the choice of an implementation; `composed` is made of Burn's
//! operations and runs, with its gradient, on every backend; `flex` is the kernel of the CPU backend, with a gradient written by hand.
//! [`kernels`] switches kernels off. `kernel` is the way of a kernel into Burn's graph, `cpu` the parts that CPU kernels are made of.
//!
//! The crate compiles without any backend. The features `flex`, `ndarray`, `wgpu` and `cuda` pass through to Burn, and
//! [`device::by_name`] picks one of those that were compiled in.

mod activation;
mod adamw;
mod any_tensor;
mod attention;
mod batch;
mod blocks;
#[cfg(feature = "flex")]
mod cpu;
mod cross_entropy;
#[cfg(feature = "cube")]
mod cube;
pub mod device;
mod dropout;
mod embeddings;
mod error;
mod gather;
mod implementation;
mod kernel;
mod late_numbers;
mod linear;
mod masks;
mod maxsim;
pub mod memory;
mod norm;
mod normalize;
mod padded;
mod precision;
mod rotary;
mod seed;
mod spans;
#[cfg(test)]
#[cfg(feature = "flex")]
mod testing;
mod xtr;

pub use activation::{Activation, gelu, gelu_new};
pub use adamw::{
    AdamWSettings, AdamWUpdate, Clip, ParameterUpdate, adamw, adamw_all, squared_norm, squared_norms, updates_on_device,
};
pub use any_tensor::AnyTensor;
pub use attention::{AttentionOptions, RelativeBias, attention, attention_packed};
pub use batch::Batch;
pub use blocks::{
    AttentionWeights, FeedForwardWeights, LinearWeights, PostNorm, PreNorm, PreNormAttentionWeights,
    PreNormFeedForwardWeights, Projection, attention_block, feed_forward_block, pre_norm_attention_block,
    pre_norm_feed_forward_block,
};
pub use cross_entropy::cross_entropy;
pub use dropout::{drop_add, dropout};
pub use embeddings::Embeddings;
pub use error::{Error, Result};
pub use gather::gather;
pub use kernel::switch as kernels;
pub use late_numbers::LateNumbers;
pub use linear::{linear, three_linears};
pub use masks::Dropout;
pub use maxsim::{MaskRule, PreparedDocuments, PreparedQueries, maxsim, maxsim_pairs};
pub use norm::{drop_add_norm, layer_norm};
pub use normalize::normalize;
pub use precision::Precision;
pub use rotary::Rotary;
pub use seed::mix;
pub use spans::Spans;
pub use xtr::{xtr, xtr_pairs};
