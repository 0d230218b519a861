//! The rows of each batch. The order of an epoch follows from the seed and the epoch alone, and any batch is available by
//! its number, so a stopped run resumes with the batch after its last one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::examples::{Examples, RowHashes};
use crate::sampling::group_by_length::group_by_length;
use crate::sampling::no_duplicates::no_duplicates;
use crate::shuffle::{Purpose, permutation};

/// The order of the rows of an epoch; Hugging Face's `train_sampling_strategy`, and `no_duplicates` of
/// sentence-transformers' `batch_sampler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every epoch in a random order of its own.
    #[default]
    Random,
    /// Every epoch in the order of the data set.
    Sequential,
    /// Every epoch in a random order in which rows of about the same length are together, the longest row first: the
    /// `LengthGroupedSampler` of Hugging Face's transformers. The length of a row is the number of bytes of its texts, each
    /// counted up to 2048 because texts are truncated. For texts of one language it is proportional to the number of tokens,
    /// and no text has to be read for it.
    GroupByLength,
    /// Every epoch in a random order in which no two rows of a batch share a text: for losses with in-batch negatives,
    /// sentence-transformers' `NoDuplicatesBatchSampler`. The number of batches stays the same, so batches may be smaller,
    /// and rows may be left out of an epoch. The texts of a distillation data set are compared by their ids.
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

