//! Which rows stand in which batch. The order of an epoch follows from the seed and the epoch alone, and any batch of it
//! can be asked for by its number, so a run that stopped anywhere goes on with the batch after its last one.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::shuffle::{Purpose, permutation};

/// How the rows of an epoch are ordered; Hugging Face's `train_sampling_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every epoch in a random order of its own.
    #[default]
    Random,
    /// Every epoch in the order of the data set.
    Sequential,
}

/// The batches of a data set.
///
/// ```
/// use colburn_data::{BatchSampler, Sampling};
///
/// let sampler = BatchSampler::new(10, 4, Sampling::Random, false, 42)?;
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
    sampling: Sampling,
    drop_last: bool,
    seed: u64,
}

impl BatchSampler {
    /// Batches of `batch_size` of the rows `0..rows`. With `drop_last` the rows left over at the end of an epoch are not
    /// used in it; otherwise they are a smaller last batch.
    ///
    /// # Errors
    /// When `batch_size` is 0.
    pub fn new(rows: usize, batch_size: usize, sampling: Sampling, drop_last: bool, seed: u64) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::BatchSize);
        }
        Ok(Self { rows, batch_size, sampling, drop_last, seed })
    }

    /// Batches in an epoch; none when there are no rows, or fewer than a batch and `drop_last`.
    pub fn batches_per_epoch(&self) -> usize {
        if self.drop_last { self.rows / self.batch_size } else { self.rows.div_ceil(self.batch_size) }
    }

    /// The batches of an epoch, counted from 0. The same seed and epoch give the same batches on every machine.
    pub fn epoch(&self, epoch: u64) -> EpochBatches {
        let order = match self.sampling {
            Sampling::Random => permutation(self.rows, Purpose::Epoch, self.seed, epoch),
            Sampling::Sequential => (0..self.rows).collect(),
        };
        EpochBatches { order, batch_size: self.batch_size, batches: self.batches_per_epoch() }
    }
}

/// The batches of one epoch, each a list of row numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochBatches {
    order: Vec<usize>,
    batch_size: usize,
    batches: usize,
}

impl EpochBatches {
    /// The rows of batch `step`, counted from 0; none past the end of the epoch.
    pub fn get(&self, step: usize) -> Option<&[usize]> {
        self.iter().nth(step)
    }

    /// Number of batches.
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether the epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// All batches in order; `iter().skip(step)` starts in the middle.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        self.order.chunks(self.batch_size).take(self.batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(rows: usize, batch_size: usize, sampling: Sampling, drop_last: bool) -> BatchSampler {
        BatchSampler::new(rows, batch_size, sampling, drop_last, 7).unwrap()
    }

    #[test]
    fn an_epoch_has_every_row_once() {
        for sampling in [Sampling::Random, Sampling::Sequential] {
            for (rows, batch_size, sizes) in
                [(10, 4, vec![4, 4, 2]), (8, 4, vec![4, 4]), (3, usize::MAX, vec![3]), (0, 4, vec![])]
            {
                let epoch = sampler(rows, batch_size, sampling, false).epoch(3);
                assert_eq!(epoch.iter().map(<[usize]>::len).collect::<Vec<_>>(), sizes);
                assert_eq!((epoch.len(), epoch.is_empty()), (sizes.len(), sizes.is_empty()));
                let mut seen: Vec<usize> = epoch.iter().flatten().copied().collect();
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..rows));
            }
        }
    }

    #[test]
    fn drop_last_leaves_out_the_smaller_batch() {
        let sampler = sampler(10, 4, Sampling::Random, true);
        assert_eq!(sampler.batches_per_epoch(), 2);
        let epoch = sampler.epoch(0);
        assert_eq!(epoch.iter().map(<[usize]>::len).collect::<Vec<_>>(), [4, 4]);
        assert_eq!(epoch.get(2), None);
        assert!(BatchSampler::new(3, 4, Sampling::Random, true, 7).unwrap().epoch(0).is_empty());
    }

    #[test]
    fn any_batch_can_be_asked_for_first() {
        let sampler = sampler(1000, 7, Sampling::Random, false);
        let all: Vec<Vec<usize>> = sampler.epoch(5).iter().map(<[usize]>::to_vec).collect();
        for step in [142, 0, 77] {
            assert_eq!(sampler.clone().epoch(5).get(step), Some(&all[step][..]));
        }
        assert_eq!(sampler.epoch(5).get(143), None);
        assert_eq!(sampler.epoch(5).get(usize::MAX), None);
    }

    #[test]
    fn epochs_and_seeds_differ_unless_sequential() {
        let random = sampler(100, 10, Sampling::Random, false);
        assert_ne!(random.epoch(0), random.epoch(1));
        assert_ne!(random.epoch(1), BatchSampler::new(100, 10, Sampling::Random, false, 8).unwrap().epoch(0));
        let sequential = sampler(100, 10, Sampling::Sequential, false);
        assert_eq!(sequential.epoch(0), sequential.epoch(1));
        assert_eq!(sequential.epoch(0).get(1), Some(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19][..]));
    }

    #[test]
    fn a_batch_has_rows() {
        let message = BatchSampler::new(10, 0, Sampling::Random, false, 7).unwrap_err().to_string();
        assert_eq!(message, "batch_size = 0; expected at least 1");
    }

    #[test]
    fn names_are_those_of_hugging_face() {
        assert_eq!(serde_json::to_string(&Sampling::Random).unwrap(), "\"random\"");
        assert_eq!(serde_json::from_str::<Sampling>("\"sequential\"").unwrap(), Sampling::Sequential);
    }
}
