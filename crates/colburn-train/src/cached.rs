//! Loss and gradients of a batch: in one pass, or in mini-batches by gradient caching.
//!
//! A contrastive batch cannot be cut like others, because each row is told from the documents of all rows. But a loss sees embeddings only,
//! so the batch can be cut at that seam (Gao et al., *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, 2021):
//!
//! 1. the embeddings of all mini-batches, without a graph;
//! 2. the loss of the whole batch on them, and its gradient by each embedding, the cache;
//! 3. each mini-batch again, with a graph, and back through it from its part of the cache.
//!
//! By the chain rule that is the gradient of the whole. The memory is that of one mini-batch's graph and the embeddings. Dropout belongs to
//! texts ([`Dropout`]), so both passes over a mini-batch, and a pass over the whole batch, drop the same.

use std::ops::Range;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use colburn_data::Batch;
use colburn_loss::Targets;
use colburn_model::TokenBatch;
use colburn_ops::{Dropout, Embeddings};

use crate::Result;
use crate::training_model::TrainingModel;

/// How a batch goes through the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// Texts of a mini-batch; the whole batch at once without it.
    pub mini_batch_size: Option<usize>,
    /// What dropout follows from; none is applied without it.
    pub seed: Option<u64>,
    /// What the loss is multiplied with.
    pub share: f64,
    /// Which loss.
    pub dataset: usize,
}

impl Way {
    fn dropout(&self) -> Dropout {
        self.seed.map_or_else(Dropout::off, Dropout::seeded)
    }
}

/// The loss of a batch, `[1]`, without its graph, and the gradients of the model's parameters.
pub(crate) fn gradients(model: &TrainingModel, batch: &Batch, way: Way) -> Result<(Tensor<1>, GradientsParams)> {
    match way.mini_batch_size {
        Some(size) if size < batch.queries.len().max(batch.documents.len()) => in_parts(model, batch, way, size),
        _ => {
            let loss = whole(model, batch, way)?;
            Ok((loss.clone().inner(), GradientsParams::from_grads(loss.backward(), model)))
        }
    }
}

/// The loss of a batch, `[1]`, on the device of the model; with a graph where that keeps one.
pub(crate) fn whole(model: &TrainingModel, batch: &Batch, way: Way) -> Result<Tensor<1>> {
    let texts = TokenBatch::concat(&[&batch.queries, &batch.documents]);
    let (queries, documents) = model.model.forward_with(&texts, way.dropout()).split_at(batch.queries.len());
    Ok(model.loss(way.dataset).forward(&queries, &documents, &targets(batch))? * way.share)
}

/// What the loss is told besides embeddings.
fn targets(batch: &Batch) -> Targets {
    match &batch.scores {
        Some(scores) => Targets::Scores(scores.clone()),
        None => Targets::Positives,
    }
}

fn in_parts(model: &TrainingModel, batch: &Batch, way: Way, size: usize) -> Result<(Tensor<1>, GradientsParams)> {
    let queries = parts(&batch.queries, 0, size);
    let documents = parts(&batch.documents, batch.queries.len(), size);

    let without_graph = model.model.valid();
    let embed = |parts: &[Part]| {
        let values = parts
            .iter()
            .map(|part| without_graph.forward_with(&part.texts, way.dropout().from_text(part.first)).values);
        Tensor::cat(values.collect(), 0).autodiff().require_grad()
    };
    let cached_queries = of_batch(embed(&queries), &batch.queries);
    let cached_documents = of_batch(embed(&documents), &batch.documents);
    let loss = model.loss(way.dataset).forward(&cached_queries, &cached_documents, &targets(batch))? * way.share;
    let value = loss.clone().inner();
    let mut cache = loss.backward();

    let mut accumulator = GradientsAccumulator::new();
    for (parts, embeddings) in [(queries, cached_queries), (documents, cached_documents)] {
        // A loss that does not depend on these embeddings leaves them without a gradient.
        let Some(gradient) = embeddings.values.grad_remove(&mut cache) else { continue };
        let dim = embeddings.dim();
        drop(embeddings);
        for part in parts {
            let values = model.model.forward_with(&part.texts, way.dropout().from_text(part.first)).values;
            let gradient = gradient.clone().slice([part.tokens, 0..dim]);
            let product = (values * gradient.autodiff()).sum();
            accumulator.accumulate(model, GradientsParams::from_grads(product.backward(), model));
        }
    }
    Ok((value, accumulator.grads()))
}

/// Some of the texts of a batch.
struct Part {
    texts: TokenBatch,
    /// The number of the first of them in the batch, queries before documents.
    first: usize,
    /// Their tokens in the run of all queries, or all documents.
    tokens: Range<usize>,
}

fn parts(texts: &TokenBatch, first: usize, size: usize) -> Vec<Part> {
    let part = |start: usize| {
        let numbers: Vec<usize> = (start..texts.len().min(start + size)).collect();
        let tokens = texts.spans.range(start).start;
        let texts = texts.select(&numbers);
        Part { tokens: tokens..tokens + texts.tokens(), texts, first: first + start }
    };
    (0..texts.len()).step_by(size).map(part).collect()
}

fn of_batch(values: Tensor<2>, texts: &TokenBatch) -> Embeddings {
    Embeddings { values, spans: texts.spans.clone(), mask: texts.mask.clone(), floor: texts.floor.clone() }
}
