//! The values that follow from the arguments: numbers of steps, the events after a step or an epoch, defaults that depend on other arguments.

use std::path::PathBuf;

use burn::tensor::Device;
use colburn_ops::Precision;
use colburn_report::ReporterKind;

use super::names::IntervalStrategy;
use crate::{Error, Result, TrainingArguments};

/// The prefix of the names of an evaluation's metrics.
const PREFIX: &str = "eval_";

impl TrainingArguments {
    /// The precision of linear layers on a device; none if the arguments leave it to the model.
    ///
    /// # Errors
    /// [`Error::Argument`] when the device does not compute in it.
    pub fn precision(&self, device: &Device) -> Result<Option<Precision>> {
        let tf32 = self.tf32 == Some(true);
        let asked = [("fp16", self.fp16, Precision::F16), ("bf16", self.bf16, Precision::Bf16)];
        first_on(device, asked.into_iter().chain([("tf32", tf32, Precision::Tf32)]))
    }

    /// The precision of linear layers in evaluations on a device; none if it is that of the training.
    ///
    /// # Errors
    /// [`Error::Argument`] when the device does not compute in it.
    pub fn eval_precision(&self, device: &Device) -> Result<Option<Precision>> {
        let fp16 = ("fp16_full_eval", self.fp16_full_eval, Precision::F16);
        first_on(device, [fp16, ("bf16_full_eval", self.bf16_full_eval, Precision::Bf16)])
    }

    /// Number of warmup steps of a run of `max_steps` steps.
    pub fn warmup(&self, max_steps: usize) -> usize {
        in_steps(self.warmup_ratio.unwrap_or(self.warmup_steps), max_steps)
    }

    /// True if the step that was just done is logged; `interval` is `logging_steps` as a number of steps.
    pub fn log_is_due_after_step(&self, step: usize, interval: usize) -> bool {
        let due = self.logging_strategy == IntervalStrategy::Steps && step.is_multiple_of(interval);
        due || (self.logging_first_step && step == 1)
    }

    /// True if the model is evaluated after a step; `interval` is `eval_steps` as a number of steps.
    pub fn eval_is_due_after_step(&self, step: usize, interval: usize) -> bool {
        let due = self.eval_strategy == IntervalStrategy::Steps && step.is_multiple_of(interval);
        due && self.eval_delay <= step as f64
    }

    /// True if the model is evaluated at the end of an epoch; `epoch` is the progress in epochs, 1 after the first.
    pub fn eval_is_due_after_epoch(&self, epoch: f64) -> bool {
        self.eval_strategy == IntervalStrategy::Epoch && self.eval_delay <= epoch
    }

    /// True if the device is asked to release unused memory after a step.
    pub fn empty_cache_is_due(&self, step: usize) -> bool {
        self.torch_empty_cache_steps.is_some_and(|interval| step.is_multiple_of(interval))
    }

    /// The name, with `eval_` before it, of the metric that decides which model is best; none if nothing asks for the best.
    pub fn metric_for_best_model(&self) -> Option<String> {
        let metric = match &self.metric_for_best_model {
            Some(metric) => metric,
            None if self.load_best_model_at_end => "loss",
            None => return None,
        };
        Some(if metric.starts_with(PREFIX) { metric.to_owned() } else { format!("{PREFIX}{metric}") })
    }

    /// True if a greater value of that metric is better.
    pub fn greater_is_better(&self) -> bool {
        let is_loss = self.metric_for_best_model().is_some_and(|metric| metric.ends_with("loss"));
        self.greater_is_better.unwrap_or(!is_loss)
    }

    /// The folder of TensorBoard's event files. Hugging Face's default contains the time and the host; here it is the same for each run, so that
    /// a resumed run writes beside its earlier files.
    pub fn logging_dir(&self) -> PathBuf {
        self.logging_dir.clone().unwrap_or_else(|| self.output_dir.join("runs"))
    }

    /// The reporters that the logs go to.
    ///
    /// # Errors
    /// When a name is unknown.
    pub fn reporters(&self) -> Result<Vec<ReporterKind>> {
        self.report_to.reporters()
    }

    /// The run's name: `run_name`, or else the name of `output_dir`.
    pub fn run_name(&self) -> String {
        let folder = || self.output_dir.file_name().map(|name| name.to_string_lossy().into_owned());
        self.run_name.clone().or_else(folder).unwrap_or_else(|| self.output_dir.display().to_string())
    }

    /// True if the program `colburn` trains: unless `do_train` is false.
    pub fn trains(&self) -> bool {
        self.do_train.unwrap_or(true)
    }

    /// The repository on the Hugging Face hub that uploads go to.
    ///
    /// # Errors
    /// When the arguments cannot name a repository.
    #[cfg(feature = "hub")]
    pub(crate) fn hub_repository(&self) -> Result<colburn_hub::RepoId> {
        let (id, revision) = (self.hub_model_id.as_deref(), self.hub_revision.as_deref());
        Ok(colburn_report::push::repository(id, &self.output_dir, revision)?)
    }
}