/// A [`Sampling`] with the data that it needs about the rows.
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
    /// When `batch_size` is 0, the rows are streamed, or they had to be read and could not.
    pub fn new(examples: &Examples, batch_size: usize, sampling: Sampling, drop_last: bool, seed: u64) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::BatchSize);
        }
        if let Examples::Stream(rows) = examples {
            return Err(Error::Streamed { data: rows.description() });
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

/// The ends of the batches.
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

    /// True if the epoch has no batches.
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
mod tests {
    use super::*;
    use crate::dataset::Dataset;

    /// Rows of distinct texts, the longer the later.
    fn examples(rows: usize) -> Examples {
        let texts = (0..rows.max(1)).map(|row| vec![format!("q{row}"), "x".repeat(row % 97) + &row.to_string()]);
        Examples::from(Dataset::from_rows(&["query", "positive"], texts).unwrap().take(rows))
    }

    fn sampler(rows: usize, batch_size: usize, sampling: Sampling, drop_last: bool) -> BatchSampler {
        BatchSampler::new(&examples(rows), batch_size, sampling, drop_last, 7).unwrap()
    }

    #[test]
    fn an_epoch_has_every_row_once() {
        for sampling in [Sampling::Random, Sampling::Sequential, Sampling::GroupByLength, Sampling::NoDuplicates] {
            for (rows, batch_size, sizes) in
                [(10, 4, vec![4, 4, 2]), (8, 4, vec![4, 4]), (3, usize::MAX, vec![3]), (0, 4, vec![])]
            {
                let epoch = sampler(rows, batch_size, sampling, false).epoch(3);
                assert_eq!(epoch.iter().map(<[usize]>::len).collect::<Vec<_>>(), sizes);
                assert_eq!((epoch.len(), epoch.is_empty(), epoch.rows()), (sizes.len(), sizes.is_empty(), rows));
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
        assert!(BatchSampler::new(&examples(3), 4, Sampling::Random, true, 7).unwrap().epoch(0).is_empty());
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
        assert_ne!(
            random.epoch(1),
            BatchSampler::new(&examples(100), 10, Sampling::Random, false, 8).unwrap().epoch(0)
        );
        let sequential = sampler(100, 10, Sampling::Sequential, false);
        assert_eq!(sequential.epoch(0), sequential.epoch(1));
        assert_eq!(sequential.epoch(0).get(1), Some(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19][..]));
    }

    #[test]
    fn a_batch_has_rows() {
        let message = BatchSampler::new(&examples(10), 0, Sampling::Random, false, 7).unwrap_err().to_string();
        assert_eq!(message, "batch_size = 0; expected at least 1");
    }

    #[test]
    fn names_are_those_of_hugging_face() {
        assert_eq!(serde_json::to_string(&Sampling::Random).unwrap(), "\"random\"");
        for (name, sampling) in [
            ("sequential", Sampling::Sequential),
            ("group_by_length", Sampling::GroupByLength),
            ("no_duplicates", Sampling::NoDuplicates),
        ] {
            assert_eq!(serde_json::from_str::<Sampling>(&format!("\"{name}\"")).unwrap(), sampling);
        }
    }

    #[test]
    fn a_random_epoch_never_changes() {
        // print(permutation(12, b"colburn.epoch", 42, 1)) with permutation() of shuffle.rs
        let sampler = BatchSampler::new(&examples(12), 5, Sampling::Random, false, 42).unwrap();
        let expected = [&[7, 11, 5, 2, 4][..], &[9, 1, 6, 3, 8], &[0, 10]];
        assert!(sampler.epoch(1).iter().eq(expected));
        // Distinct texts: the same batches.
        let sampler = BatchSampler::new(&examples(12), 5, Sampling::NoDuplicates, false, 42).unwrap();
        assert!(sampler.epoch(1).iter().eq(expected));
    }

    #[test]
    fn a_batch_of_one_length_comes_from_a_random_order() {
        let sampler = sampler(970, 10, Sampling::GroupByLength, false);
        let Order::GroupByLength(lengths) = &sampler.order else { panic!() };
        let longest = *lengths.iter().max().unwrap();
        let mut spread = 0;
        for epoch in 0..2 {
            let batches = sampler.epoch(epoch);
            assert_eq!(lengths[batches.get(0).unwrap()[0]], longest);
            for rows in batches.iter() {
                let of = || rows.iter().map(|&row| lengths[row]);
                spread += of().max().unwrap() - of().min().unwrap();
            }
        }
        // Of about 100 lengths, a batch spans a few; in a random order it would span nearly all.
        assert!(spread / (2 * 97) < 12, "{spread}");
        assert_ne!(sampler.epoch(0), sampler.epoch(1));
    }

    #[test]
    fn no_batch_has_a_text_twice() {
        let rows = (0..300).map(|row| vec![format!("q{row}"), format!("p{}", row % 40), format!("p{}", row % 7)]);
        let data = Dataset::from_rows(&["query", "positive", "negative"], rows).unwrap();
        for drop_last in [false, true] {
            let examples = Examples::from(data.clone());
            let sampler = BatchSampler::new(&examples, 8, Sampling::NoDuplicates, drop_last, 1).unwrap();
            for epoch in 0..3 {
                let batches = sampler.epoch(epoch);
                assert_eq!(batches.len(), sampler.batches_per_epoch());
                assert_eq!(batches.rows(), batches.iter().flatten().count());
                for rows in batches.iter() {
                    let of = |row: usize| [1, 2].map(|column| data.text(row, column).unwrap());
                    let clash = |at: usize| {
                        rows[..at].iter().any(|&other| of(other).iter().any(|text| of(rows[at]).contains(text)))
                    };
                    assert!(!rows.is_empty() && !(0..rows.len()).any(clash));
                }
            }
            assert_eq!(sampler.epoch(1), sampler.clone().epoch(1));
            assert_ne!(sampler.epoch(1), sampler.epoch(2));
        }
    }

    #[test]
    fn rows_that_cannot_be_read_are_an_error() {
        let data = Dataset::from_rows(&["positive", "negative"], [vec![String::new(), String::new()]]).unwrap();
        for sampling in [Sampling::GroupByLength, Sampling::NoDuplicates] {
            let message = BatchSampler::new(&data.clone().into(), 1, sampling, false, 1).unwrap_err().to_string();
            assert!(message.contains("no query column"), "{message}");
        }
    }
}
