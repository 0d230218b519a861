//! Evaluators of a run: several of them, what decides which model is the best, and what is refused before the run.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use colburn_eval::{Evaluator, Progress, Report, Result};
use colburn_model::ColBert;
use colburn_train::{IntervalStrategy, SaveStrategy, TrainingArguments};

use crate::common::{arguments, logged, refused, rows, trainer};

/// Gives the values of a list, one an evaluation.
struct Scripted {
    metric: &'static str,
    values: Vec<f64>,
    asked: AtomicUsize,
    smaller_is_better: bool,
}

fn scripted(metric: &'static str, values: &[f64]) -> Scripted {
    Scripted { metric, values: values.to_vec(), asked: AtomicUsize::new(0), smaller_is_better: false }
}

impl Evaluator for Scripted {
    fn name(&self) -> String {
        String::new()
    }

    fn metrics(&self) -> Vec<String> {
        vec![self.metric.to_owned()]
    }

    fn smaller_is_better(&self) -> Vec<String> {
        if self.smaller_is_better { self.metrics() } else { Vec::new() }
    }

    fn evaluate_with(&self, _: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let value = self.values[self.asked.fetch_add(1, Ordering::Relaxed)];
        progress(&Progress { what: "script", done: 1, total: 1 });
        Ok(Report { metrics: vec![(self.metric.to_owned(), value)], primary: Some(self.metric.to_owned()) })
    }

    fn write_csv(&self, _: &Report, _: &Path, _: f64, _: i64) -> Result<()> {
        Ok(())
    }
}

/// Three steps, evaluated and saved after each.
fn three_steps(dir: &Path, metric: &str) -> TrainingArguments {
    TrainingArguments {
        max_steps: 3,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(1.0),
        save_strategy: SaveStrategy::Steps,
        save_steps: 1.0,
        load_best_model_at_end: true,
        metric_for_best_model: Some(metric.to_owned()),
        ..arguments(dir)
    }
}

#[test]
fn several_evaluators_have_a_sequential_score() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { eval_on_start: true, ..three_steps(dir.path(), "sequential_score") };
    let output = trainer(args)
        .train_dataset(rows(8))
        .evaluator(scripted("first", &[4.0, 3.0, 2.0, 1.0]))
        .evaluator(scripted("second", &[0.9, 0.1, 0.3, 0.2]))
        .train()
        .unwrap();
    assert_eq!(logged(&output, "eval_first"), [4.0, 3.0, 2.0, 1.0]);
    assert_eq!(logged(&output, "eval_sequential_score"), [0.9, 0.1, 0.3, 0.2]);
    // The evaluation before the first step has no checkpoint, and does not count.
    assert_eq!((output.state.best_global_step, output.state.best_metric), (Some(2), Some(0.3)));

    let dir = tempfile::tempdir().unwrap();
    let one = trainer(three_steps(dir.path(), "first")).train_dataset(rows(8)).evaluator(scripted("first", &[1.0; 3]));
    assert!(logged(&one.train().unwrap(), "eval_sequential_score").is_empty());
}

#[test]
fn metrics_that_cannot_be_told_apart_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = trainer(three_steps(dir.path(), "first")).train_dataset(rows(8));
    let message = refused(run.evaluator(scripted("first", &[])).evaluator(scripted("first", &[])));
    assert!(message.contains("give the metric eval_first"), "{message}");
    // An evaluator cannot take the name of the loss of the eval dataset.
    let run = trainer(three_steps(dir.path(), "loss")).train_dataset(rows(8)).eval_dataset(rows(4));
    let message = refused(run.evaluator(scripted("eval_loss", &[])));
    assert!(message.contains("give the metric eval_loss"), "{message}");
}

#[test]
fn less_is_better_of_a_divergence() {
    let dir = tempfile::tempdir().unwrap();
    let run = |greater_is_better: Option<bool>| {
        let args = TrainingArguments { greater_is_better, ..three_steps(dir.path(), "kl_divergence") };
        let evaluator = Scripted { smaller_is_better: true, ..scripted("kl_divergence", &[0.3, 0.1, 0.2]) };
        trainer(args).train_dataset(rows(8)).evaluator(evaluator)
    };
    for greater_is_better in [None, Some(true)] {
        let message = refused(run(greater_is_better));
        assert!(message.contains("eval_kl_divergence") && message.contains("`greater_is_better` to false"), "{message}");
    }
    let output = run(Some(false)).train().unwrap();
    assert_eq!((output.state.best_global_step, output.state.best_metric), (Some(2), Some(0.1)));
}
