//! ColBERT models: tokenizer, encoders, projection, loading, saving, encoding.
//!
//! A [`ColBert`] is a pretrained encoder with a projection behind it. It is read from, and saved in, the file layout of PyLate; its
//! numbers are PyLate's within float error. [`ColBert::forward`] is the one door to the encoder: a packed [`TokenBatch`] in, packed
//! [`Embeddings`](colburn_ops::Embeddings) out. [`ColBert::encode`] does all from texts to vectors, and [`pool`] makes fewer of them.

pub mod card;
mod colbert;
mod config;
#[cfg(all(test, feature = "flex"))]
mod damaged;
mod dense;
mod differences;
mod draw;
mod encode;
mod encoder;
mod error;
mod files;
mod layout;
mod names;
mod pooling;
mod projections;
mod resolve;
mod save;
mod stanford;
mod tokenizer;
mod tokens;
mod weights;

pub use colbert::ColBert;
pub use config::{ColBertConfig, ColBertOptions};
pub use encode::{EncodeOptions, TokenEmbeddings, Tokenizing};
pub use error::{Error, Misshaped, Result};
pub use files::write_atomic;
pub use names::Parameter;
pub use pooling::pool;
pub use tokenizer::TextTokenizer;
pub use tokens::{Kind, TokenBatch};
