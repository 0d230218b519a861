//! Batches in a known order, prepared ahead of their use.
//!
//! One thread reads rows and tokenizes them while the training thread computes; it draws no random number and makes no tensor, so it does not change
//! the run. A batch is addressed by its number, counted from the start of the run, so that [`Loader::batches`] starts anywhere without a replay.
//! Each batch comes from one dataset.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use colburn_data::{Batch, Collator, Examples, MultiSampler, StreamRows};

use crate::{Error, Result};

/// The number of batches that wait for the training thread, at most.
const PREPARED: usize = 2;

/// The texts that go through the model, and the loss, at once.
#[derive(Clone, Debug)]
pub(crate) struct MicroBatch {
    /// Their tokens.
    pub batch: Batch,
    /// The index of their loss.
    pub loss: usize,
    /// The number of the batch among those of all ranks, counted from the start of the run.
    pub number: u64,
}

/// The rows of each batch.
enum Order {
    Sampled(MultiSampler),
    Streamed(Stream),
}

/// The batches of rows that are streamed.
pub(crate) struct Stream {
    pub rows: StreamRows,
    pub batch_size: usize,
    pub shuffle: bool,
    pub drop_last: bool,
    pub seed: u64,
    /// The batches of the run on one rank, which are one epoch.
    pub batches: usize,
}

/// The batches of a run, or of an evaluation.
#[derive(Clone)]
pub(crate) struct Loader {
    /// A collator for each dataset of the sampler.
    datasets: Arc<[Collator]>,
    order: Arc<Order>,
    /// The index of the loss of the first dataset.
    first_loss: usize,
    rank: usize,
    world_size: usize,
}

impl Loader {
    /// All batches of these datasets.
    pub fn new(datasets: Vec<Collator>, sampler: MultiSampler, first_loss: usize) -> Self {
        let order = Arc::new(Order::Sampled(sampler));
        Self { datasets: datasets.into(), order, first_loss, rank: 0, world_size: 1 }
    }

    /// The batches of a dataset that is streamed. A batch is always read behind all those before it, also those of other ranks.
    pub fn streamed(dataset: Collator, stream: Stream) -> Self {
        let order = Arc::new(Order::Streamed(stream));
        Self { datasets: [dataset].into(), order, first_loss: 0, rank: 0, world_size: 1 }
    }

    /// The batches of one rank: of every `world_size` consecutive batches the one with the number of the rank. Ranks get equally many; at the end of an
    /// epoch its first batches fill up what is missing, as in accelerate's `BatchSamplerShard`.
    pub fn shard(self, rank: usize, world_size: usize) -> Self {
        Self { rank, world_size, ..self }
    }

    /// The datasets that the batches come from.
    pub fn examples(&self) -> impl Iterator<Item = Examples> {
        self.datasets.iter().map(Collator::examples)
    }

    /// The number of batches of an epoch, on this rank.
    pub fn batches_per_epoch(&self) -> usize {
        match &*self.order {
            Order::Sampled(sampler) => sampler.batches_per_epoch().div_ceil(self.world_size),
            Order::Streamed(stream) => stream.batches,
        }
    }

    /// A batch of the given rows of one dataset, with the negatives that are drawn in an epoch.
    ///
    /// # Errors
    /// When a row cannot be read or tokenized.
    pub fn batch(&self, dataset: usize, rows: &[usize], epoch: u64) -> Result<MicroBatch> {
        let batch = self.datasets[dataset].collate_in_epoch(rows, epoch)?;
        Ok(MicroBatch { batch, loss: self.first_loss + dataset, number: 0 })
    }

    /// The batches with these numbers, counted on this rank from the start of the run.
    pub fn batches(&self, range: Range<usize>) -> Batches {
        let (sender, receiver) = sync_channel(PREPARED);
        let (loader, numbers) = (self.clone(), range.clone());
        let worker = std::thread::spawn(move || match &*loader.order {
            Order::Sampled(sampler) => loader.feed(sampler, numbers, &sender),
            Order::Streamed(stream) => loader.feed_stream(stream, numbers, &sender),
        });
        Batches { receiver: Some(receiver), worker: Some(worker), range }
    }

    /// Prepares the batches one after the other, until the last one, an error, or the end of the receiver.
    fn feed(&self, sampler: &MultiSampler, range: Range<usize>, sender: &SyncSender<Result<MicroBatch>>) {
        let (per_epoch, of_all_ranks) = (self.batches_per_epoch(), sampler.batches_per_epoch());
        let mut number = range.start;
        while number < range.end {
            let (epoch, first) = (number / per_epoch, number % per_epoch);
            let order = sampler.epoch(epoch as u64);
            for within in first..per_epoch.min(first + range.end - number) {
                let position = (within * self.world_size + self.rank) % of_all_ranks;
                let Some((dataset, rows)) = order.get(position) else { return };
                let global = (epoch * per_epoch + within) * self.world_size + self.rank;
                let batch =
                    self.batch(dataset, rows, epoch as u64).map(|batch| MicroBatch { number: global as u64, ..batch });
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    return;
                }
                number += 1;
            }
        }
    }

    /// The same for rows that are streamed: of every `world_size` batches one belongs to this rank.
    fn feed_stream(&self, stream: &Stream, range: Range<usize>, sender: &SyncSender<Result<MicroBatch>>) {
        let Stream { rows, batch_size, shuffle, drop_last, seed, .. } = stream;
        let mut batches = rows.batches(*batch_size, *shuffle, *drop_last, *seed);
        let mut read = 0;
        for number in range {
            let global = number * self.world_size + self.rank;
            let batch = batches.skip(global - read).and_then(|()| batches.next());
            read = global + 1;
            let batch = batch.and_then(|rows| self.datasets[0].collate_stream(&rows)).map_err(Error::from);
            let batch = batch.map(|batch| MicroBatch { batch, loss: self.first_loss, number: global as u64 });
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }
}

