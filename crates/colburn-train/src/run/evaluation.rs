//! Evaluation: the losses on the eval datasets, the metrics of the evaluators, and the choice of the best model.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use colburn_eval::{Evaluator, SequentialEvaluator};
use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_ops::Precision;
use colburn_report::{Console, TrainerState};

use super::burn_train::LearnerEvents;
use super::parts::TrainerParts;
use super::step;
use crate::data::datasets::EvalSet;
use crate::{Error, IntervalStrategy, Result, TrainingArguments};

/// The prefix of the metrics of an evaluation.
const PREFIX: &str = "eval_";

/// Everything that a model is evaluated on.
pub(crate) struct Evaluation {
    /// The datasets on which a loss is computed.
    pub sets: Vec<EvalSet>,
    /// The loss of each training dataset, then of each of these.
    losses: Arc<[Arc<dyn Loss>]>,
    /// All evaluators as one.
    evaluator: Option<Box<dyn Evaluator>>,
    /// The precision of linear layers, if it is another than that of the model.
    precision: Option<Precision>,
}

/// The run of which an evaluation is a part.
pub(crate) struct DuringRun<'a> {
    pub state: &'a TrainerState,
    /// The folder of the evaluators' CSV files.
    pub csv_dir: &'a Path,
    pub events: &'a mut LearnerEvents,
}

impl Evaluation {
    /// Several evaluators are one that runs them in their order and has a metric of its own, as in sentence-transformers.
    ///
    /// # Errors
    /// When two of them have a metric of one name.
    pub fn new(
        sets: Vec<EvalSet>,
        losses: Arc<[Arc<dyn Loss>]>,
        mut evaluators: Vec<Box<dyn Evaluator>>,
        precision: Option<Precision>,
    ) -> Result<Self> {
        let of_sets = sets.iter().map(|set| set.metric("loss"));
        let metrics = of_sets.chain(evaluators.iter().flat_map(|evaluator| evaluator.metrics()).map(prefixed));
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
        Ok(Self { sets, losses, evaluator, precision })
    }

