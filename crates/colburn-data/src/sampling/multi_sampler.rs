//! Batches of several data sets, each batch from one of them: a loss compares the texts of a batch, and texts of different
//! data sets are too easy to tell apart. The order of the data sets follows from the seed and the epoch alone.
//!
//! - Each data set has the order of its own sampler, with the number of the data set in the key of the shuffle; the first
//!   one has the very order that it has alone.
//! - Proportional: as many entries for each data set as it has batches, the first data set first, in a random order of
//!   their own. Round-robin: the first data set, the second, …, and again, until one has no batch left.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sampling::batch_sampler::{BatchSampler, EpochBatches};
use crate::shuffle::{Purpose, permutation};

/// The order of the data sets in an epoch; sentence-transformers' `multi_dataset_batch_sampler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MultiDatasetSampling {
    /// Every batch of every data set once, in random order: a larger data set has more batches.
    #[default]
    Proportional,
    /// One batch of each data set in turn, until the smallest has no more. All data sets have the same number of batches; the
    /// rest of the larger ones is not used in that epoch.
    RoundRobin,
}

/// The batches of several data sets, or of one.
///
/// ```
/// use colburn_data::{BatchSampler, Dataset, Examples, MultiDatasetSampling, MultiSampler, Sampling};
///
/// let sampler = |rows: usize| {
///     let rows = (0..rows).map(|row| vec![format!("query {row}"), format!("answer {row}")]);
///     let examples = Examples::from(Dataset::from_rows(&["query", "positive"], rows)?);
///     BatchSampler::new(&examples, 4, Sampling::Random, false, 42)
/// };
/// let both = MultiSampler::new(vec![sampler(8)?, sampler(20)?], MultiDatasetSampling::RoundRobin, 42)?;
/// assert_eq!(both.batches_per_epoch(), 4);
/// let epoch = both.epoch(0);
/// let datasets: Vec<usize> = epoch.iter().map(|(dataset, _)| dataset).collect();
/// assert_eq!(datasets, [0, 1, 0, 1]);
/// assert_eq!(epoch.get(3).map(|(_, rows)| rows.len()), Some(4));
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiSampler {
    samplers: Vec<BatchSampler>,
    sampling: MultiDatasetSampling,
    seed: u64,
}

impl MultiSampler {
    /// Batches of these data sets, which are counted from 0 in this order.
    ///
    /// # Errors
    /// When there is no data set.
    pub fn new(samplers: Vec<BatchSampler>, sampling: MultiDatasetSampling, seed: u64) -> Result<Self> {
        if samplers.is_empty() {
            return Err(Error::NoSampler);
        }
        let samplers = samplers.into_iter().enumerate().map(|(number, sampler)| sampler.numbered(number)).collect();
        Ok(Self { samplers, sampling, seed })
    }

    /// Batches in an epoch, the same in each.
    pub fn batches_per_epoch(&self) -> usize {
        let batches = self.samplers.iter().map(BatchSampler::batches_per_epoch);
        match self.sampling {
            MultiDatasetSampling::Proportional => batches.sum(),
            MultiDatasetSampling::RoundRobin => batches.min().unwrap_or(0) * self.samplers.len(),
        }
    }

    /// The batches of an epoch, counted from 0. The same rows, seed and epoch give the same batches on every machine.
    pub fn epoch(&self, epoch: u64) -> MultiEpoch {
        let datasets: Vec<EpochBatches> = self.samplers.iter().map(|sampler| sampler.epoch(epoch)).collect();
        let turns = match self.sampling {
            MultiDatasetSampling::Proportional => {
                let entries = datasets.iter().enumerate().flat_map(|(number, batches)| vec![number; batches.len()]);
                let entries: Vec<usize> = entries.collect();
                let order = permutation(entries.len(), Purpose::Datasets, self.seed, epoch);
                let mut taken = vec![0; datasets.len()];
                let turn = |entry: usize| {
                    let number = entries[entry];
                    taken[number] += 1;
                    (number, taken[number] - 1)
                };
                order.into_iter().map(turn).collect()
            }
            MultiDatasetSampling::RoundRobin => {
                let count = datasets.len();
                (0..self.batches_per_epoch()).map(|turn| (turn % count, turn / count)).collect()
            }
        };
        MultiEpoch { datasets, turns }
    }
}

/// The batches of one epoch, each of one data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiEpoch {
    datasets: Vec<EpochBatches>,
    /// The data set of each batch, and the number of the batch within it.
    turns: Vec<(usize, usize)>,
}

impl MultiEpoch {
    /// The data set of batch `step`, counted from 0, and the batch's rows in it; none past the end of the epoch.
    pub fn get(&self, step: usize) -> Option<(usize, &[usize])> {
        let &(dataset, batch) = self.turns.get(step)?;
        Some((dataset, self.datasets[dataset].get(batch)?))
    }

