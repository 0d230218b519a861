//! What fits into memory: a pass that runs out of it is tried again in smaller mini-batches (`auto_find_batch_size`).
//!
//! Hugging Face's trainer halves the batch, and with it the number of in-batch negatives, so that it trains something else than it was told
//! to. Here the mini-batch is halved: loss and gradient stay those of the batch.
//!
//! A GPU backend that has no memory left panics, or says so when the device is waited for; both are met here. On the CPU the system promises
//! memory that it does not have and ends the process when it is used; there, set `mini_batch_size`.

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
            let pass = catch_unwind(AssertUnwindSafe(|| {
                let output = TrainStep::step(model, micro_batch);
                (output, model.model.device().sync())
            }));
            match pass {
                Ok((_, Err(error))) if self.shrinks(&again, &error.to_string()) => {}
                Ok((output, _)) => return output,
                Err(panic) if self.shrinks(&again, words(panic.as_ref())) => {}
                Err(panic) => resume_unwind(panic),
            }
            micro_batch = again;
        }
    }

    /// Halves the mini-batch where memory has run out and there is something to halve.
    fn shrinks(&mut self, micro_batch: &MicroBatch, message: &str) -> bool {
        let texts = micro_batch.batch.queries.len().max(micro_batch.batch.documents.len());
        let size = self.size.unwrap_or(texts).min(texts);
        if size < 2 || !is_out_of_memory(message) {
            return false;
        }
        self.size = Some(size / 2);
        tracing::warn!("out of memory with {size} texts at once; going on with mini_batch_size = {}", size / 2);
        true
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// Whether an error is about memory: backends have no other way to say so, and no common words.
fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = [
        "out of memory",
        "out-of-memory",
        "outofmemory",
        "out_of_memory",
        "out of device memory",
        "not enough memory",
        "cannot allocate memory",
        "memory allocation",
    ];
    words.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The third and the fourth are those of cubecl-runtime 0.11 (`IoError`, `ServerError`).
    #[test]
    fn the_words_of_the_backends_are_known() {
        for message in [
            "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
            "wgpu error: Out of Memory",
            "out of device memory allocating 4096 bytes",
            "An out-of-memory error happened",
            "memory allocation of 123 bytes failed",
        ] {
            assert!(is_out_of_memory(message), "{message}");
        }
        assert!(!is_out_of_memory("index out of bounds") && !is_out_of_memory(""));
        assert_eq!((words(&"one"), words(&"two".to_owned()), words(&3)), ("one", "two", ""));
    }
}
