//! Data sets, collation and sampling for late-interaction training.
//!
//! A [`Dataset`] holds rows of text on disk and gives any of them at once; [`Columns`] says which column is the query and
//! which are the documents; a [`KdProcessing`] joins a teacher's scores with the texts that they are of. Both are
//! [`Examples`]: a [`BatchSampler`] says which rows of them make up batch *n* of epoch *e*, a [`MultiSampler`] does so for
//! several, and a [`Collator`] turns those rows into the tokens of a [`Batch`]. An [`EmbeddingsWriter`] keeps what a model
//! makes of texts. Nothing here makes a tensor, so batches can be prepared beside the training.

mod builder;
mod collator;
mod columns;
mod dataset;
mod distillation;
mod embeddings;
mod error;
mod examples;
mod group_by_length;
mod hash;
mod ids;
mod lists;
mod literal;
mod multi_sampler;
mod nearest;
mod no_duplicates;
mod numbers;
mod prompts;
mod read;
mod sampler;
mod shuffle;
mod source;
mod split;
mod table;
mod texts;

pub use collator::{Batch, Collator};
pub use columns::Columns;
pub use dataset::Dataset;
pub use distillation::KdProcessing;
pub use embeddings::{EmbeddingColumns, EmbeddingId, EmbeddingValues, EmbeddingsWriter};
pub use error::{Error, Place, Result};
pub use examples::Examples;
pub use lists::List;
pub use multi_sampler::{MultiDatasetSampling, MultiEpoch, MultiSampler};
pub use nearest::nearest;
pub use prompts::Prompts;
pub use sampler::{BatchSampler, EpochBatches, Sampling};
