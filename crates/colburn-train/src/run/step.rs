//! Loss and gradients of a batch: in one pass or, by gradient caching, in mini-batches; and what happens when memory runs out.
//!
//! A contrastive batch cannot be cut like others, because each row is compared with the documents of all rows. But a loss sees embeddings only,
//! so the batch can be cut at that seam (Gao et al., *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, 2021):
//!
//! 1. the embeddings of all mini-batches, without a graph;
//! 2. the loss of the whole batch on them, and its gradient by each embedding, the cache;
//! 3. each mini-batch again, with a graph, and back through it from its part of the cache.
//!
//! By the chain rule that is the gradient of the whole. The memory is that of one mini-batch's graph and the embeddings. Dropout belongs to
//! texts ([`Dropout`]), so both passes over a mini-batch, and a pass over the whole batch, drop the same.
//!
//! If memory runs out, the mini-batch is halved (`auto_find_batch_size`). Hugging Face's trainer halves the batch, and with it the number of in-batch
//! negatives, which changes the result; here loss and gradient stay those of the batch. A GPU backend without memory panics, or returns an error when
//! the device is synchronized; both are handled. On the CPU the system promises memory that it does not have and ends the process when it is used;
//! there, set `mini_batch_size`.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use colburn_data::Batch;
use colburn_loss::{Loss, Targets};
use colburn_model::{ColBert, TokenBatch};
use colburn_ops::{Dropout, Embeddings, Precision};

use crate::optim::gradients::squared_norms;
use crate::ranks::Ranks;
use crate::{Error, Result};

/// The options of a pass over a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardOptions {
    /// The number of texts of a mini-batch; the whole batch at once if not given.
    pub mini_batch_size: Option<usize>,
    /// The seed of dropout; no dropout if not given.
    pub dropout_seed: Option<u64>,
    /// The factor of the loss.
    pub loss_scale: f64,
}

impl ForwardOptions {
    fn dropout(&self) -> Dropout {
        self.dropout_seed.map_or_else(Dropout::off, Dropout::seeded)
    }
}

/// The scale of the loss, by which gradients are multiples. It is asked for right before the backward pass, since it depends on the gradients of the
/// step before, which the device may still be working on while the forward pass is queued.
pub(crate) type ScaleOfLoss<'a> = &'a mut dyn FnMut() -> Result<f64>;

/// The loss of a batch, `[1]`, without its graph and on the device, and the gradients of the model's parameters, which are multiplied by the scale.
///
/// # Errors
/// When the loss refuses the batch, another rank cannot be reached, or there is no scale.
pub(crate) fn gradients(
    model: &ColBert,
    loss: &dyn Loss,
    batch: &Batch,
    options: ForwardOptions,
    ranks: &dyn Ranks,
    scale: ScaleOfLoss<'_>,
) -> Result<(Tensor<1>, GradientsParams)> {
    match options.mini_batch_size {
        Some(size) if size < most_texts(batch) => in_mini_batches(model, loss, batch, options, size, ranks, scale),
        _ => {
            let (queries, documents) = embed(model, batch, options.dropout());
            let value = loss_of(loss, queries, documents, batch, ranks)? * options.loss_scale;
            let gradients = for_backward(&value, batch, ranks, scale()?).backward();
            Ok((value.inner(), GradientsParams::from_grads(gradients, model)))
        }
    }
}

/// The loss of a batch, `[1]`, without dropout, on the device of the model; the batches of other ranks take no part.
///
/// # Errors
/// When the loss refuses the batch.
pub(crate) fn loss(model: &ColBert, loss: &dyn Loss, batch: &Batch) -> Result<Tensor<1>> {
    let (queries, documents) = embed(model, batch, Dropout::off());
    Ok(loss.forward(&queries, &documents, &targets(batch))?)
}

/// The embeddings of the queries and documents of a batch, which pass through the encoder as one run of tokens.
fn embed(model: &ColBert, batch: &Batch, dropout: Dropout) -> (Embeddings, Embeddings) {
    let texts = TokenBatch::concat(&[&batch.queries, &batch.documents]);
    model.forward_with(&texts, dropout).split_at(batch.queries.len())
}

