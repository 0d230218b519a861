//! Which rows stand in which batch. The order of an epoch follows from the seed and the epoch alone, and any batch of it
//! can be asked for by its number, so a run that stopped anywhere goes on with the batch after its last one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::examples::{Examples, RowHashes};
use crate::group_by_length::group_by_length;
use crate::no_duplicates::no_duplicates;
use crate::shuffle::{Purpose, permutation};

/// How the rows of an epoch are ordered; Hugging Face's `train_sampling_strategy`, and `no_duplicates` of
/// sentence-transformers' `batch_sampler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every epoch in a random order of its own.
    #[default]
    Random,
    /// Every epoch in the order of the data set.
    Sequential,
    /// Every epoch in a random order in which rows of about the same length stand together, the longest row first: the
    /// `LengthGroupedSampler` of Hugging Face's transformers. The length of a row is the bytes of its texts, none counted
    /// for more than 2048, because a text is cut off somewhere: for texts of one language that grows as the tokens do, and
    /// no text has to be read for it.
    GroupByLength,
    /// Every epoch in a random order in which no batch has a text twice, but within one row: for losses that take the
    /// other documents of a batch for negatives, sentence-transformers' `NoDuplicatesBatchSampler`. There are as many
    /// batches as ever, so that batches may be smaller, and rows may be left out of an epoch. The texts of a
    /// distillation data set are told apart by their ids.
    NoDuplicates,
}

/// The batches of a data set.
///
/// ```
/// use colburn_data::{BatchSampler, Dataset, Examples, Sampling};
///
/// let rows = (0..10).map(|row| vec![format!("query {row}"), format!("answer {row}")]);
/// let examples = Examples::from(Dataset::from_rows(&["query", "positive"], rows)?);
/// let sampler = BatchSampler::new(&examples, 4, Sampling::Random, false, 42)?;
/// assert_eq!(sampler.batches_per_epoch(), 3);
/// let epoch = sampler.epoch(0);
/// assert_eq!(epoch.get(2).map(<[usize]>::len), Some(2));
/// assert_eq!(epoch.get(3), None);
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSampler {
    rows: usize,
    batch_size: usize,
    order: Order,
    drop_last: bool,
    seed: u64,
    /// The number of the data set among those of the run.
    dataset: usize,
}

/// A [`Sampling`] with what it has to know of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Random,
    Sequential,
    GroupByLength(Arc<[u32]>),
    NoDuplicates(Arc<RowHashes>),
}

impl BatchSampler {
    /// Batches of `batch_size` of these rows. With `drop_last` the rows left over at the end of an epoch are not used in
    /// it; otherwise they are a smaller last batch. [`Sampling::GroupByLength`] and [`Sampling::NoDuplicates`] go over all
    /// rows once, here.
    ///
    /// # Errors
    /// When `batch_size` is 0, or the rows had to be read and could not.
    pub fn new(examples: &Examples, batch_size: usize, sampling: Sampling, drop_last: bool, seed: u64) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::BatchSize);
        }
        let order = match sampling {
            Sampling::Random => Order::Random,
            Sampling::Sequential => Order::Sequential,
            Sampling::GroupByLength => Order::GroupByLength(examples.lengths()?.into()),
            Sampling::NoDuplicates => Order::NoDuplicates(Arc::new(examples.hashes()?)),
        };
        Ok(Self { rows: examples.len(), batch_size, order, drop_last, seed, dataset: 0 })
    }

    /// Batches in an epoch, the same in each; none when there are no rows, or fewer than a batch and `drop_last`.
    pub fn batches_per_epoch(&self) -> usize {
        if self.drop_last { self.rows / self.batch_size } else { self.rows.div_ceil(self.batch_size) }
    }

    /// The batches of an epoch, counted from 0. The same rows, seed and epoch give the same batches on every machine.
    pub fn epoch(&self, epoch: u64) -> EpochBatches {
        let random = || permutation(self.rows, Purpose::Epoch(self.dataset), self.seed, epoch);
        let batches = self.batches_per_epoch();
        let (order, cuts) = match &self.order {
            Order::Random => (random(), Cuts::Every(self.batch_size)),
            Order::Sequential => ((0..self.rows).collect(), Cuts::Every(self.batch_size)),
            Order::GroupByLength(lengths) => {
                (group_by_length(random(), lengths, self.batch_size), Cuts::Every(self.batch_size))
            }
            Order::NoDuplicates(hashes) => {
                let (order, ends) = no_duplicates(&random(), hashes, self.batch_size, batches);
                (order, Cuts::At(ends))
            }
        };
        let batches = EpochBatches { order, cuts, batches };
        if matches!(self.order, Order::NoDuplicates(_)) {
            let left_out = self.rows.min(batches.len().saturating_mul(self.batch_size)) - batches.rows();
            if left_out > 0 {
                tracing::warn!(
                    "epoch {epoch}: {left_out} of {} rows are left out, because each batch has one of their texts already",
                    self.rows
                );
            }
        }
        batches
    }

    /// The same sampler for the data set with this number among those of a run, so that two of one size have two orders.
    pub(crate) fn numbered(self, dataset: usize) -> Self {
        Self { dataset, ..self }
    }
}

/// The batches of one epoch, each a list of row numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochBatches {
    order: Vec<usize>,
    cuts: Cuts,
    batches: usize,
}

/// Where the batches end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cuts {
    Every(usize),
    At(Vec<usize>),
}

impl EpochBatches {
    /// The rows of batch `step`, counted from 0; none past the end of the epoch.
    pub fn get(&self, step: usize) -> Option<&[usize]> {
        (step < self.batches).then(|| self.batch(step))
    }

    /// Number of batches.
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether the epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// Number of rows in all batches together.
    pub fn rows(&self) -> usize {
        self.batches.checked_sub(1).map_or(0, |last| self.end(last))
    }

    /// All batches in order; `iter().skip(step)` starts in the middle.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        (0..self.batches).map(|step| self.batch(step))
    }

    fn batch(&self, step: usize) -> &[usize] {
        let start = if step == 0 { 0 } else { self.end(step - 1) };
        &self.order[start..self.end(step)]
    }

    fn end(&self, step: usize) -> usize {
        match &self.cuts {
            Cuts::Every(size) => size.saturating_mul(step + 1).min(self.order.len()),
            Cuts::At(ends) => ends[step],
        }
    }
}

#[cfg(test)]
mod tests;
