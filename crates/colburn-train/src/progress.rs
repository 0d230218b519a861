//! What a run shows while it goes on, on stderr: a live view on a terminal, plain lines elsewhere.
//!
//! burn-train drives the live numbers through its renderer traits. Logs, evaluations and checkpoints, for which it has no events, come from
//! the training loop directly. Nothing here can stop a run: whoever closed the pipe misses the lines, that is all.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use colburn_eval::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::metrics::{StepReport, names};

/// How much of the last value a smoothed one keeps.
const SMOOTHING: f64 = 0.9;

/// How long an evaluation goes on without a word where there is no terminal.
const SILENCE: Duration = Duration::from_secs(20);

/// Seconds beyond which the time that is left is no number any more.
const A_YEAR: u64 = 365 * 24 * 3600;

/// The view of a run; its clones are the same view.
#[derive(Clone)]
pub(crate) struct Progress {
    view: Arc<Mutex<View>>,
}

struct View {
    max_steps: usize,
    /// None without a terminal.
    bar: Option<ProgressBar>,
    metrics: HashMap<MetricId, String>,
    smoothed: HashMap<String, f64>,
    /// Batches of the evaluation that is going on.
    evaluating: Option<usize>,
    /// When a line was last written about an evaluator, where there is no terminal.
    told: Option<Instant>,
}

impl Progress {
    /// The view of a run of so many steps.
    pub fn new(max_steps: usize) -> Self {
        let bar = stderr().is_terminal().then(|| bar(max_steps));
        let view =
            View { max_steps, bar, metrics: HashMap::new(), smoothed: HashMap::new(), evaluating: None, told: None };
        Self { view: Arc::new(Mutex::new(view)) }
    }

    /// Shows a line above the live view.
    pub fn say(&self, line: &str) {
        match &self.lock().bar {
            Some(bar) => bar.println(line),
            None => drop(writeln!(stderr(), "{line}")),
        }
    }

    /// Moves the live view on.
    pub fn advance(&self, steps: usize, epoch: f64, left: Duration) {
        if let Some(bar) = &self.lock().bar {
            bar.set_prefix(format!("epoch {epoch:.2}  left {}", clock(left)));
            bar.set_position(steps as u64);
        }
    }

    /// Shows what was logged.
    pub fn log(&self, steps: usize, epoch: f64, report: &StepReport, left: Duration) {
        let line = format!("{}  {}  left {}", self.place(steps, epoch), numbers(report), clock(left));
        self.say(&line);
    }

    /// Shows how far an evaluator is: in the live view, or, without a terminal, by a line now and then.
    pub fn evaluating(&self, progress: &colburn_eval::Progress<'_>) {
        let colburn_eval::Progress { what, done, total } = progress;
        let line = format!("evaluating: {what} {done} of {total}");
        let mut view = self.lock();
        if let Some(bar) = &view.bar {
            bar.set_message(line);
        } else if view.told.get_or_insert_with(Instant::now).elapsed() >= SILENCE {
            view.told = Some(Instant::now());
            drop(view);
            self.say(&line);
        }
    }

    /// Ends what [`Progress::evaluating`] showed.
    pub fn evaluated(&self) {
        let mut view = self.lock();
        view.told = None;
        view.show_numbers();
    }

    /// Shows the result of an evaluation, or of the run: its metrics, but for rates and what is always 0; those of collections as a table.
    pub fn results(&self, steps: usize, epoch: f64, metrics: &[(String, f64)]) {
        let table = Table::new(metrics.iter().map(|(name, value)| (name.as_str(), *value)));
        self.line_of_results(steps, epoch, &table.others);
        for line in &table.lines {
            self.say(&format!("    {line}"));
        }
    }

    fn line_of_results(&self, steps: usize, epoch: f64, metrics: &[(String, f64)]) {
        let mut line = self.place(steps, epoch);
        for (name, value) in metrics {
            let _ = match name.as_str() {
                name if name.ends_with("_per_second") || name == "total_flos" => Ok(()),
                name if name.ends_with("_runtime") => write!(line, "  {name} {value:.1} s"),
                name => write!(line, "  {name} {}", short(*value)),
            };
        }
        self.say(&line);
    }

