//! Batches in a known order, made ahead of their use.
//!
//! One thread reads rows and tokenizes them while the training thread computes; it draws no random number and makes no tensor, so it
//! changes nothing about the run. A batch is addressed by its number, counted from the start of the run: `slice` starts anywhere without
//! a replay. Each batch comes from one dataset.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use colburn_data::{Batch, Collator, Examples, MultiSampler};

use crate::cached::Way;
use crate::{Error, Result};

/// Batches that wait for the training thread, at most.
const AHEAD: usize = 2;

/// What goes through the model, and the loss, at once.
#[derive(Clone, Debug)]
pub(crate) struct MicroBatch {
    /// The texts.
    pub batch: Batch,
    /// How they go through the model.
    pub way: Way,
}

/// The batches of a run, or of an evaluation.
#[derive(Clone)]
pub(crate) struct Loader {
    collators: Arc<[(String, Collator)]>,
    sampler: Arc<MultiSampler>,
    /// The number of the first dataset among those that have a loss.
    first_dataset: usize,
    range: Range<usize>,
}

impl Loader {
    /// No batches yet; a name and a collator for each dataset of the sampler.
    pub fn new(collators: Vec<(String, Collator)>, sampler: MultiSampler, first_dataset: usize) -> Self {
        Self { collators: collators.into(), sampler: Arc::new(sampler), first_dataset, range: 0..0 }
    }

    /// The names of the datasets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.collators.iter().map(|(name, _)| name.as_str())
    }

    /// All batches of so many epochs.
    pub fn of_epochs(self, epochs: usize) -> Self {
        Self { range: 0..epochs.saturating_mul(self.batches_per_epoch()), ..self }
    }

    pub fn batches_per_epoch(&self) -> usize {
        self.sampler.batches_per_epoch()
    }

    /// The datasets that the batches come from.
    pub fn examples(&self) -> impl Iterator<Item = Examples> {
        self.collators.iter().map(|(_, collator)| collator.examples())
    }

    /// A batch of one dataset.
    pub fn batch(&self, dataset: usize, rows: &[usize]) -> Result<MicroBatch> {
        let batch = self.collators[dataset].1.collate(rows)?;
        let way = Way { mini_batch_size: None, seed: None, share: 1.0, dataset: self.first_dataset + dataset };
        Ok(MicroBatch { batch, way })
    }

    /// Makes the batches one after the other, until the last one, an error, or nobody takes them any more.
    fn feed(self, sender: &SyncSender<Result<MicroBatch>>) {
        let per_epoch = self.sampler.batches_per_epoch();
        let mut number = self.range.start;
        while number < self.range.end {
            let order = self.sampler.epoch((number / per_epoch) as u64);
            for (dataset, rows) in order.iter().skip(number % per_epoch).take(self.range.end - number) {
                let batch = self.batch(dataset, rows);
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    return;
                }
                number += 1;
            }
        }
    }
}
impl DataLoader<MicroBatch> for Loader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<MicroBatch> + 'a> {
        let (sender, receiver) = sync_channel(AHEAD);
        let loader = self.clone();
        let worker = std::thread::spawn(move || loader.feed(&sender));
        let next = self.range.start;
        Box::new(Ahead { receiver: Some(receiver), worker: Some(worker), next, range: self.range.clone() })
    }

    fn num_items(&self) -> usize {
        self.range.len()
    }

    /// Nothing moves: batches are token ids on the host.
    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<MicroBatch>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<MicroBatch>> {
        let clamp = |position: usize| (self.range.start + position).min(self.range.end);
        Arc::new(Self { range: clamp(start)..clamp(end), ..self.clone() })
    }
}

struct Ahead {
    receiver: Option<Receiver<Result<MicroBatch>>>,
    worker: Option<JoinHandle<()>>,
    next: usize,
    range: Range<usize>,
}

impl Iterator for Ahead {
    type Item = std::result::Result<MicroBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.range.end {
            return None;
        }
        let batch = match self.receiver.as_ref().map(Receiver::recv) {
            Some(Ok(batch)) => batch,
            _ => Err(Error::DataThread { batch: self.next }),
        };
        self.next = if batch.is_ok() { self.next + 1 } else { self.range.end };
        Some(batch.map_err(DatasetError::new))
    }
}

impl DataLoaderIterator<MicroBatch> for Ahead {
    fn progress(&self) -> Progress {
        Progress::new(self.next - self.range.start, self.range.len(), Some("batches".to_owned()))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        drop(self.receiver.take());
        if let Some(worker) = self.worker.take() {
            // A panic of the worker was reported where its batch did not come.
            let _ = worker.join();
        }
    }
}