/// Batches in their order, from the thread that prepares them.
pub(crate) struct Batches {
    receiver: Option<Receiver<Result<MicroBatch>>>,
    worker: Option<JoinHandle<()>>,
    /// The numbers of the batches that are still to come.
    range: Range<usize>,
}

impl Iterator for Batches {
    type Item = Result<MicroBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.range.next()?;
        let batch = match self.receiver.as_ref().map(Receiver::recv) {
            Some(Ok(batch)) => batch,
            _ => Err(Error::DataThread { batch: number }),
        };
        if batch.is_err() {
            self.range = 0..0;
        }
        Some(batch)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        drop(self.receiver.take());
        if let Some(worker) = self.worker.take() {
            // A panic of the worker was reported where its batch did not come.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;
    use colburn_data::{BatchSampler, Dataset, MultiDatasetSampling, RowOptions, Sampling, Source};
    use colburn_model::ColBert;

    /// The loader of so many batches of one row each.
    fn loader(batches: usize) -> Loader {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-colbert");
        let model = ColBert::from_pretrained(fixture, &burn::tensor::Device::flex()).unwrap();
        let rows = (0..batches).map(|row| vec![format!("query {row}"), "a document".to_owned()]);
        let examples = Examples::from(Dataset::from_rows(&["query", "positive"], rows).unwrap());
        let sampler = BatchSampler::new(&examples, 1, Sampling::Sequential, false, 42).unwrap();
        let sampler = MultiSampler::new(vec![sampler], MultiDatasetSampling::Proportional, 42).unwrap();
        let collator = Collator::new(model.tokenizer().clone(), examples).unwrap();
        Loader::new(vec![collator], sampler, 0)
    }

    fn numbers(loader: &Loader, range: Range<usize>) -> Vec<u64> {
        loader.batches(range).map(|batch| batch.unwrap().number).collect()
    }

    #[test]
    fn batches_start_anywhere() {
        let loader = loader(5);
        assert_eq!(loader.batches_per_epoch(), 5);
        assert_eq!(numbers(&loader, 0..12), (0..12).collect::<Vec<_>>());
        assert_eq!(numbers(&loader, 7..9), [7, 8]);
    }

    #[test]
    fn a_stream_starts_anywhere_and_is_shared_by_ranks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let lines = (0..10).map(|row| format!("{{\"query\": \"query {row}\", \"positive\": \"a document\"}}\n"));
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        let rows = StreamRows::open(&Source::new(&path), None, RowOptions::default(), 4).unwrap();
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-colbert");
        let model = ColBert::from_pretrained(fixture, &burn::tensor::Device::flex()).unwrap();
        let collator = Collator::new(model.tokenizer().clone(), rows.clone()).unwrap();
        let stream =
            || Stream { rows: rows.clone(), batch_size: 3, shuffle: true, drop_last: false, seed: 7, batches: 20 };
        let loader = || Loader::streamed(collator.clone(), stream());
        let ids = |loader: &Loader, range: Range<usize>| {
            loader.batches(range).map(|batch| batch.unwrap().batch.queries.ids).collect::<Vec<_>>()
        };
        let all = ids(&loader(), 0..12);
        assert_eq!(loader().batches_per_epoch(), 20);
        assert_eq!(ids(&loader(), 5..9), all[5..9]);
        assert_ne!(all[..4], all[4..8], "each pass has an order of its own");
        let shares = [0, 1].map(|rank| loader().shard(rank, 2));
        assert_eq!(ids(&shares[0], 0..6), [0, 2, 4, 6, 8, 10].map(|batch: usize| all[batch].clone()));
        assert_eq!(ids(&shares[1], 2..6), [5, 7, 9, 11].map(|batch: usize| all[batch].clone()));
        assert_eq!((numbers(&shares[0], 2..4), numbers(&shares[1], 2..4)), (vec![4, 6], vec![5, 7]));
    }

    #[test]
    fn ranks_share_the_batches_of_an_epoch() {
        let whole = loader(5);
        let ids = |loader: &Loader, range: Range<usize>| {
            loader.batches(range).map(|batch| batch.unwrap().batch.queries.ids).collect::<Vec<_>>()
        };
        let all = ids(&whole, 0..5);
        let shares = [0, 1].map(|rank| loader(5).shard(rank, 2));
        assert_eq!(shares.each_ref().map(Loader::batches_per_epoch), [3, 3]);
        assert_eq!(ids(&shares[0], 0..3), [0, 2, 4].map(|batch: usize| all[batch].clone()));
        // The first batch of the epoch fills up the share of the second rank.
        assert_eq!(ids(&shares[1], 0..3), [1, 3, 0].map(|batch: usize| all[batch].clone()));
        assert_eq!((numbers(&shares[0], 2..4), numbers(&shares[1], 2..4)), (vec![4, 6], vec![5, 7]));
    }
}
