//! ColBERT models: tokenizer, encoders, projection, loading, saving, encoding.
//!
//! A [`ColBert`] is a pretrained encoder followed by a projection. It is loaded from and saved in the file layout of PyLate, and its numbers
//! are PyLate's within float error. [`ColBert::forward`] is the only way to the encoder: it takes a packed [`TokenBatch`] and returns packed
//! [`Embeddings`](colburn_ops::Embeddings). [`ColBert::encode`] computes the vectors of texts, and [`pool`] reduces their number.

mod ahead;
pub mod card;
mod colbert;
mod config;
#[cfg(test)]
#[cfg(feature = "flex")]
mod damaged;
mod dense;
mod differences;
mod draw;
mod encode;
mod encoder;
mod error;
mod files;
mod load;
mod names;
mod pointer;
mod pooling;
mod prompts;
mod save;
mod tokenizer;
mod tokens;
mod weights;

pub use ahead::ahead;
pub use colbert::ColBert;
pub use config::{ColBertConfig, ColBertOptions};
pub use encode::{EncodeOptions, EncodedWindows, Tokenizing};
pub use error::{Error, Misshaped, Result};
pub use files::write_atomic;
pub use names::Parameter;
pub use pooling::pool;
pub use tokenizer::TextTokenizer;
pub use tokenizer::count::{TokenCount, TokenCounter};
pub use tokens::{Kind, TokenBatch, TokenEmbeddings};