/// The loss on embeddings. With in-batch negatives it is that of the batches of all ranks together.
fn loss_of(
    loss: &dyn Loss,
    queries: Embeddings,
    documents: Embeddings,
    batch: &Batch,
    ranks: &dyn Ranks,
) -> Result<Tensor<1>> {
    let targets = targets(batch);
    let (queries, documents) = match targets {
        Targets::Positives => (ranks.all_gather(queries)?, ranks.all_gather(documents)?),
        _ => (queries, documents),
    };
    Ok(loss.forward(&queries, &documents, &targets)?)
}

/// The loss for the backward pass. A rank has the gradient through its own embeddings only; the mean over the ranks of `world_size` times these
/// gradients is the gradient of a loss on the embeddings of all ranks.
fn for_backward(loss: &Tensor<1>, batch: &Batch, ranks: &dyn Ranks, scale: f64) -> Tensor<1> {
    let factor = match targets(batch) {
        Targets::Positives => scale * ranks.world_size() as f64,
        _ => scale,
    };
    if factor == 1.0 { loss.clone() } else { loss.clone() * factor }
}

/// The targets of the loss.
fn targets(batch: &Batch) -> Targets {
    match &batch.scores {
        Some(scores) => Targets::Scores(scores.clone()),
        None => Targets::Positives,
    }
}

fn in_mini_batches(
    model: &ColBert,
    loss: &dyn Loss,
    batch: &Batch,
    options: ForwardOptions,
    size: usize,
    ranks: &dyn Ranks,
    scale: ScaleOfLoss<'_>,
) -> Result<(Tensor<1>, GradientsParams)> {
    let queries = mini_batches(&batch.queries, 0, size);
    let documents = mini_batches(&batch.documents, batch.queries.len(), size);
    let dropout = |mini_batch: &MiniBatch| options.dropout().from_text(mini_batch.first);

    let without_graph = model.valid();
    let embed = |mini_batches: &[MiniBatch]| {
        let values = mini_batches
            .iter()
            .map(|mini_batch| without_graph.forward_with(&mini_batch.texts, dropout(mini_batch)).values);
        Tensor::cat(values.collect(), 0).autodiff().require_grad()
    };
    let cached_queries = of_batch(embed(&queries), &batch.queries, model.precision());
    let cached_documents = of_batch(embed(&documents), &batch.documents, model.precision());
    let value = loss_of(loss, cached_queries.clone(), cached_documents.clone(), batch, ranks)? * options.loss_scale;
    let mut cache = for_backward(&value, batch, ranks, scale()?).backward();
    let value = value.inner();

    let mut accumulator = GradientsAccumulator::new();
    for (mini_batches, embeddings) in [(queries, cached_queries), (documents, cached_documents)] {
        // A loss that does not depend on these embeddings leaves them without a gradient.
        let Some(gradient) = embeddings.values.grad_remove(&mut cache) else { continue };
        let dim = embeddings.dim();
        drop(embeddings);
        for mini_batch in mini_batches {
            let values = model.forward_with(&mini_batch.texts, dropout(&mini_batch)).values;
            let gradient = gradient.clone().slice([mini_batch.tokens, 0..dim]);
            let product = (values * gradient.autodiff()).sum();
            accumulator.accumulate(model, GradientsParams::from_grads(product.backward(), model));
        }
    }
    Ok((value, accumulator.grads()))
}

/// Some of the texts of a batch.
struct MiniBatch {
    texts: TokenBatch,
    /// The number of the first of them in the batch, queries before documents.
    first: usize,
    /// Their tokens in the run of all queries, or all documents.
    tokens: Range<usize>,
}

fn mini_batches(texts: &TokenBatch, first: usize, size: usize) -> Vec<MiniBatch> {
    let mini_batch = |start: usize| {
        let numbers: Vec<usize> = (start..texts.len().min(start + size)).collect();
        let tokens = texts.spans.range(start).start;
        let texts = texts.select(&numbers);
        MiniBatch { tokens: tokens..tokens + texts.tokens(), texts, first: first + start }
    };
    (0..texts.len()).step_by(size).map(mini_batch).collect()
}

