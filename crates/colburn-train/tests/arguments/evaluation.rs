//! When the model is evaluated, and on what.

use colburn_train::IntervalStrategy;

use crate::common::rows;
use crate::probe::{refused, train_and_evaluate, trainer};

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
fn eval_delay() {
    let run = train_and_evaluate(24, |args| {
        (args.eval_strategy, args.eval_steps, args.eval_delay) = (IntervalStrategy::Steps, Some(2.0), 3.0);
    });
    assert_eq!(run.steps("eval_loss"), [4, 6]);
    let run = train_and_evaluate(4, |args| {
        (args.eval_strategy, args.num_train_epochs, args.eval_delay) = (IntervalStrategy::Epoch, 3.0, 1.5);
    });
    assert_eq!(run.steps("eval_loss"), [2, 3]);
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

#[test]
fn bf16_full_eval() {
    let run = |bf16: bool, bf16_full_eval: bool| {
        train_and_evaluate(8, |args| {
            (args.bf16, args.bf16_full_eval, args.eval_on_start) = (bf16, bf16_full_eval, true);
            args.eval_strategy = IntervalStrategy::Epoch;
        })
    };
    let (exact, rounded, all) = (run(false, false), run(false, true), run(true, false));
    let [first, last] = [0, 1].map(|at| (exact.logged("eval_loss")[at], rounded.logged("eval_loss")[at]));
    for (exact, rounded) in [first, last] {
        assert!((1e-7..2e-2).contains(&((exact - rounded).abs() / exact)), "{exact} and {rounded}");
    }
    assert_eq!(rounded.logged("eval_loss")[0], all.logged("eval_loss")[0], "the evaluation of a model in bf16");
    assert_eq!((rounded.logged("loss"), rounded.weights()), (exact.logged("loss"), exact.weights()));

    // The same after the training.
    let dir = tempfile::tempdir().unwrap();
    let eval = rows(100).slice(90..100).unwrap();
    let trainer = trainer(dir.path(), 8, |args| args.bf16_full_eval = true).eval_dataset(eval);
    let metrics = trainer.evaluate().unwrap();
    assert_eq!(metrics[0], ("eval_loss".to_owned(), rounded.logged("eval_loss")[0]));
}

#[test]
fn fp16_full_eval() {
    let message = refused(|args| args.fp16_full_eval = true);
    assert!(
        message.ends_with("`fp16_full_eval` is true; the device flex does not compute in f16; it has f32, bf16"),
        "{message}"
    );
    let message = refused(|args| (args.fp16_full_eval, args.bf16_full_eval) = (true, true));
    assert!(message.contains("at most one of `fp16_full_eval` and `bf16_full_eval`"), "{message}");
}