    /// Number of batches.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// True if the epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// All batches in order; `iter().skip(step)` starts in the middle.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[usize])> {
        (0..self.turns.len()).filter_map(|step| self.get(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::examples::Examples;
    use crate::sampling::batch_sampler::Sampling;

    fn sampler(rows: usize, batch_size: usize) -> BatchSampler {
        let rows = (0..rows).map(|row| vec![format!("q{row}"), format!("p{row}")]);
        let examples = Examples::from(Dataset::from_rows(&["query", "positive"], rows).unwrap());
        BatchSampler::new(&examples, batch_size, Sampling::Random, false, 42).unwrap()
    }

    fn multi(samplers: Vec<BatchSampler>, sampling: MultiDatasetSampling) -> MultiSampler {
        MultiSampler::new(samplers, sampling, 42).unwrap()
    }

    use MultiDatasetSampling::{Proportional, RoundRobin};

    #[test]
    fn one_data_set_has_its_own_order() {
        let single = sampler(11, 4);
        for sampling in [Proportional, RoundRobin] {
            let multi = multi(vec![single.clone()], sampling);
            assert_eq!(multi.batches_per_epoch(), 3);
            for epoch in 0..3 {
                let rows: Vec<Vec<usize>> = multi.epoch(epoch).iter().map(|(_, rows)| rows.to_vec()).collect();
                assert_eq!(rows, single.epoch(epoch).iter().map(<[usize]>::to_vec).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn proportional_has_every_batch_of_every_data_set_once() {
        let samplers = vec![sampler(20, 4), sampler(7, 2), sampler(30, 4)];
        let multi = multi(samplers.clone(), Proportional);
        assert_eq!(multi.batches_per_epoch(), 5 + 4 + 8);
        let epoch = multi.epoch(1);
        assert_eq!((epoch.len(), epoch.is_empty()), (17, false));
        for (number, rows) in [(0, 20), (1, 7), (2, 30)] {
            let of: Vec<&[usize]> = epoch.iter().filter(|turn| turn.0 == number).map(|turn| turn.1).collect();
            let mut seen: Vec<usize> = of.concat();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..rows));
            let own = samplers[number].clone().numbered(number).epoch(1);
            assert!(own.iter().eq(of));
        }
        let order = |epoch| multi.epoch(epoch).iter().map(|(dataset, _)| dataset).collect::<Vec<_>>();
        assert_ne!(order(0), order(1));
        let other = MultiSampler::new(samplers, Proportional, 43).unwrap();
        assert_ne!(order(0), other.epoch(0).iter().map(|(dataset, _)| dataset).collect::<Vec<_>>());
    }

    #[test]
    fn turns_never_change() {
        // With permutation() of shuffle.rs, and [0] * 5 + [1] * 3 as entries:
        // print([entries[i] for i in permutation(8, b"colburn.datasets", 42, 0)])
        let multi = multi(vec![sampler(5, 1), sampler(3, 1)], Proportional);
        assert_eq!(multi.epoch(0).iter().map(|(dataset, _)| dataset).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 0, 1, 1]);
        // print(permutation(3, b"colburn.epoch\1\0\0", 42, 0))
        let second: Vec<usize> = multi.epoch(0).iter().filter(|turn| turn.0 == 1).map(|turn| turn.1[0]).collect();
        assert_eq!(second, [1, 0, 2]);
    }

    #[test]
    fn round_robin_ends_with_the_smallest() {
        let multi = multi(vec![sampler(20, 4), sampler(7, 4), sampler(30, 4)], RoundRobin);
        assert_eq!(multi.batches_per_epoch(), 6);
        let epoch = multi.epoch(0);
        assert_eq!(epoch.iter().map(|(dataset, _)| dataset).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(epoch.get(4).map(|(dataset, rows)| (dataset, rows.len())), Some((1, 3)));
        assert_eq!((epoch.get(6), epoch.get(usize::MAX)), (None, None));
    }

    #[test]
    fn data_sets_of_one_size_have_two_orders() {
        let epoch = multi(vec![sampler(100, 100), sampler(100, 100)], RoundRobin).epoch(0);
        assert_ne!(epoch.get(0).map(|turn| turn.1), epoch.get(1).map(|turn| turn.1));
    }

    #[test]
    fn names_are_those_of_sentence_transformers() {
        assert_eq!(serde_json::to_string(&[Proportional, RoundRobin]).unwrap(), "[\"proportional\",\"round_robin\"]");
        assert_eq!(MultiDatasetSampling::default(), Proportional);
        let message = MultiSampler::new(vec![], Proportional, 0).unwrap_err().to_string();
        assert_eq!(message, "a sampler over several data sets needs at least one");
    }
}
