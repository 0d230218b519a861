//! Data sets, collation and sampling for late-interaction training.
//!
//! A [`Dataset`] holds rows of text on disk and gives any of them at once; [`Columns`] says which column is the query and
//! which are the documents; a [`BatchSampler`] says which rows make up batch *n* of epoch *e*; a [`Collator`] turns those
//! rows into the tokens of a [`Batch`]. Nothing here makes a tensor, so batches can be prepared beside the training.

mod collator;
mod columns;
mod dataset;
mod error;
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
pub use error::{Error, Place, Result};
pub use sampler::{BatchSampler, EpochBatches, Sampling};
