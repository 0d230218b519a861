//! What fits into memory: a pass that runs out of it is tried again in smaller mini-batches (`auto_find_batch_size`).
//!
//! Hugging Face's trainer halves the batch, and with it the number of in-batch negatives, so that it trains something else than it was told
//! to. Here the mini-batch is halved: loss and gradient stay those of the batch.
//!
//! A GPU backend panics when it has no memory left, and that can be caught. On the CPU the system promises memory that it does not have
//! and ends the process when it is used; there, set `mini_batch_size`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn::train::{TrainOutput, TrainStep};

use crate::loader::MicroBatch;
use crate::training_model::{StepOutput, TrainingModel};

/// How many texts go through the model at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MiniBatches {
    /// Texts of a mini-batch; without it the whole batch.
    pub size: Option<usize>,
    /// Whether the size is halved when memory runs out.
    pub auto: bool,
}

impl MiniBatches {
    /// A pass over a micro-batch, in mini-batches of a size that fits. What does not fit into memory as single texts ends in the panic of
    /// the backend, as everything does without `auto`.
    pub fn pass(&mut self, model: &TrainingModel, mut micro_batch: MicroBatch) -> TrainOutput<StepOutput> {
        loop {
            micro_batch.way.mini_batch_size = self.size;
            if !self.auto {
                return TrainStep::step(model, micro_batch);
            }
            let again = micro_batch.clone();
            // The model is only read, and what the pass made is lost with it.
            match catch_unwind(AssertUnwindSafe(|| TrainStep::step(model, micro_batch))) {
                Ok(output) => return output,
                Err(panic) => self.shrink(&again, panic),
            }
            micro_batch = again;
        }
    }

    fn shrink(&mut self, micro_batch: &MicroBatch, panic: Box<dyn Any + Send>) {
        let texts = micro_batch.batch.queries.len().max(micro_batch.batch.documents.len());
        let size = self.size.unwrap_or(texts).min(texts);
        if size < 2 || !is_out_of_memory(panic.as_ref()) {
            resume_unwind(panic);
        }
        self.size = Some(size / 2);
        tracing::warn!("out of memory with {size} texts at once; going on with mini_batch_size = {}", size / 2);
    }
}

/// Whether a panic is about memory: backends have no other way to say so, and no common words.
fn is_out_of_memory(panic: &(dyn Any + Send)) -> bool {
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let message = message.unwrap_or_default().to_lowercase();
    [
        "out of memory",
        "outofmemory",
        "out_of_memory",
        "not enough memory",
        "cannot allocate memory",
        "memory allocation",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_backends_are_known() {
        let known: [&str; 4] = [
            "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
            "wgpu error: Out of Memory",
            "called `Result::unwrap()` on an `Err` value: DriverError(CUDA_ERROR_OUT_OF_MEMORY)",
            "memory allocation of 123 bytes failed",
        ];
        for message in known {
            assert!(is_out_of_memory(&message), "{message}");
            assert!(is_out_of_memory(&message.to_owned()), "{message}");
        }
        for other in ["index out of bounds", ""] {
            assert!(!is_out_of_memory(&other));
        }
        assert!(!is_out_of_memory(&3));
    }
}
