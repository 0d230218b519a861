//! The size of the batches in which an evaluator has texts encoded.

use colburn_model::{ColBert, EncodeOptions, Kind};
use colburn_ops::device::is_cpu;

/// Batches that are encoded before anything is scored, on a CPU.
const BATCHES: usize = 8;

/// Texts of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSize {
    /// The number that was asked for.
    pub given: Option<usize>,
    /// The number on a CPU unless one was asked for.
    pub on_cpu: usize,
}

impl BatchSize {
    pub fn options(self, model: &ColBert) -> EncodeOptions {
        let on_cpu = is_cpu(&model.device()).then_some(self.on_cpu);
        EncodeOptions { batch_size: self.given.or(on_cpu), ..Default::default() }
    }

    /// The number of documents to encode before they are scored: a chunk of them bounds the memory, and within it they are batched by length.
    pub fn chunk(self, model: &ColBert) -> usize {
        if is_cpu(&model.device()) {
            return self.given.unwrap_or(self.on_cpu).saturating_mul(BATCHES);
        }
        model.window(Kind::Document, &self.options(model))
    }
}
