//! Whole training runs: losses within 1e-4, gradient norms within 1e-3, learning rates and epochs, and the weights that come out.
//!
//! ```python
//! args = SentenceTransformerTrainingArguments(per_device_train_batch_size=8, learning_rate=1e-3, warmup_steps=5, weight_decay=0.1,
//!                                             max_grad_norm=0.5, logging_steps=1, …)
//! trainer = SentenceTransformerTrainer(model, args, train_dataset=rows, loss=losses.Contrastive(model, temperature=0.2, …),
//!                                      data_collator=utils.ColBERTCollator(model.tokenize))  # rows in order, no dropout
//! trainer.train(); trainer.state.log_history
//! # and distillation: train_dataset=rows.with_transform(KDProcessing(queries, documents, n_ways=4).transform),
//! #                   loss=losses.Distillation(model, normalize_scores=…)
//! ```
//!
//! transformers 5.3 divides the gradients of accumulated micro-batches twice, by their number and again by
//! `gradient_accumulation_steps`, so its gradient is that much smaller than the mean. Ours is the mean; AdamW does not see the
//! difference, clipping does. The run here is clipped at as many times the norm, and its norms are compared after the same division.

use std::collections::BTreeMap;

use colburn::{data::KdProcessing, loss::Distillation, prelude::*};
use serde_json::Value;

use crate::support::*;

/// By how much PyLate's gradients are too small.
fn surplus_division(golden: &Value) -> f64 {
    golden["arguments"]["gradient_accumulation_steps"].as_f64().unwrap()
}

fn train(golden: &Value) -> TrainOutput {
    let folder = tempfile::tempdir().unwrap();
    let args: TrainingArguments = serde_json::from_value(golden["arguments"].clone()).unwrap();
    let args = TrainingArguments {
        output_dir: folder.path().join("run"),
        max_grad_norm: args.max_grad_norm * surplus_division(golden),
        logging_steps: 1.0,
        save_strategy: SaveStrategy::No,
        train_sampling_strategy: Sampling::Sequential,
        ..args
    };
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    let rows = golden["rows"].as_u64().unwrap() as usize;
    let settings = &golden["loss"];
    let size_average = settings["size_average"].as_bool().unwrap();
    let trainer = match settings["normalize_scores"].as_bool() {
        Some(normalize_scores) => {
            let loss = Distillation { normalize_scores, size_average, ..Default::default() };
            Trainer::new(model, loss, args).train_dataset(distillation_rows(rows))
        }
        None => {
            let temperature = settings["temperature"].as_f64().unwrap();
            let loss = Contrastive { temperature, size_average, ..Default::default() };
            Trainer::new(model, loss, args).train_dataset(Dataset::load(fixture("training.jsonl")).unwrap().take(rows))
        }
    };
    trainer.handle_interrupt(false).train().unwrap()
}

/// Four of the eight documents that are stored for each query.
fn distillation_rows(count: usize) -> KdProcessing {
    let table = |name: &str| fixture(&format!("kd/{name}.jsonl"));
    let rows = KdProcessing::load(table("train"), table("queries"), table("documents")).unwrap();
    rows.n_ways(4).unwrap().take(count)
}

fn compare(name: &str) {
    let golden = json(&format!("{name}.json"));
    let trained = train(&golden);
    let expected: Vec<&Value> =
        golden["log_history"].as_array().unwrap().iter().filter(|entry| entry.get("loss").is_some()).collect();
    let found: Vec<_> = trained.state.log_history.iter().filter(|entry| entry.contains_key("loss")).collect();
    assert_eq!(found.len(), expected.len(), "logged steps");
    let mut worst = (0f64, 0f64);
    for (found, expected) in found.iter().zip(&expected) {
        let step = &expected["step"];
        let relative = |key: &str| {
            let (found, expected) = (found[key].as_f64().unwrap(), expected[key].as_f64().unwrap());
            let found = if key == "grad_norm" { found / surplus_division(&golden) } else { found };
            (found - expected).abs() / expected.abs().max(1e-12)
        };
        worst = (worst.0.max(relative("loss")), worst.1.max(relative("grad_norm")));
        assert_eq!(&found["step"], step);
        assert!(relative("loss") < 1e-4, "loss of step {step}: {} against {}", found["loss"], expected["loss"]);
        assert!(
            relative("grad_norm") < 1e-3,
            "grad_norm of step {step}: {} against {}",
            found["grad_norm"],
            expected["grad_norm"]
        );
        assert!(relative("learning_rate") < 1e-12, "learning_rate of step {step}");
        assert!(relative("epoch") < 1e-12, "epoch of step {step}: {} against {}", found["epoch"], expected["epoch"]);
    }
    println!("{name}: {} steps, off by at most {:.1e} in the loss, {:.1e} in the norm", found.len(), worst.0, worst.1);
    assert_eq!(golden["global_step"], trained.global_step);
    let mean = golden["training_loss"].as_f64().unwrap();
    assert!((trained.training_loss - mean).abs() < 1e-4 * mean, "mean loss {} against {mean}", trained.training_loss);

    let weights = tensors(&fixture("training.safetensors"));
    for (kind, key) in [(Kind::Query, "query"), (Kind::Document, "document")] {
        let text = golden["probes"][key].as_str().unwrap();
        let vectors = trained.model.encode(&[text], kind, &EncodeOptions::default()).unwrap();
        // Adam divides by the root of tiny second moments, so float error grows over the steps.
        assert_close(&format!("{key} after {name}"), &vectors[0].values, &weights[&format!("{name}.{key}")], 1e-3);
    }
    compare_weights(name, &golden, &weights, &trained.model);
}

/// Some parameters whole, and the norms of all.
fn compare_weights(name: &str, golden: &Value, weights: &BTreeMap<String, Golden>, model: &ColBert) {
    let folder = tempfile::tempdir().unwrap();
    model.save_pretrained(folder.path()).unwrap();
    let mut trained = tensors(&folder.path().join("model.safetensors"));
    let dense = tensors(&folder.path().join("1_Dense/model.safetensors"));
    trained.extend(dense.into_iter().map(|(name, golden)| (format!("1_Dense.{name}"), golden)));

    let prefix = format!("{name}.parameter.");
    let whole: Vec<_> = weights.iter().filter_map(|(key, golden)| Some((key.strip_prefix(&prefix)?, golden))).collect();
    assert!(whole.len() >= 5);
    for (parameter, golden) in whole {
        let off = relative_difference(&trained[parameter].values, &golden.values);
        assert!(off < 1e-4, "{parameter} after {name}: off by {off}");
    }
    for (parameter, norm) in golden["parameter_norms"].as_object().unwrap() {
        // The gradient of a key bias is zero but for rounding, which Adam scales up to whole steps.
        if !parameter.ends_with("key.bias") {
            let found = trained[parameter].values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let norm = norm.as_f64().unwrap();
            assert!((found - norm).abs() < 1e-4 * norm, "norm of {parameter} after {name}: {found} against {norm}");
        }
    }
}

#[test]
fn twenty_five_steps_with_warmup_clipping_and_decay() {
    compare("training");
}

#[test]
fn two_epochs_along_a_cosine() {
    compare("training_cosine");
}

#[test]
fn the_sum_of_the_losses_with_constant_rates_after_a_warmup() {
    compare("training_sum");
}

#[test]
fn twenty_steps_of_distillation() {
    compare("training_kd");
    compare("training_kd_raw");
}

#[test]
fn accumulation_with_an_incomplete_last_group() {
    compare("training_accum");
}
