//! The choice of the best model, with which a run may end.

use colburn_train::{IntervalStrategy, SaveStrategy, TrainingArguments};

use crate::probe::{Run, train_and_evaluate};

/// Six steps that make the model worse and worse, evaluated after each.
fn worse(change: impl FnOnce(&mut TrainingArguments)) -> Run {
    train_and_evaluate(24, |args| {
        (args.eval_strategy, args.eval_steps, args.per_device_eval_batch_size) =
            (IntervalStrategy::Steps, Some(1.0), 5);
        (args.learning_rate, args.max_grad_norm) = (0.05, 0.0);
        change(args);
    })
}

fn position(values: &[f64], better: impl Fn(f64, f64) -> bool) -> usize {
    (0..values.len()).fold(0, |best, index| if better(values[index], values[best]) { index } else { best })
}

#[test]
fn save_strategy_best() {
    let run = worse(|args| {
        (args.save_strategy, args.metric_for_best_model) = (SaveStrategy::Best, Some("loss".to_owned()));
    });
    let losses = run.logged("eval_loss");
    let best = losses.iter().scan(f64::INFINITY, |best, &loss| {
        let is_best = loss < *best;
        *best = best.min(loss);
        Some(is_best)
    });
    let steps = best.zip(1..).filter(|(is_best, _)| *is_best).map(|(_, step)| format!("checkpoint-{step}"));
    assert_eq!(run.checkpoints(), steps.collect());
    assert!(run.checkpoints().len() < 6, "{losses:?}");
}

#[test]
fn load_best_model_at_end() {
    let run = |load_best_model_at_end: bool| {
        worse(|args| {
            (args.save_strategy, args.save_steps) = (SaveStrategy::Steps, 1.0);
            args.load_best_model_at_end = load_best_model_at_end;
        })
    };
    let (last, best) = (run(false), run(true));
    let lowest = 1 + position(&best.logged("eval_loss"), |one, other| one < other);
    assert!(lowest < 6, "the last one is to be worse");
    assert_eq!((best.output.state.best_global_step, last.output.state.best_global_step), (Some(lowest), None));
    assert_eq!((best.weights(), last.weights()), (best.weights_of(lowest), last.weights_of(6)));
    assert_ne!(best.weights(), last.weights());
}

/// The best step by a metric, and its value.
fn best(metric: &str, greater_is_better: Option<bool>) -> (Option<usize>, Option<f64>, Run) {
    let run = worse(|args| {
        (args.metric_for_best_model, args.greater_is_better) = (Some(metric.to_owned()), greater_is_better);
    });
    (run.output.state.best_global_step, run.output.state.best_metric, run)
}

#[test]
fn metric_for_best_model() {
    for metric in ["accuracy", "eval_accuracy"] {
        let (step, value, run) = best(metric, None);
        let accuracies = run.logged("eval_accuracy");
        let highest = position(&accuracies, |one, other| one > other);
        assert_eq!((step, value), (Some(highest + 1), Some(accuracies[highest])));
    }
}

#[test]
fn greater_is_better() {
    let (step, value, run) = best("loss", Some(true));
    let losses = run.logged("eval_loss");
    let highest = position(&losses, |one, other| one > other);
    assert_eq!((step, value), (Some(highest + 1), Some(losses[highest])));
    let (step, value, _) = best("loss", None);
    let lowest = position(&losses, |one, other| one < other);
    assert_eq!((step, value), (Some(lowest + 1), Some(losses[lowest])));
}
