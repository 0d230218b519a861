//! An evaluation during training: the loss on the eval dataset, and what the evaluators find.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use burn::data::dataloader::Progress as Batches;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, LearnerEvent, SupervisedTrainingEventProcessor, TrainingItem,
};
use colburn_eval::{Evaluator, SequentialEvaluator};
use colburn_model::ColBert;

use crate::datasets::EvalSet;
use crate::metrics::StepReport;
use crate::progress::Progress;
use crate::training_model::{StepOutput, TrainingModel};
use crate::{Error, IntervalStrategy, Result, TrainerState, TrainingArguments};

/// What the metrics of an evaluation begin with.
const PREFIX: &str = "eval_";

/// The things that a model is evaluated on.
pub(crate) struct Evaluation {
    /// The datasets that the loss is computed on.
    pub sets: Vec<EvalSet>,
    /// What else measures the model.
    evaluator: Option<Box<dyn Evaluator>>,
}

impl Evaluation {
    /// Several evaluators are one that runs them in their order and has a metric of its own, as in sentence-transformers.
    ///
    /// # Errors
    /// When two things would give a metric of one name.
    pub fn new(sets: Vec<EvalSet>, mut evaluators: Vec<Box<dyn Evaluator>>) -> Result<Self> {
        let losses = sets.iter().map(|set| set.metric("loss"));
        let metrics = losses.chain(evaluators.iter().flat_map(|evaluator| evaluator.metrics()).map(prefixed));
        let mut names = HashSet::new();
        for metric in metrics {
            if !names.insert(metric.clone()) {
                return Err(Error::SameMetric { metric });
            }
        }
        let evaluator = match evaluators.len() {
            0 | 1 => evaluators.pop(),
            _ => Some(Box::new(SequentialEvaluator::new(evaluators)?) as Box<dyn Evaluator>),
        };
        Ok(Self { sets, evaluator })
    }

    /// Compares what the arguments ask for with what there is. Something to evaluate that nothing asks for is worth a warning, because
    /// `eval_strategy` is `no` unless it is given.
    ///
    /// # Errors
    /// When there is nothing to evaluate, or the metric that decides between models is not among them or goes the other way.
    pub fn check(&self, args: &TrainingArguments) -> Result<()> {
        let wishes =
            [("eval_strategy", args.eval_strategy != IntervalStrategy::No), ("eval_on_start", args.eval_on_start)];
        let asked = wishes.into_iter().find_map(|(key, asked)| asked.then_some(key));
        let empty = self.sets.is_empty() && self.evaluator.is_none();
        match asked {
            Some(key) if empty => return Err(Error::NothingToEvaluate { key }),
            None if !empty => tracing::warn!(
                "nothing will be evaluated, though there is something to evaluate: set `eval_strategy` to \"steps\" or \"epoch\""
            ),
            _ => {}
        }
        let Some(metric) = args.metric_for_best_model().filter(|_| asked.is_some()) else { return Ok(()) };
        let metrics = self.metrics();
        if !metrics.contains(&metric) {
            return Err(Error::UnknownMetric { metric, known: metrics.join(", ") });
        }
        let mut smaller = self.evaluator.iter().flat_map(|evaluator| evaluator.smaller_is_better()).map(prefixed);
        if smaller.any(|smaller| smaller == metric) && args.greater_is_better() {
            return Err(Error::SmallerIsBetter { metric });
        }
        Ok(())
    }

    /// The names of all metrics that say how good a model is.
    fn metrics(&self) -> Vec<String> {
        let losses = self.sets.iter().map(|set| set.metric("loss"));
        let others = self.evaluator.iter().flat_map(|evaluator| evaluator.metrics()).map(prefixed);
        losses.chain(others).collect()
    }

    /// Whether the evaluators can measure this model.
    pub fn check_model(&self, model: &ColBert) -> Result<()> {
        Ok(self.evaluator.iter().try_for_each(|evaluator| evaluator.check(model))?)
    }

    /// The metrics of a model, all named `eval_…`; the evaluators' CSV files go to `dir`.
    pub fn run(
        &self,
        model: &TrainingModel,
        state: &TrainerState,
        dir: &Path,
        processor: &mut SupervisedTrainingEventProcessor<TrainingModel>,
        interrupter: &Interrupter,
        view: &Progress,
    ) -> Result<Vec<(String, f64)>> {
        let started = Instant::now();
        let model = model.valid();
        let mut metrics = Vec::new();
        for set in &self.sets {
            let started = Instant::now();
            let MeanLoss { mean, rows } = loss(set, &model, state, processor, interrupter)?;
            let seconds = started.elapsed().as_secs_f64();
            metrics.push((set.metric("loss"), mean));
            if !set.name.is_empty() {
                metrics.push((set.metric("runtime"), seconds));
            }
            metrics.push((set.metric("samples_per_second"), rows as f64 / seconds));
            metrics.push((set.metric("steps_per_second"), set.batches.num_items() as f64 / seconds));
        }
        if let Some(evaluator) = &self.evaluator {
            let report = evaluator.evaluate_with(&model.model, &mut |progress| view.evaluating(progress))?;
            std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
            evaluator.write_csv(&report, dir, state.epoch, i64::try_from(state.global_step).unwrap_or(-1))?;
            metrics.extend(report.metrics.into_iter().map(|(name, value)| (prefixed(name), value)));
        }
        view.evaluated();
        metrics.push((format!("{PREFIX}runtime"), started.elapsed().as_secs_f64()));
        Ok(metrics)
    }
}

impl EvalSet {
    /// The name of a metric of this dataset: `eval_loss`, or `eval_NAME_loss` where there are several.
    fn metric(&self, metric: &str) -> String {
        if self.name.is_empty() { format!("{PREFIX}{metric}") } else { format!("{PREFIX}{}_{metric}", self.name) }
    }
}

fn prefixed(metric: String) -> String {
    if metric.starts_with(PREFIX) { metric } else { format!("{PREFIX}{metric}") }
}

/// The mean loss over the rows of an eval dataset, as Hugging Face's trainer takes it: each batch's loss counts for its rows.
fn loss(
    set: &EvalSet,
    model: &TrainingModel,
    state: &TrainerState,
    processor: &mut SupervisedTrainingEventProcessor<TrainingModel>,
    interrupter: &Interrupter,
) -> Result<MeanLoss> {
    let total = set.batches.num_items();
    let epoch = (state.epoch.ceil() as usize).max(1);
    let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items: total };
    interrupter.fail_on_error(processor.process_valid(start));
    let (mut sum, mut rows) = (0.0, 0);
    for (index, batch) in set.batches.iter().enumerate() {
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

struct MeanLoss {
    mean: f64,
    rows: usize,
}

fn read(loss: Tensor<1>, step: usize) -> Result<f64> {
    loss.try_into_scalar::<f64>().map_err(|error| Error::device(step, &error))
}
