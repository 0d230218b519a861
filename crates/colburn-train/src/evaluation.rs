//! An evaluation during training: the loss on the eval dataset, and what the evaluators find.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use burn::data::dataloader::Progress as Batches;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, LearnerEvent, SupervisedTrainingEventProcessor, TrainingItem,
    ValidLoader,
};
use colburn_eval::Evaluator;

use crate::metrics::StepReport;
use crate::training_model::{StepOutput, TrainingModel};
use crate::{Error, IntervalStrategy, Result, TrainerState, TrainingArguments};

/// What the metrics of an evaluation begin with.
const PREFIX: &str = "eval_";

/// The things that a model is evaluated on.
pub(crate) struct Evaluation {
    /// The batches of the eval dataset, none without one.
    pub batches: ValidLoader<TrainingModel>,
    /// Run in this order.
    pub evaluators: Vec<Box<dyn Evaluator>>,
}

impl Evaluation {
    /// Compares what the arguments ask for with what there is. Something to evaluate that nothing asks for is worth a warning, because
    /// `eval_strategy` is `no` unless it is given.
    ///
    /// # Errors
    /// When there is nothing to evaluate, or two evaluators have one name.
    pub fn check(&self, args: &TrainingArguments) -> Result<()> {
        let wishes =
            [("eval_strategy", args.eval_strategy != IntervalStrategy::No), ("eval_on_start", args.eval_on_start)];
        let asked = wishes.into_iter().find_map(|(key, asked)| asked.then_some(key));
        let empty = self.batches.num_items() == 0 && self.evaluators.is_empty();
        match asked {
            Some(key) if empty => return Err(Error::NothingToEvaluate { key }),
            None if !empty => tracing::warn!(
                "nothing will be evaluated, though there is something to evaluate: set `eval_strategy` to \"steps\" or \"epoch\""
            ),
            _ => {}
        }
        let mut names = HashSet::new();
        for evaluator in &self.evaluators {
            if !names.insert(evaluator.name()) {
                return Err(Error::SameEvaluator { name: evaluator.name() });
            }
        }
        Ok(())
    }

    /// The metrics of a model, all named `eval_…`; the evaluators' CSV files go to `dir`.
    pub fn run(
        &self,
        model: &TrainingModel,
        state: &TrainerState,
        dir: &Path,
        processor: &mut SupervisedTrainingEventProcessor<TrainingModel>,
        interrupter: &Interrupter,
    ) -> Result<Vec<(String, f64)>> {
        let started = Instant::now();
        let model = model.valid();
        let mut metrics = Vec::new();
        let (mut rows, mut batches) = (0, 0);
        if self.batches.num_items() > 0 {
            let loss = self.loss(&model, state, processor, interrupter)?;
            metrics.push((format!("{PREFIX}loss"), loss.mean));
            (rows, batches) = (loss.rows, self.batches.num_items());
        }
        for evaluator in &self.evaluators {
            let report = evaluator.evaluate(&model.model)?;
            std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
            evaluator.write_csv(&report, dir, state.epoch, i64::try_from(state.global_step).unwrap_or(-1))?;
            metrics.extend(report.metrics.into_iter().map(|(name, value)| {
                let name = if name.starts_with(PREFIX) { name } else { format!("{PREFIX}{name}") };
                (name, value)
            }));
        }
        let seconds = started.elapsed().as_secs_f64();
        metrics.push((format!("{PREFIX}runtime"), seconds));
        if batches > 0 {
            metrics.push((format!("{PREFIX}samples_per_second"), rows as f64 / seconds));
            metrics.push((format!("{PREFIX}steps_per_second"), batches as f64 / seconds));
        }
        Ok(metrics)
    }

    /// The mean loss over the rows of the eval dataset, as Hugging Face's trainer takes it: each batch's loss counts for its rows.
    fn loss(
        &self,
        model: &TrainingModel,
        state: &TrainerState,
        processor: &mut SupervisedTrainingEventProcessor<TrainingModel>,
        interrupter: &Interrupter,
    ) -> Result<MeanLoss> {
        let total = self.batches.num_items();
        let epoch = (state.epoch.ceil() as usize).max(1);
        let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items: total };
        interrupter.fail_on_error(processor.process_valid(start));
        let (mut sum, mut rows) = (0.0, 0);
        for (index, batch) in self.batches.iter().enumerate() {
            let batch = batch?;
            let batch_rows = batch.batch.queries.len();
            let loss = InferenceStep::step(model, batch).loss?;
            let value = read(loss.clone(), state.global_step)?;
            sum += value * batch_rows as f64;
            rows += batch_rows;
            let report = StepReport { loss: Some(value), ..Default::default() };
            let progress = Batches::new(index + 1, total, Some("batches".to_owned()));
            let item = TrainingItem::new(StepOutput { loss: Ok(loss), report }, progress, Some(index + 1), None);
            interrupter.fail_on_error(processor.process_valid(LearnerEvent::ProcessedItem(item)));
        }
        interrupter.fail_on_error(processor.process_valid(LearnerEvent::EndSplit(epoch)));
        Ok(MeanLoss { mean: sum / rows as f64, rows })
    }
}

struct MeanLoss {
    mean: f64,
    rows: usize,
}

fn read(loss: Tensor<1>, step: usize) -> Result<f64> {
    loss.try_into_scalar::<f64>().map_err(|error| Error::Device { step, message: error.to_string() })
}
