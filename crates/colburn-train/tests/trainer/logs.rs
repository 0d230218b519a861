//! The log: the steps of its entries, and their values.

use std::ops::Range;
use std::path::Path;

use colburn_train::{IntervalStrategy, SaveStrategy, TrainOutput, TrainingArguments};

use crate::common::{arguments, rows, trainer};
use crate::runs::kinds;

fn without_checkpoints(dir: &Path) -> TrainingArguments {
    TrainingArguments { save_strategy: SaveStrategy::No, num_train_epochs: 1.0, ..arguments(dir) }
}

fn logged(output: &TrainOutput, key: &str) -> Vec<f64> {
    output.state.log_history.iter().filter_map(|entry| entry.get(key)?.as_f64()).collect()
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} is not {expected}");
}

#[test]
fn a_log_has_the_mean_loss_since_the_one_before() {
    let losses = |logging_steps: f64| {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments { logging_steps, ..without_checkpoints(dir.path()) };
        logged(&trainer(args).train_dataset(rows(24)).train().unwrap(), "loss")
    };
    let (steps, means) = (losses(1.0), losses(3.0));
    assert_eq!((steps.len(), means.len()), (6, 2));
    for (mean, steps) in means.into_iter().zip(steps.chunks(3)) {
        assert_near(mean, steps.iter().sum::<f64>() / 3.0);
    }
}

#[test]
fn every_row_counts_alike_in_the_eval_loss() {
    let eval_loss = |part: Range<usize>| {
        let dir = tempfile::tempdir().unwrap();
        let args =
            TrainingArguments { per_device_eval_batch_size: 4, eval_on_start: true, ..without_checkpoints(dir.path()) };
        let eval = rows(10).slice(part).unwrap();
        logged(&trainer(args).train_dataset(rows(4)).eval_dataset(eval).train().unwrap(), "eval_loss")[0]
    };
    let batches = [0..4, 4..8, 8..10].map(eval_loss);
    let expected = (4.0 * batches[0] + 4.0 * batches[1] + 2.0 * batches[2]) / 10.0;
    assert_near(eval_loss(0..10), expected);
    let of_batches = batches.iter().sum::<f64>() / 3.0;
    assert!((of_batches - expected).abs() > 1e-3, "a mean over batches would not be seen: {batches:?}");
}

#[test]
fn an_epoch_is_logged_after_what_its_last_step_asks_for() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        logging_strategy: IntervalStrategy::Epoch,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(2.0),
        ..without_checkpoints(dir.path())
    };
    let output = trainer(args).train_dataset(rows(16)).eval_dataset(rows(4)).train().unwrap();
    assert_eq!(kinds(&output), [(2, "eval_loss"), (4, "eval_loss"), (4, "loss"), (4, "train_loss")]);
    assert_near(logged(&output, "loss")[0], output.training_loss);
}

#[test]
fn a_step_is_logged_once() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        num_train_epochs: 2.0,
        logging_strategy: IntervalStrategy::Epoch,
        logging_first_step: true,
        ..without_checkpoints(dir.path())
    };
    let output = trainer(args).train_dataset(rows(4)).train().unwrap();
    assert_eq!(kinds(&output), [(1, "loss"), (2, "loss"), (2, "train_loss")]);
}

#[test]
fn intervals_may_be_shares_of_all_steps() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        logging_steps: 0.4,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(0.5),
        save_steps: 0.6,
        ..arguments(dir.path())
    };
    let args = TrainingArguments { num_train_epochs: 1.0, ..args };
    // 5 steps: logs every 2, evaluations and checkpoints every 3
    let output = trainer(args).train_dataset(rows(20)).eval_dataset(rows(4)).train().unwrap();
    assert_eq!(kinds(&output), [(2, "loss"), (3, "eval_loss"), (4, "loss"), (5, "train_loss")]);
    assert!(dir.path().join("checkpoint-3").exists() && dir.path().join("checkpoint-5").exists());
}
