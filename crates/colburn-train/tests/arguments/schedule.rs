//! The learning rates of a run of 8 steps, as they were logged.

use colburn_train::{SchedulerType, TrainingArguments};
use serde_json::json;

use crate::probe::{assert_near, refused, train};

fn rates(change: impl FnOnce(&mut TrainingArguments)) -> Vec<f64> {
    let run = train(32, |args| {
        args.learning_rate = 8e-4;
        change(args);
    });
    run.logged("learning_rate")
}

fn assert_rates(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found} is not {expected}");
    }
}

#[test]
fn lr_scheduler_type() {
    assert_rates(&rates(|_| ()), &[8e-4, 7e-4, 6e-4, 5e-4, 4e-4, 3e-4, 2e-4, 1e-4]);
    assert_rates(&rates(|args| args.lr_scheduler_type = SchedulerType::Constant), &[8e-4; 8]);
    let cosine = rates(|args| args.lr_scheduler_type = SchedulerType::Cosine);
    assert_near(cosine[2], 4e-4 * (1.0 + (std::f64::consts::PI / 4.0).cos()));
    let stable = rates(|args| {
        args.lr_scheduler_type = SchedulerType::WarmupStableDecay;
        args.lr_scheduler_kwargs =
            serde_json::from_value(json!({"num_decay_steps": 4, "decay_type": "linear"})).unwrap();
    });
    assert_rates(&stable, &[8e-4, 8e-4, 8e-4, 8e-4, 8e-4, 6e-4, 4e-4, 2e-4]);
}

#[test]
fn lr_scheduler_kwargs() {
    let power = rates(|args| {
        args.lr_scheduler_type = SchedulerType::Polynomial;
        args.lr_scheduler_kwargs = serde_json::from_value(json!({"power": 2, "lr_end": 0})).unwrap();
    });
    assert_rates(&power[..5], &[8e-4, 6.125e-4, 4.5e-4, 3.125e-4, 2e-4]);
    let unknown = refused(|args| args.lr_scheduler_kwargs = [("power".to_owned(), json!(2))].into());
    assert!(unknown.contains("`lr_scheduler_kwargs` is {\"power\":2}; `lr_scheduler_type` = \"linear\" takes nothing"));
    let long = refused(|args| {
        args.lr_scheduler_type = SchedulerType::WarmupStableDecay;
        args.lr_scheduler_kwargs = [("num_decay_steps".to_owned(), json!(3))].into();
    });
    assert!(long.contains("at most 2 of the 2 steps are left after the warmup"), "{long}");
}

#[test]
fn warmup_steps() {
    let warmed = rates(|args| (args.warmup_steps, args.lr_scheduler_type) = (4.0, SchedulerType::ConstantWithWarmup));
    assert_rates(&warmed, &[0.0, 2e-4, 4e-4, 6e-4, 8e-4, 8e-4, 8e-4, 8e-4]);
    let share = rates(|args| (args.warmup_steps, args.lr_scheduler_type) = (0.5, SchedulerType::ConstantWithWarmup));
    assert_rates(&share, &warmed);
}

#[test]
fn warmup_ratio() {
    let warmed = rates(|args| {
        (args.warmup_steps, args.warmup_ratio) = (1.0, Some(0.25));
        args.lr_scheduler_type = SchedulerType::ConstantWithWarmup;
    });
    assert_rates(&warmed, &[0.0, 4e-4, 8e-4, 8e-4, 8e-4, 8e-4, 8e-4, 8e-4]);
}