    /// True if there is neither a dataset nor an evaluator.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.evaluator.is_none()
    }

    /// Compares the arguments with the datasets and evaluators. If there are some, and no argument asks for an evaluation, that is a warning, because
    /// `eval_strategy` is `no` by default.
    ///
    /// # Errors
    /// When there is nothing to evaluate, or the metric of the best model is unknown or compared in the wrong direction.
    pub fn check(&self, args: &TrainingArguments) -> Result<()> {
        let strategy = args.eval_strategy != IntervalStrategy::No;
        let requests = [("eval_strategy", strategy), ("eval_on_start", args.eval_on_start)];
        let requested = requests.into_iter().find_map(|(key, requested)| requested.then_some(key));
        match requested {
            Some(key) if self.is_empty() => return Err(Error::NothingToEvaluate { key }),
            None if !self.is_empty() => tracing::warn!(
                "nothing will be evaluated, though there is something to evaluate: set `eval_strategy` to \"steps\" or \"epoch\""
            ),
            _ => {}
        }
        let Some(metric) = args.metric_for_best_model().filter(|_| requested.is_some()) else { return Ok(()) };
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

    /// Checks that the evaluators can evaluate this model.
    ///
    /// # Errors
    /// When an evaluator refuses it.
    pub fn check_model(&self, model: &ColBert) -> Result<()> {
        Ok(self.evaluator.iter().try_for_each(|evaluator| evaluator.check(model))?)
    }

    /// The names of all metrics that measure the quality of a model.
    fn metrics(&self) -> Vec<String> {
        let losses = self.sets.iter().map(|set| set.metric("loss"));
        let others = self.evaluator.iter().flat_map(|evaluator| evaluator.metrics()).map(prefixed);
        losses.chain(others).collect()
    }

    /// The metrics of a model without autodiff, all named `eval_…`.
    ///
    /// # Errors
    /// When data cannot be read or the evaluators' CSV files cannot be written.
    pub fn run(
        &self,
        model: &ColBert,
        console: &Console,
        mut during: Option<DuringRun<'_>>,
    ) -> Result<Vec<(String, f64)>> {
        let started = Instant::now();
        let model = &self.in_precision(model);
        let mut metrics = Vec::new();
        for set in &self.sets {
            let started = Instant::now();
            let mean = self.mean_loss(set, model, during.as_mut())?;
            let seconds = started.elapsed().as_secs_f64();
            metrics.push((set.metric("loss"), mean.loss));
            if !set.name.is_empty() {
                metrics.push((set.metric("runtime"), seconds));
            }
            metrics.push((set.metric("samples_per_second"), mean.rows as f64 / seconds));
            metrics.push((set.metric("steps_per_second"), set.batches.batches_per_epoch() as f64 / seconds));
        }
        if let Some(evaluator) = &self.evaluator {
            let report = evaluator.evaluate_with(model, &mut |progress| console.evaluating(progress))?;
            if let Some(DuringRun { state, csv_dir, .. }) = during {
                std::fs::create_dir_all(csv_dir).map_err(Error::io(csv_dir))?;
                let step = i64::try_from(state.global_step).unwrap_or(-1);
                evaluator.write_csv(&report, csv_dir, state.epoch, step)?;
            }
            metrics.extend(report.metrics.into_iter().map(|(name, value)| (prefixed(name), value)));
        }
        console.evaluated();
        metrics.push((format!("{PREFIX}runtime"), started.elapsed().as_secs_f64()));
        Ok(metrics)
    }

    /// Computes the loss of the first batch of each dataset: a test before the run.
    ///
    /// # Errors
    /// [`Error::Preflight`] with the description of the dataset whose batch fails.
    pub fn try_first_batches(&self, model: &ColBert) -> Result<()> {
        let model = &self.in_precision(model);
        for set in &self.sets {
            let first = set.batches.batches(0..1).next();
            let result = first.map_or(Ok(()), |batch| {
                let batch = batch?;
                step::loss(model, self.losses[batch.loss].as_ref(), &batch.batch).map(drop)
            });
            result
                .map_err(|error: Error| Error::Preflight { of: set.description.clone(), message: error.to_string() })?;
        }
        Ok(())
    }

    /// The model in the precision of evaluations; it shares its weights.
    fn in_precision(&self, model: &ColBert) -> ColBert {
        model.clone().with_precision(self.precision.unwrap_or(model.precision()))
    }

    /// The mean loss over the rows of an eval dataset, as in Hugging Face's trainer: the loss of each batch is weighted by its rows.
    fn mean_loss(&self, set: &EvalSet, model: &ColBert, mut during: Option<&mut DuringRun<'_>>) -> Result<MeanLoss> {
        let total = set.batches.batches_per_epoch();
        let (epoch, step) = during
            .as_ref()
            .map_or((1, 0), |during| ((during.state.epoch.ceil() as usize).max(1), during.state.global_step));
        if let Some(during) = &mut during {
            during.events.evaluation_started(epoch, total);
        }
        let (mut sum, mut rows) = (0.0, 0);
        for (index, batch) in set.batches.batches(0..total).enumerate() {
            let batch = batch?;
            let loss = step::loss(model, self.losses[batch.loss].as_ref(), &batch.batch)?;
            let value = loss.try_into_scalar::<f64>().map_err(|error| Error::device(step, &error))?;
            sum += value * batch.batch.queries.len() as f64;
            rows += batch.batch.queries.len();
            if let Some(during) = &mut during {
                during.events.evaluation_batch_done(value, index + 1, total);
            }
        }
        if let Some(during) = &mut during {
            during.events.evaluation_ended(epoch);
        }
        Ok(MeanLoss { loss: sum / rows as f64, rows })
    }
}