/// The first precision whose argument is true; the device must have all of those.
fn first_on(
    device: &Device,
    asked: impl IntoIterator<Item = (&'static str, bool, Precision)>,
) -> Result<Option<Precision>> {
    let mut first = None;
    for (key, _, precision) in asked.into_iter().filter(|(_, asked, _)| *asked) {
        let refused = |error: colburn_ops::Error| Error::Argument {
            key,
            value: "true".to_owned(),
            expected: error.to_string().into(),
        };
        precision.check(device).map_err(refused)?;
        first = first.or(Some(precision));
    }
    Ok(first)
}

/// A number of steps as an argument gives it: from 1 on it is that number, below 1 a share of all steps, rounded up.
pub(crate) fn in_steps(given: f64, max_steps: usize) -> usize {
    if given >= 1.0 { given as usize } else { (max_steps as f64 * given).ceil() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    // warmup_steps, warmup_ratio -> TrainingArguments(…).get_warmup_steps(25)
    #[test]
    fn steps_are_given_as_a_number_or_as_a_share() {
        let warmup = |warmup_steps: f64, warmup_ratio: Option<f64>| {
            TrainingArguments { warmup_steps, warmup_ratio, ..Default::default() }.warmup(25)
        };
        assert_eq!([warmup(7.0, None), warmup(7.9, None), warmup(1.0, None), warmup(0.0, None)], [7, 7, 1, 0]);
        assert_eq!([warmup(0.1, None), warmup(0.0, Some(0.1)), warmup(0.999, None)], [3, 3, 25]);
        assert_eq!([warmup(7.0, Some(0.5)), warmup(7.0, Some(0.0))], [13, 0], "the ratio overrides");
        assert_eq!([in_steps(500.0, 25), in_steps(1e-9, 25), in_steps(0.5, 25)], [500, 1, 13]);
    }

    // transformers.trainer_callback.DefaultFlowCallback
    #[test]
    fn an_evaluation_waits_for_its_delay() {
        let args = TrainingArguments { eval_strategy: IntervalStrategy::Steps, eval_delay: 5.0, ..Default::default() };
        let due: Vec<usize> = (1..10).filter(|&step| args.eval_is_due_after_step(step, 2)).collect();
        assert_eq!(due, [6, 8]);
        assert!(!args.eval_is_due_after_epoch(9.0));
        let args = TrainingArguments { eval_strategy: IntervalStrategy::Epoch, eval_delay: 1.5, ..Default::default() };
        assert_eq!([0.9, 1.0, 1.5, 2.0].map(|epoch| args.eval_is_due_after_epoch(epoch)), [false, false, true, true]);
        assert!(!args.eval_is_due_after_step(6, 2));
    }

    #[test]
    fn logs_and_clean_ups_are_due() {
        let args =
            TrainingArguments { logging_first_step: true, torch_empty_cache_steps: Some(3), ..Default::default() };
        let steps = |due: &dyn Fn(usize) -> bool| (1..8).filter(|&step| due(step)).collect::<Vec<_>>();
        assert_eq!(steps(&|step| args.log_is_due_after_step(step, 4)), [1, 4]);
        assert_eq!(steps(&|step| args.empty_cache_is_due(step)), [3, 6]);
        let never = TrainingArguments { logging_strategy: IntervalStrategy::No, ..Default::default() };
        assert!(steps(&|step| never.log_is_due_after_step(step, 1) || never.empty_cache_is_due(step)).is_empty());
    }

    // args = TrainingArguments(…); args.metric_for_best_model, args.greater_is_better
    #[test]
    fn the_best_model_has_a_metric() {
        let args = |metric: Option<&str>, load_best_model_at_end: bool| TrainingArguments {
            metric_for_best_model: metric.map(str::to_owned),
            load_best_model_at_end,
            ..Default::default()
        };
        assert_eq!(args(None, false).metric_for_best_model(), None);
        for (metric, expected, greater) in [
            (None, "eval_loss", false),
            (Some("loss"), "eval_loss", false),
            (Some("eval_dev_loss"), "eval_dev_loss", false),
            (Some("accuracy"), "eval_accuracy", true),
            (Some("kl_divergence"), "eval_kl_divergence", true),
        ] {
            let args = args(metric, true);
            assert_eq!(args.metric_for_best_model().as_deref(), Some(expected));
            assert_eq!(args.greater_is_better(), greater, "{expected}");
            assert!(TrainingArguments { greater_is_better: Some(true), ..args.clone() }.greater_is_better());
            assert!(!TrainingArguments { greater_is_better: Some(false), ..args }.greater_is_better());
        }
    }

    #[test]
    fn what_is_left_out_follows_from_the_rest() {
        let args = TrainingArguments { output_dir: "output/run".into(), ..Default::default() };
        assert_eq!((args.logging_dir(), args.run_name()), ("output/run/runs".into(), "run".to_owned()));
        assert!(args.trains());
        let args = TrainingArguments {
            logging_dir: Some("logs".into()),
            run_name: Some("first".to_owned()),
            do_train: Some(false),
            ..args
        };
        assert_eq!((args.logging_dir(), args.run_name()), ("logs".into(), "first".to_owned()));
        assert!(!args.trains());
    }
}
