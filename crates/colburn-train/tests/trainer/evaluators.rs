//! Evaluators of a run: several of them, what decides which model is the best, and what is refused before the run.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use colburn_eval::{Evaluator, NanoBeirEvaluator, Progress, Report, Result, TripletEvaluator};
use colburn_model::ColBert;
use colburn_train::{IntervalStrategy, SaveStrategy, Trainer, TrainingArguments};

use crate::common::{arguments, fixture, logged, refused, rows, trainer};

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
        assert!(
            message.contains("eval_kl_divergence") && message.contains("`greater_is_better` to false"),
            "{message}"
        );
    }
    let output = run(Some(false)).train().unwrap();
    assert_eq!((output.state.best_global_step, output.state.best_metric), (Some(2), Some(0.1)));
    // The score of several is that of the last, and goes the same way.
    let args = TrainingArguments { greater_is_better: None, ..three_steps(dir.path(), "sequential_score") };
    let last = Scripted { smaller_is_better: true, ..scripted("kl_divergence", &[]) };
    let message = refused(trainer(args).train_dataset(rows(8)).evaluator(scripted("first", &[])).evaluator(last));
    assert!(message.contains("eval_sequential_score") && message.contains("smaller"), "{message}");
}

#[test]
fn lengths_that_the_model_does_not_take_are_refused_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let evaluator =
        NanoBeirEvaluator::from_dirs(&[fixture("retrieval/first")]).unwrap().query_lengths(100_000).unwrap();
    let message =
        refused(trainer(three_steps(&run, "loss")).train_dataset(rows(8)).eval_dataset(rows(4)).evaluator(evaluator));
    assert!(message.contains("100000") && !run.exists(), "{message}");
}

/// Every file of a saved model, by name.
fn model_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["model.safetensors", "1_Dense/model.safetensors", "config.json", "tokenizer.json", "modules.json"];
    names.map(|name| (name.to_owned(), fs::read(dir.join(name)).unwrap())).to_vec()
}

#[test]
fn the_best_model_by_retrieval_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 8,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(2.0),
        eval_on_start: true,
        save_strategy: SaveStrategy::Steps,
        save_steps: 2.0,
        save_total_limit: Some(2),
        load_best_model_at_end: true,
        metric_for_best_model: Some("NanoBEIR_mean_MaxSim_ndcg@10".to_owned()),
        // Steps so large that the model gets worse, so that the best is not the last.
        learning_rate: 0.05,
        max_grad_norm: 0.0,
        ..arguments(dir.path())
    };
    let folders = ["first", "second"].map(|name| fixture("retrieval").join(name));
    let evaluator = NanoBeirEvaluator::from_dirs(&folders).unwrap();
    let output = trainer(args).train_dataset(rows(32)).evaluator(evaluator).train().unwrap();

    // One value before the first step, which has no checkpoint, and one after each second step.
    let ndcg = logged(&output, "eval_NanoBEIR_mean_MaxSim_ndcg@10");
    assert_eq!(ndcg.len(), 5);
    let best = (1..5).reduce(|best, at| if ndcg[at] > ndcg[best] { at } else { best }).unwrap();
    assert!(best < 4, "the last one is to be worse: {ndcg:?}");
    assert_eq!((output.state.best_global_step, output.state.best_metric), (Some(2 * best), Some(ndcg[best])));
    let checkpoint = dir.path().join(format!("checkpoint-{}", 2 * best));
    assert_eq!(model_files(dir.path()), model_files(&checkpoint));
    assert_ne!(model_files(dir.path()), model_files(&dir.path().join("checkpoint-8")));

    // The model that came back retrieves as well as it did then, to the bit.
    let again = NanoBeirEvaluator::from_dirs(&folders).unwrap();
    for model in [output.model, ColBert::from_pretrained(dir.path(), &Device::flex()).unwrap()] {
        assert_eq!(again.evaluate(&model).unwrap().main(), Some(ndcg[best]));
    }
    let csv = fs::read_to_string(dir.path().join("eval/NanoBEIR_evaluation_mean_results.csv")).unwrap();
    let steps = csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned());
    assert_eq!(steps.collect::<Vec<_>>(), ["0", "2", "4", "6", "8"]);
}

/// The same names and numbers as an evaluation during training.
#[test]
fn a_model_is_evaluated_without_training() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { max_steps: 1, eval_on_start: true, ..arguments(dir.path()) };
    let with_data = |trainer: Trainer| {
        let triplets = TripletEvaluator::new(rows(6)).unwrap();
        trainer.quiet().named_eval_dataset("a", rows(8)).named_eval_dataset("b", rows(5)).evaluator(triplets)
    };
    let metrics = with_data(trainer(args.clone())).evaluate().unwrap();
    assert!(!dir.path().join("eval").exists(), "no file is written");
    let trained = with_data(trainer(args.clone())).train_dataset(rows(8)).train().unwrap();
    let on_start = &trained.state.log_history[0];
    assert_eq!(metrics.len() + 2, on_start.len(), "the log has epoch and step too");
    for name in ["eval_a_loss", "eval_b_loss", "eval_accuracy"] {
        let value = metrics.iter().find_map(|(found, value)| (found == name).then_some(*value));
        assert_eq!(value, on_start[name].as_f64(), "{name}");
    }
    let message = trainer(args).evaluate().unwrap_err().to_string();
    assert!(message.contains("`Trainer::evaluate` asks for evaluation, but there is neither"), "{message}");
}
