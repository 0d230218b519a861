//! The model together with its loss: what burn-train trains.
//!
//! Queries and documents of a batch are one run of tokens and go through the encoder in one pass; the loss sees their embeddings and
//! nothing of the encoder.

use std::fmt;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::train::metric::Adaptor;
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
use burn_std::ExecutionError;
use colburn_data::Batch;
use colburn_loss::{Loss, Targets};
use colburn_model::{ColBert, TokenBatch};

use crate::Result;
use crate::loader::MicroBatch;
use crate::metrics::StepReport;

/// A ColBERT model and the loss that it is trained with.
#[derive(Module, Debug)]
pub(crate) struct TrainingModel {
    /// The model.
    pub model: ColBert,
    #[module(skip)]
    loss: SharedLoss,
}

/// A loss of any kind. It has no parameters.
#[derive(Clone)]
struct SharedLoss(Arc<dyn Loss>);

impl fmt::Debug for SharedLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
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
    pub fn new(model: ColBert, loss: Arc<dyn Loss>) -> Self {
        Self { model, loss: SharedLoss(loss) }
    }

    /// The loss of a batch, `[1]`.
    fn loss(&self, batch: &Batch) -> Result<Tensor<1>> {
        let texts = TokenBatch::concat(&[&batch.queries, &batch.documents]);
        let (queries, documents) = self.model.forward(&texts).split_at(batch.queries.len());
        Ok(self.loss.0.forward(&queries, &documents, &Targets::Positives)?)
    }
}

impl TrainStep for TrainingModel {
    type Input = MicroBatch;
    type Output = StepOutput;

    fn step(&self, input: MicroBatch) -> TrainOutput<StepOutput> {
        let (grads, loss) = match self.loss(&input.batch) {
            Ok(loss) => {
                let loss = loss * input.share;
                (GradientsParams::from_grads(loss.backward(), self), Ok(loss.inner()))
            }
            Err(error) => (GradientsParams::new(), Err(error)),
        };
        TrainOutput { grads, item: StepOutput { loss, report: StepReport::default() } }
    }
}

impl InferenceStep for TrainingModel {
    type Input = MicroBatch;
    type Output = StepOutput;

    fn step(&self, input: MicroBatch) -> StepOutput {
        StepOutput { loss: self.loss(&input.batch), report: StepReport::default() }
    }
}
