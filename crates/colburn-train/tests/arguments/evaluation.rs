//! When the model is evaluated, and on what.

use colburn_train::IntervalStrategy;

use crate::probe::train_and_evaluate;

#[test]
fn eval_strategy() {
    let steps = |strategy: IntervalStrategy| {
        let run = train_and_evaluate(12, |args| {
            (args.eval_strategy, args.eval_steps, args.num_train_epochs) = (strategy, Some(2.0), 2.0);
        });
        run.steps("eval_loss")
    };
    assert_eq!(steps(IntervalStrategy::No), [0; 0]);
    assert_eq!(steps(IntervalStrategy::Steps), [2, 4, 6]);
    assert_eq!(steps(IntervalStrategy::Epoch), [3, 6]);
}

#[test]
fn eval_steps() {
    let steps = |eval_steps: Option<f64>| {
        let run = train_and_evaluate(24, |args| {
            (args.eval_strategy, args.eval_steps) = (IntervalStrategy::Steps, eval_steps);
            args.logging_steps = 4.0;
        });
        run.steps("eval_accuracy")
    };
    assert_eq!(steps(Some(2.0)), [2, 4, 6]);
    assert_eq!(steps(Some(0.5)), [3, 6]);
    assert_eq!(steps(None), [4], "as often as there is a log");
}

#[test]
fn eval_on_start() {
    assert_eq!(train_and_evaluate(4, |args| args.eval_on_start = true).steps("eval_loss"), [0]);
    assert_eq!(train_and_evaluate(4, |args| args.eval_on_start = false).steps("eval_loss"), [0; 0]);
}

#[test]
fn per_device_eval_batch_size() {
    let eval_loss = |size: usize| {
        let run = train_and_evaluate(4, |args| (args.eval_on_start, args.per_device_eval_batch_size) = (true, size));
        run.logged("eval_loss")[0]
    };
    // The more documents a batch has, the harder it is to find the one.
    assert!(eval_loss(2) < eval_loss(5) && eval_loss(5) < eval_loss(10));
}
