//! Data sets, collation and sampling for late-interaction training.
//!
//! A [`Source`] names files, and all their formats are read alike: as [`Records`], one row after the other, or as a [`Dataset`] of
//! rows on disk, any of which can be read at once. [`Columns`] finds the query and the documents among its columns, and [`TextRows`]
//! chooses the texts of its rows. A [`KdProcessing`] joins a teacher's scores with their texts, and [`StreamRows`] reads rows while they are
//! trained on. All are [`Examples`].
//! A [`BatchSampler`] chooses the rows of batch *n* of epoch *e*, a [`MultiSampler`] those of several data sets, and a
//! [`Collator`] turns the rows into the tokens of a [`Batch`]. An [`EmbeddingsWriter`] writes the embeddings of texts to
//! Parquet. Nothing here makes a tensor, so batches can be prepared beside the training.

mod collator;
mod dataset;
mod distillation;
mod doubts;
mod error;
mod examples;
mod fingerprint;
mod hash;
mod nearest;
mod one_line;
mod prompts;
mod read;
mod roles;
mod sampling;
mod shuffle;
mod source;
mod stream;
mod table;
mod texts;
mod write;

pub use collator::{Batch, Collator};
pub use dataset::Dataset;
pub use distillation::KdProcessing;
pub use error::{Error, Place, Result};
pub use examples::{Examples, KnownRows};
pub use nearest::nearest;
pub use prompts::Prompts;
pub use read::listing::SourceFile;
pub use read::records::{Record, Records};
pub use roles::columns::Columns;
pub use roles::mapping::Roles;
pub use roles::options::{Missing, Positives, RowOptions, ShortRows};
pub use roles::rows::TextRows;
pub use sampling::{BatchSampler, EpochBatches, MultiDatasetSampling, MultiEpoch, MultiSampler, Sampling};
pub use source::{Format, Source};
pub use stream::{StreamBatch, StreamBatches, StreamRows};
pub use table::lists::List;
pub use table::value::Value;
pub use texts::{TableColumns, TextColumns, TextRecord, Texts, join_title, plain_id, same_id, strip};
pub use write::column_type::ColumnType;
pub use write::convert::{WriteOptions, Written, convert};
pub use write::embeddings::{EmbeddingColumns, EmbeddingId, EmbeddingValues, EmbeddingsWriter};
