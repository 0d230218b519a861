//! When a checkpoint is written, and which stay.

use colburn_train::{IntervalStrategy, SaveStrategy, TrainerState};

use crate::probe::{refused, train};

fn names<const N: usize>(steps: [usize; N]) -> std::collections::BTreeSet<String> {
    steps.map(|step| format!("checkpoint-{step}")).into()
}

#[test]
fn output_dir() {
    let run = train(4, |_| ());
    assert_eq!(TrainerState::load(run.dir.path()).unwrap(), run.output.state);
    assert!(run.dir.path().join("model.safetensors").is_file());
}

#[test]
fn save_strategy() {
    let checkpoints = |strategy: SaveStrategy| {
        let run = train(16, |args| {
            (args.save_strategy, args.save_steps, args.num_train_epochs) = (strategy, 3.0, 2.0);
        });
        run.checkpoints()
    };
    assert_eq!(checkpoints(SaveStrategy::No), names([]));
    assert_eq!(checkpoints(SaveStrategy::Steps), names([3, 6, 8]));
    assert_eq!(checkpoints(SaveStrategy::Epoch), names([4, 8]));
    assert!(refused(|args| args.save_strategy = SaveStrategy::Best).contains("`metric_for_best_model` has to say"));
}

#[test]
fn save_steps() {
    let checkpoints = |save_steps: f64| {
        train(20, |args| (args.save_strategy, args.save_steps) = (SaveStrategy::Steps, save_steps)).checkpoints()
    };
    assert_eq!((checkpoints(2.0), checkpoints(0.6)), (names([2, 4, 5]), names([3, 5])));
}

#[test]
fn save_total_limit() {
    let run = train(20, |args| {
        (args.save_strategy, args.save_steps, args.save_total_limit) = (SaveStrategy::Steps, 1.0, Some(2));
    });
    assert_eq!(run.checkpoints(), names([4, 5]));
}

#[test]
fn save_safetensors() {
    assert!(refused(|args| args.save_safetensors = false).contains("only safetensors are written"));
}

#[test]
fn push_to_hub() {
    let message = refused(|args| (args.push_to_hub, args.hub_model_id) = (true, Some("a/b/c".to_owned())));
    assert!(message.contains("`hub_model_id` is \"a/b/c\""), "{message}");
}

#[test]
fn load_best_model_at_end_needs_an_evaluation_for_each_checkpoint() {
    let message = refused(|args| {
        (args.load_best_model_at_end, args.eval_strategy) = (true, IntervalStrategy::Steps);
        (args.save_strategy, args.save_steps, args.eval_steps) = (SaveStrategy::Steps, 3.0, Some(2.0));
    });
    assert!(
        message.contains("`save_steps` is 3; with `load_best_model_at_end` a multiple of `eval_steps`"),
        "{message}"
    );
}