struct MeanLoss {
    loss: f64,
    rows: usize,
}

/// The metrics of a model that is not trained; see [`Trainer::evaluate`](crate::Trainer::evaluate).
pub(crate) fn evaluate(model: &ColBert, parts: &TrainerParts) -> Result<Vec<(String, f64)>> {
    let TrainerParts { args, datasets, quiet, .. } = parts;
    args.validate()?;
    datasets.check_losses()?;
    datasets.check_names()?;
    let sets = datasets.eval_sets(args, model.tokenizer())?;
    let precision = args.eval_precision(&model.device())?;
    let evaluation = Evaluation::new(sets, datasets.losses().into(), parts.boxed_evaluators(), precision)?;
    if evaluation.is_empty() {
        return Err(Error::NothingToEvaluate { key: "Trainer::evaluate" });
    }
    evaluation.check_model(model)?;
    let precision = args.precision(&model.device())?.unwrap_or(model.precision());
    let console = if *quiet { Console::quiet() } else { Console::new(0) };
    let metrics = evaluation.run(&model.clone().with_precision(precision), &console, None);
    console.close();
    metrics
}

impl EvalSet {
    /// The name of a metric of this dataset: `eval_loss`, or `eval_NAME_loss` if there are several.
    fn metric(&self, metric: &str) -> String {
        if self.name.is_empty() { format!("{PREFIX}{metric}") } else { format!("{PREFIX}{}_{metric}", self.name) }
    }
}

fn prefixed(metric: String) -> String {
    if metric.starts_with(PREFIX) { metric } else { format!("{PREFIX}{metric}") }
}

/// Notes the metric of an evaluation, and returns true if it is better than all earlier ones. The first one is, unless it is NaN or infinitely bad.
///
/// # Errors
/// When there is no metric of this name.
pub(crate) fn note_best(
    state: &mut TrainerState,
    metric: &str,
    greater_is_better: bool,
    metrics: &[(String, f64)],
) -> Result<bool> {
    let Some((_, value)) = metrics.iter().find(|(name, _)| name == metric) else {
        let known = metrics.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::UnknownMetric { metric: metric.to_owned(), known });
    };
    let worst = if greater_is_better { f64::NEG_INFINITY } else { f64::INFINITY };
    let best = state.best_metric.unwrap_or(worst);
    let better = if greater_is_better { *value > best } else { *value < best };
    if better {
        state.best_metric = Some(*value);
        state.best_global_step = Some(state.global_step);
    }
    Ok(better)
}

#[cfg(test)]
mod tests {
    use super::*;
    use colburn_report::RunLimits;

    fn noted(greater: bool, values: &[f64]) -> (Vec<bool>, TrainerState) {
        let mut state = TrainerState::new(RunLimits::default());
        let better = values.iter().map(|&value| {
            state.global_step += 1;
            note_best(&mut state, "eval_m", greater, &[("eval_m".to_owned(), value)]).unwrap()
        });
        (better.collect(), state)
    }

    #[test]
    fn better_is_strictly_better() {
        let (better, state) = noted(true, &[f64::NAN, 1.0, 1.0, 2.0, f64::NAN, 0.0]);
        assert_eq!(better, [false, true, false, true, false, false]);
        assert_eq!((state.best_metric, state.best_global_step), (Some(2.0), Some(4)));
        let (better, state) = noted(false, &[1.0, 2.0, 0.5]);
        assert_eq!(better, [true, false, true]);
        assert_eq!((state.best_metric, state.best_global_step), (Some(0.5), Some(3)));
    }

    #[test]
    fn an_unknown_metric_lists_the_known() {
        let mut state = TrainerState::new(RunLimits::default());
        let message = note_best(&mut state, "eval_f1", true, &[("eval_loss".to_owned(), 1.0)]).unwrap_err().to_string();
        assert!(message.contains("eval_f1") && message.contains("eval_loss"), "{message}");
    }
}
