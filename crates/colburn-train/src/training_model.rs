//! The model together with its losses: what burn-train trains.
//!
//! Queries and documents of a batch are one run of tokens and go through the encoder in one pass; a loss sees their embeddings and
//! nothing of the encoder.

use std::fmt;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::train::metric::Adaptor;
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use burn_std::ExecutionError;
use colburn_loss::Loss;
use colburn_model::ColBert;

use crate::Result;
use crate::cached::{self, Way};
use crate::loader::MicroBatch;
use crate::metrics::StepReport;

/// A ColBERT model and the losses that it is trained with.
#[derive(Module, Debug)]
pub(crate) struct TrainingModel {
    /// The model.
    pub model: ColBert,
    #[module(skip)]
    losses: Losses,
}

/// A loss of any kind for each dataset, those of training before those of evaluation. They have no parameters.
#[derive(Clone)]
struct Losses(Arc<[Arc<dyn Loss>]>);

impl fmt::Debug for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|loss| loss.name())).finish()
    }
}

/// What a pass over a batch, or an optimizer step, gave.
pub(crate) struct StepOutput {
    /// The loss, `[1]`, without its graph, and still on the device.
    pub loss: Result<Tensor<1>>,
    /// The numbers that were read from the device.
    pub report: StepReport,
}

impl ItemLazy for StepOutput {
    /// There is nothing left to wait for: the report holds numbers.
    fn sync(self) -> std::result::Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<StepReport> for StepOutput {
    fn adapt(&self) -> StepReport {
        self.report
    }
}

impl TrainingModel {
    /// One loss at least.
    pub fn new(model: ColBert, losses: Vec<Arc<dyn Loss>>) -> Self {
        Self { model, losses: Losses(losses.into()) }
    }

    /// The same with another model.
    pub fn with(self, change: impl FnOnce(ColBert) -> ColBert) -> Self {
        Self { model: change(self.model), losses: self.losses }
    }

    /// The loss of a dataset.
    pub fn loss(&self, dataset: usize) -> &dyn Loss {
        self.losses.0[dataset.min(self.losses.0.len() - 1)].as_ref()
    }
}

impl TrainStep for TrainingModel {
    type Input = MicroBatch;
    type Output = StepOutput;

    fn step(&self, input: MicroBatch) -> TrainOutput<StepOutput> {
        let (loss, grads) = match cached::gradients(self, &input.batch, input.way) {
            Ok((loss, gradients)) => (Ok(loss), gradients),
            Err(error) => (Err(error), GradientsParams::new()),
        };
        TrainOutput { grads, item: StepOutput { loss, report: StepReport::default() } }
    }
}

impl InferenceStep for TrainingModel {
    type Input = MicroBatch;
    type Output = StepOutput;

    fn step(&self, input: MicroBatch) -> StepOutput {
        let way = Way { seed: None, share: 1.0, ..input.way };
        StepOutput { loss: cached::whole(self, &input.batch, way), report: StepReport::default() }
    }
}