    fn place(&self, steps: usize, epoch: f64) -> String {
        format!("step {steps}/{}  epoch {epoch:.2}", self.lock().max_steps)
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, state: MetricState) {
        let mut view = self.lock();
        if view.bar.is_none() {
            return;
        }
        let MetricState::Numeric(entry, Some(value)) = state else { return };
        let Some(name) = view.metrics.get(&entry.metric_id).cloned() else { return };
        let value = value.current();
        let steady = name == names::LEARNING_RATE;
        view.smoothed
            .entry(name)
            .and_modify(|old| *old = if steady { value } else { SMOOTHING * *old + (1.0 - SMOOTHING) * value })
            .or_insert(value);
    }
}

impl View {
    fn show_numbers(&self) {
        let Some(bar) = &self.bar else { return };
        let number = |name: &str| self.smoothed.get(name).copied();
        bar.set_message(numbers(&StepReport {
            loss: number(names::LOSS),
            learning_rate: number(names::LEARNING_RATE),
            grad_norm: number(names::GRADIENT_NORM),
            triplets_per_second: number(names::TRIPLETS),
            tokens_per_second: number(names::TOKENS),
        }));
    }
}

fn bar(max_steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(max_steps as u64), ProgressDrawTarget::stderr());
    let template = "{percent:>3}% {wide_bar} {pos}/{len}  {prefix}\n     {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// `loss 1.2345  lr 4.5e-5  grad_norm 2.31  12.3 triplets/s  2345 tokens/s`
fn numbers(report: &StepReport) -> String {
    let parts = [
        report.loss.map(|loss| format!("loss {}", short(loss))),
        report.learning_rate.map(|rate| format!("lr {}", short(rate))),
        report.grad_norm.map(|norm| format!("grad_norm {}", short(norm))),
        report.triplets_per_second.map(|rate| format!("{rate:.1} triplets/s")),
        report.tokens_per_second.map(|rate| format!("{rate:.0} tokens/s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// At most four digits behind the point, or behind the first one of a small number.
fn short(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-3..1e9).contains(&number.abs()) {
        return format!("{number:.4}");
    }
    let text = format!("{number:.3e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// `0:12:34`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds > A_YEAR {
        return "more than a year".to_owned();
    }
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl MetricsRenderer for Progress {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.lock().metrics.insert(definition.metric_id, definition.name.to_string());
    }
}

impl MetricsRendererTraining for Progress {
    fn update_train(&mut self, state: MetricState) {
        self.update(state);
    }

    fn update_valid(&mut self, _: MetricState) {}

    fn on_train_end(&mut self, _: Option<LearnerSummary>) -> Result<(), Box<dyn StdError>> {
        Ok(())
    }
}

impl MetricsRendererEvaluation for Progress {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl TrainingProgressLogger for Progress {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}

    fn update_epoch(&mut self, _: usize) {}

    fn start_split(&mut self, split: &str, total_items: usize) {
        self.lock().evaluating = (split == "valid").then_some(total_items);
    }

    fn update_split(&mut self, items_processed: usize) {
        let view = self.lock();
        match (&view.bar, view.evaluating) {
            (Some(bar), Some(batches)) => {
                bar.set_message(format!("evaluating: batch {items_processed} of {batches}"));
            }
            _ => view.show_numbers(),
        }
    }

    fn end_split(&mut self) {
        let mut view = self.lock();
        if view.evaluating.take().is_some() {
            view.show_numbers();
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn log_event_training(&mut self, _: String) {}
}

impl EvaluationProgressLogger for Progress {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let report = StepReport {
            loss: Some(1.23456),
            learning_rate: Some(4.5e-5),
            grad_norm: Some(2.31),
            triplets_per_second: Some(12.34),
            tokens_per_second: Some(2345.4),
        };
        assert_eq!(numbers(&report), "loss 1.2346  lr 4.5e-5  grad_norm 2.3100  12.3 triplets/s  2345 tokens/s");
        let numbers = [0.0, 3e-6, 2.5714285714285714e-05, -0.5, f64::NAN, 1e12, 1.0 / 3.0];
        assert_eq!(numbers.map(short), ["0", "3e-6", "2.571e-5", "-0.5000", "NaN", "1e12", "0.3333"]);
    }

    #[test]
    fn time_reads_as_a_clock() {
        assert_eq!(clock(Duration::from_secs(754)), "0:12:34");
        assert_eq!(clock(Duration::from_secs(100 * 3600 + 59)), "100:00:59");
        assert_eq!(clock(Duration::MAX), "more than a year");
    }
}
