//! Samplers choose the rows of each batch of each epoch: [`BatchSampler`] of one data set, [`MultiSampler`] of several.

mod batch_sampler;
mod group_by_length;
mod multi_sampler;
mod no_duplicates;

pub use batch_sampler::{BatchSampler, EpochBatches, Sampling};
pub use multi_sampler::{MultiDatasetSampling, MultiEpoch, MultiSampler};