fn of_batch(values: Tensor<2>, texts: &TokenBatch, precision: Precision) -> Embeddings {
    let (spans, mask, floor) = (texts.spans.clone(), texts.mask.clone(), texts.floor.clone());
    Embeddings { values, spans, mask, floor, precision }
}

/// The number of queries or of documents, whichever is larger.
fn most_texts(batch: &Batch) -> usize {
    batch.queries.len().max(batch.documents.len())
}

/// The size of mini-batches, which is halved when memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MiniBatchSize {
    /// The number of texts; the whole batch if not given.
    pub size: Option<usize>,
    /// True if the size is halved when memory runs out.
    pub auto: bool,
}

impl MiniBatchSize {
    /// [`gradients`] in mini-batches of a size that fits into memory, the same size on all ranks. If a single text does not fit, or without `auto`,
    /// the panic of the backend is not caught.
    ///
    /// # Errors
    /// As [`gradients`].
    pub fn gradients(
        &mut self,
        model: &ColBert,
        loss: &dyn Loss,
        batch: &Batch,
        options: ForwardOptions,
        ranks: &dyn Ranks,
        scale: ScaleOfLoss<'_>,
    ) -> Result<(Tensor<1>, GradientsParams)> {
        loop {
            let options = ForwardOptions { mini_batch_size: self.size, ..options };
            if !self.auto {
                return gradients(model, loss, batch, options, ranks, scale);
            }
            // The model is only read, and the results of the pass are lost with it.
            let pass = catch_unwind(AssertUnwindSafe(|| {
                let found = gradients(model, loss, batch, options, ranks, scale);
                (found, model.device().sync())
            }));
            let texts = self.size.unwrap_or(usize::MAX).min(most_texts(batch));
            let out_of_memory = match &pass {
                Ok((_, Ok(()))) => false,
                Ok((_, Err(error))) => is_out_of_memory(&error.to_string()),
                Err(panic) => is_out_of_memory(panic_message(panic.as_ref())),
            };
            if ranks.any(out_of_memory && texts > 1)? {
                self.size = Some((texts / 2).max(1));
                let half = texts / 2;
                tracing::warn!("out of memory with {texts} texts at once; continuing with mini_batch_size = {half}");
                continue;
            }
            match pass {
                Ok((found, _)) => return found,
                Err(panic) => resume_unwind(panic),
            }
        }
    }
}

/// The message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// True if an error is about memory. Backends have no error type for it, and no common words.
fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    let phrases = [
        "out of memory",
        "out-of-memory",
        "outofmemory",
        "out_of_memory",
        "out of device memory",
        "not enough memory",
        "cannot allocate memory",
        "memory allocation",
    ];
    phrases.iter().any(|phrase| message.contains(phrase))
}

/// The loss, and numbers whose sum is the square of the norm of all gradients, on the device.
pub(crate) fn loss_and_squares(model: &ColBert, loss: &Tensor<1>, gradients: &GradientsParams) -> Tensor<1> {
    match squared_norms(model, gradients) {
        Some(squares) => Tensor::cat(vec![loss.clone(), squares], 0),
        None => loss.clone(),
    }
}

/// The values of the loss and of the global gradient norm, of [`loss_and_squares`].
pub(crate) fn loss_and_norm(numbers: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let mut numbers = numbers.into_iter();
    let loss = numbers.next().unwrap_or(f64::NAN);
    (loss, numbers.sum::<f64>().sqrt())
}

/// The same, in one transfer from the device. `step` is for the error and counts from 1.
///
/// # Errors
/// When they cannot be read from the device.
pub(crate) fn read_loss_and_norm(
    model: &ColBert,
    loss: &Tensor<1>,
    gradients: &GradientsParams,
    step: usize,
) -> Result<(f64, f64)> {
    let numbers = loss_and_squares(model, loss, gradients).try_into_data();
    let numbers = numbers.map_err(|error| Error::device(step, &error))?;
    Ok(loss_and_norm(numbers.iter::<f64>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The third and the fourth are those of cubecl-runtime 0.11 (`IoError`, `ServerError`).
    #[test]
    fn the_messages_of_the_backends_are_known() {
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
        assert_eq!(panic_message(&"one"), "one");
        assert_eq!(panic_message(&"two".to_owned()), "two");
        assert_eq!(panic_message(&3), "");
    }
}
