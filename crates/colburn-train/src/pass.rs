//! From the batches of an optimizer step to its gradients: forward and backward, averaged and measured.
//!
//! Randomness is dropout alone. It follows from the seed, the number of the micro-batch and the text, so a step drops the same whatever
//! came before it: another evaluation, another process.

use burn::data::dataloader::DataLoaderIterator;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use colburn_ops::mix;

use crate::loader::MicroBatch;
use crate::memory::MiniBatches;
use crate::plan::Plan;
use crate::training_model::TrainingModel;
use crate::{Error, Result, TrainingArguments, gradients};

/// The gradients of a step and what goes with them.
pub(crate) struct Pass {
    /// Averaged; none when the loss or the norm is not finite.
    pub gradients: Option<GradientsParams>,
    /// What they are yet to be multiplied with to be clipped, 1 for nothing.
    pub clip: f64,
    /// The loss, `[1]`, on the device.
    pub loss: Tensor<1>,
    /// Its value.
    pub value: f64,
    /// The global gradient norm before clipping.
    pub norm: f64,
    /// Rows that went in.
    pub rows: usize,
    /// Tokens of their queries and documents.
    pub tokens: usize,
}

/// Takes the micro-batches of `step`, which is counted from 0, and makes its gradients.
///
/// The average is over the micro-batches that the step has. (transformers 5.3 divides by `gradient_accumulation_steps` once more, in
/// accelerate, so its gradients and their norm are too small by that factor: its issue 40709.)
///
/// # Errors
/// When a batch cannot be made, or the loss refuses it.
pub(crate) fn run(
    model: &TrainingModel,
    batches: &mut dyn DataLoaderIterator<MicroBatch>,
    mini_batches: &mut MiniBatches,
    args: &TrainingArguments,
    plan: &Plan,
    step: usize,
) -> Result<Pass> {
    let micro_batches = plan.micro_batches(step);
    let mut accumulator = GradientsAccumulator::new();
    let mut losses = Vec::with_capacity(micro_batches.len());
    let (mut rows, mut tokens) = (0, 0);
    for number in micro_batches.clone() {
        let mut micro_batch = batches.next().ok_or(Error::DataThread { batch: number })??;
        micro_batch.way.share = 1.0 / micro_batches.len() as f64;
        micro_batch.way.seed = Some(mix(args.seed, number as u64));
        rows += micro_batch.batch.queries.len();
        tokens += micro_batch.batch.queries.tokens() + micro_batch.batch.documents.tokens();
        let output = mini_batches.pass(model, micro_batch);
        losses.push(output.item.loss?);
        accumulator.accumulate(model, output.grads);
    }
    let gradients = accumulator.grads();
    let loss = Tensor::cat(losses, 0).sum();
    let (value, norm) = read(model, &loss, &gradients, step + 1)?;
    let gradients = (value.is_finite() && norm.is_finite()).then_some(gradients);
    let clip = gradients::clip_coefficient(norm, args.max_grad_norm).unwrap_or(1.0);
    Ok(Pass { gradients, clip, loss, value, norm, rows, tokens })
}

/// The loss and the global gradient norm, in one read from the device.
pub(crate) fn read(
    model: &TrainingModel,
    loss: &Tensor<1>,
    gradients: &GradientsParams,
    step: usize,
) -> Result<(f64, f64)> {
    let mut numbers = vec![loss.clone()];
    numbers.extend(gradients::squared_norms(model, gradients));
    let numbers = Tensor::cat(numbers, 0).try_into_data();
    let numbers = numbers.map_err(|error| Error::device(step, &error))?;
    let mut numbers = numbers.iter::<f64>();
    let loss = numbers.next().unwrap_or(f64::NAN);
    Ok((loss, numbers.sum::<f64>().sqrt()))
}
