//! What can be found wrong before any long work: each dataset gives a batch, and that goes through model and loss, forward and backward.
//!
//! Nothing of it is kept. Dropout follows from the step, so the run that comes after is the same as without it.

use burn::module::Module;
use burn::train::InferenceStep;

use crate::evaluation::Evaluation;
use crate::loader::Loader;
use crate::memory::MiniBatches;
use crate::training_model::TrainingModel;
use crate::{Error, Result, TrainingArguments, pass};

/// Tries the first rows of every dataset, and gives back the mini-batches that fit into memory.
///
/// # Errors
/// [`Error::Preflight`], naming the dataset.
pub(crate) fn run(
    model: &TrainingModel,
    train: &Loader,
    evaluation: &Evaluation,
    mut mini_batches: MiniBatches,
    args: &TrainingArguments,
) -> Result<MiniBatches> {
    for (dataset, examples) in train.examples().enumerate() {
        let failed = |message: String| Error::Preflight { of: examples.description(), message };
        let rows: Vec<usize> = (0..examples.len().min(args.per_device_train_batch_size)).collect();
        let mut batch = train.batch(dataset, &rows).map_err(|error| failed(error.to_string()))?;
        batch.way.seed = Some(args.seed);
        let output = mini_batches.pass(model, batch);
        let loss = output.item.loss.map_err(|error| failed(error.to_string()))?;
        let (loss, norm) = pass::read(model, &loss, &output.grads, 0)?;
        if !(loss.is_finite() && norm.is_finite()) {
            return Err(failed(format!(
                "the loss of its first rows is {loss}, with a gradient norm of {norm}; numbers are expected (are the model's weights \
                 whole, and the settings of the loss right?)"
            )));
        }
    }
    let model = model.valid();
    for set in &evaluation.sets {
        let failed = |message: String| Error::Preflight { of: set.description.clone(), message };
        if let Some(batch) = set.batches.slice(0, 1).iter().next() {
            let batch = batch.map_err(|error| failed(error.to_string()))?;
            InferenceStep::step(&model, batch).loss.map_err(|error| failed(error.to_string()))?;
        }
    }
    Ok(mini_batches)
}
