//! From the batches of an optimizer step to its gradients: forward and backward, averaged, measured, clipped.
//!
//! Randomness is dropout alone. Its generator is seeded before each micro-batch from the seed and the number of the micro-batch, so a step
//! draws the same numbers whatever came before it: another evaluation, another process.

use burn::data::dataloader::DataLoaderIterator;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::train::TrainStep;

use crate::loader::MicroBatch;
use crate::plan::Plan;
use crate::training_model::TrainingModel;
use crate::{Error, Result, TrainingArguments, gradients};

/// The gradients of a step and what goes with them.
pub(crate) struct Pass {
    /// Averaged and clipped.
    pub gradients: GradientsParams,
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
/// When a batch cannot be made, the loss refuses it, or the loss or the norm is not finite.
pub(crate) fn run(
    model: &TrainingModel,
    batches: &mut dyn DataLoaderIterator<MicroBatch>,
    args: &TrainingArguments,
    plan: &Plan,
    step: usize,
) -> Result<Pass> {
    let micro_batches = plan.micro_batches(step);
    let devices = model.devices();
    let mut accumulator = GradientsAccumulator::new();
    let mut losses = Vec::with_capacity(micro_batches.len());
    let (mut rows, mut tokens) = (0, 0);
    for number in micro_batches.clone() {
        let mut micro_batch = batches.next().ok_or(Error::DataThread { batch: number })??;
        micro_batch.share = 1.0 / micro_batches.len() as f64;
        rows += micro_batch.batch.queries.len();
        tokens += micro_batch.batch.queries.tokens() + micro_batch.batch.documents.tokens();
        for device in &devices {
            device.seed(mix(args.seed, number as u64));
        }
        let output = TrainStep::step(model, micro_batch);
        losses.push(output.item.loss?);
        accumulator.accumulate(model, output.grads);
    }
    let gradients = accumulator.grads();
    let loss = Tensor::cat(losses, 0).sum();
    let (value, norm) = read(model, &loss, &gradients, step + 1)?;
    let gradients = match gradients::clip_coefficient(norm, args.max_grad_norm) {
        Some(coefficient) => gradients::scale(model, gradients, coefficient),
        None => gradients,
    };
    Ok(Pass { gradients, loss, value, norm, rows, tokens })
}

/// The loss and the global gradient norm, in one read from the device.
fn read(model: &TrainingModel, loss: &Tensor<1>, gradients: &GradientsParams, step: usize) -> Result<(f64, f64)> {
    let mut numbers = vec![loss.clone()];
    numbers.extend(gradients::squared_norms(model, gradients));
    let numbers = Tensor::cat(numbers, 0).try_into_data();
    let numbers = numbers.map_err(|error| Error::Device { step, message: error.to_string() })?;
    let mut numbers = numbers.iter::<f64>();
    let loss = numbers.next().unwrap_or(f64::NAN);
    let norm = numbers.sum::<f64>().sqrt();
    for (what, value) in [("loss", loss), ("gradient norm", norm)] {
        if !value.is_finite() {
            return Err(Error::NonFinite { step, what, value });
        }
    }
    Ok((loss, norm))
}

/// A seed for each position, unlike that of its neighbours: SplitMix64.
fn mix(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn seeds_differ() {
        let seeds: HashSet<u64> = (0..4).flat_map(|seed| (0..1000).map(move |position| mix(seed, position))).collect();
        assert_eq!(seeds.len(), 4000);
        assert_eq!(mix(0, 0), 0xe220_a839_7b1d_cdaf, "the first number of SplitMix64 from 0");
    }
}
