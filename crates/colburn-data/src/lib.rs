//! Data sets, collation and sampling for late-interaction training.
//!
//! A [`Dataset`] has rows of texts, numbers and lists on disk, any of which can be read at once; [`Columns`] finds the query
//! and the documents among its columns. A [`KdProcessing`] joins a teacher's scores with their texts. Both are [`Examples`].
//! A [`BatchSampler`] chooses the rows of batch *n* of epoch *e*, a [`MultiSampler`] those of several data sets, and a
//! [`Collator`] turns the rows into the tokens of a [`Batch`]. An [`EmbeddingsWriter`] writes the embeddings of texts to
//! Parquet. Nothing here makes a tensor, so batches can be prepared beside the training.

mod collator;
mod columns;
mod dataset;
mod distillation;
mod error;
mod examples;
mod fingerprint;
mod hash;
mod nearest;
mod one_line;
mod prompts;
mod read;
mod sampling;
mod shuffle;
mod table;
mod write;

pub use collator::{Batch, Collator};
pub use columns::Columns;
pub use dataset::Dataset;
pub use distillation::KdProcessing;
pub use error::{Error, Place, Result};
pub use examples::Examples;
pub use nearest::nearest;
pub use prompts::Prompts;
pub use sampling::{BatchSampler, EpochBatches, MultiDatasetSampling, MultiEpoch, MultiSampler, Sampling};
pub use table::lists::List;
pub use write::embeddings::{EmbeddingColumns, EmbeddingId, EmbeddingValues, EmbeddingsWriter};
