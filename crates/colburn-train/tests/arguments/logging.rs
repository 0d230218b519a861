//! When a log is written.

use colburn_train::IntervalStrategy;

use crate::probe::{refused, train};

#[test]
fn logging_strategy() {
    let steps = |strategy: IntervalStrategy| {
        let run = train(16, |args| {
            (args.logging_strategy, args.logging_steps, args.num_train_epochs) = (strategy, 3.0, 2.0);
        });
        run.steps("loss")
    };
    assert_eq!(steps(IntervalStrategy::No), [0; 0]);
    assert_eq!(steps(IntervalStrategy::Steps), [3, 6]);
    assert_eq!(steps(IntervalStrategy::Epoch), [4, 8]);
}

#[test]
fn logging_steps() {
    assert_eq!(train(20, |args| args.logging_steps = 2.0).steps("loss"), [2, 4]);
    assert_eq!(train(20, |args| args.logging_steps = 0.5).steps("loss"), [3]);
}

#[test]
fn logging_first_step() {
    let steps =
        |first: bool| train(16, |args| (args.logging_steps, args.logging_first_step) = (2.0, first)).steps("loss");
    assert_eq!((steps(false), steps(true)), (vec![2, 4], vec![1, 2, 4]));
}

#[test]
fn report_to() {
    let unknown = refused(|args| args.report_to = "mlflow".into());
    assert!(
        unknown.contains("`report_to` is \"mlflow\"; a list of console, jsonl, html, tensorboard, wandb is"),
        "{unknown}"
    );
}
