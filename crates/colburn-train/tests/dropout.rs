//! Dropout, in a process of its own: the generator of a device belongs to the process.
#![cfg(feature = "flex")]

#[path = "trainer/common.rs"]
mod common;

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use colburn_eval::TripletEvaluator;
use colburn_loss::Contrastive;
use colburn_model::ColBert;
use colburn_train::{Trainer, TrainingArguments};

use common::{arguments, rows, tiny};

/// The tiny model, with dropout.
fn with_dropout(dir: &Path) -> ColBert {
    tiny().save_pretrained(dir).unwrap();
    let path = dir.join("config.json");
    let config = fs::read_to_string(&path).unwrap();
    let dropout = config
        .replace(r#""hidden_dropout_prob": 0.0"#, r#""hidden_dropout_prob": 0.1"#)
        .replace(r#""attention_probs_dropout_prob": 0.0"#, r#""attention_probs_dropout_prob": 0.1"#);
    assert_ne!(config, dropout, "the tiny model is to be without dropout");
    fs::write(&path, dropout).unwrap();
    ColBert::from_pretrained(dir, &Device::flex()).unwrap()
}

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
        .evaluator(TripletEvaluator::new(&rows(4)).unwrap())
        .handle_interrupt(false)
        .train()
        .unwrap();
    output.state.log_history.iter().filter_map(|entry| entry.get("loss")?.as_f64()).collect()
}

#[test]
fn dropout_depends_on_the_seed_and_the_step_alone() {
    let dir = tempfile::tempdir().unwrap();
    let model = with_dropout(dir.path());
    let first = losses(&model, 1, false);
    assert_ne!(first, losses(&tiny(), 1, false), "dropout is on");
    assert_eq!(first, losses(&model, 1, false));
    assert_eq!(first, losses(&model, 1, true), "what happens between two steps changes nothing");
    assert_ne!(first, losses(&model, 2, false));
}
