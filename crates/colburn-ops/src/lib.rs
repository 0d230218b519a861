//! Packed sequences and the operations of late interaction on them.
//!
//! A batch of texts is one run of tokens, `[tokens, hidden]`, with [`Spans`] that tell where each text lies in it. Linear layers,
//! norms and activations never see a text boundary, so no work is spent on padding; only [`attention`], [`maxsim`] and [`xtr`] look
//! at the spans. The same holds for the result: [`Embeddings`] are one run of vectors with spans and a scoring mask.
//!
//! Every operation here can be composed of Burn's tensor operations and therefore runs, with its gradient, on every backend that
//! Burn has. On the CPU backend flex those that cost time are kernels, with gradients written by hand; [`kernels`] turns them off. The
//! crate itself compiles without any backend; the features `flex`, `ndarray`, `wgpu` and `cuda` pass through to Burn, and
//! [`device::by_name`] picks one of those that were compiled in.

mod activation;
mod attention;
pub mod device;
mod dropout;
mod embeddings;
mod error;
#[cfg(feature = "flex")]
mod fused;
mod gather;
pub mod kernels;
mod linear;
mod maxsim;
pub mod memory;
mod norm;
mod padded;
mod precision;
mod rotary;
mod seed;
mod spans;
pub mod update;
mod xtr;

pub use activation::{Activation, gelu, gelu_new};
pub use attention::{AttentionOptions, RelativeBias, attention, attention_packed};
pub use dropout::Dropout;
pub use embeddings::Embeddings;
pub use error::{Error, Result};
pub use gather::gather;
pub use linear::{linear, three_linears};
pub use maxsim::{MaskRule, maxsim, maxsim_pairs};
pub use norm::{drop_add, drop_add_norm, layer_norm, normalize};
pub use precision::Precision;
pub use rotary::Rotary;
pub use seed::mix;
pub use spans::Spans;
pub use xtr::{xtr, xtr_pairs};
