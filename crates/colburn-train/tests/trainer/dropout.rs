//! Dropout follows from the seed, the step and the text.

use colburn_eval::TripletEvaluator;
use colburn_loss::Contrastive;
use colburn_model::ColBert;
use colburn_train::{Trainer, TrainingArguments};

use crate::common::{arguments, logged, rows, tiny, tiny_with_dropout};

fn losses(model: &ColBert, seed: u64, eval_on_start: bool) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        num_train_epochs: 1.0,
        gradient_accumulation_steps: 2,
        seed,
        eval_on_start,
        ..arguments(dir.path())
    };
    let output = Trainer::new(model.clone(), Contrastive::default(), args)
        .train_dataset(rows(24))
        .evaluator(TripletEvaluator::new(rows(4)).unwrap())
        .handle_interrupt(false)
        .train()
        .unwrap();
    logged(&output, "loss")
}

#[test]
fn dropout_depends_on_the_seed_and_the_step_alone() {
    let model = tiny_with_dropout();
    let first = losses(&model, 1, false);
    assert_ne!(first, losses(&tiny(), 1, false), "dropout is on");
    assert_eq!(first, losses(&model, 1, false));
    assert_eq!(first, losses(&model, 1, true), "what happens between two steps changes nothing");
    assert_ne!(first, losses(&model, 2, false));
}
