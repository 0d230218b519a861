//! Whole training runs: losses within 1e-3, gradient norms and learning rates, and the weights that come out.
//!
//! ```python
//! args = SentenceTransformerTrainingArguments(per_device_train_batch_size=8, learning_rate=1e-3, warmup_steps=5, weight_decay=0.1,
//!                                             max_grad_norm=0.5, logging_steps=1, …)
//! trainer = SentenceTransformerTrainer(model, args, train_dataset=rows, loss=losses.Contrastive(model, temperature=0.2),
//!                                      data_collator=utils.ColBERTCollator(model.tokenize))  # rows in order, no dropout
//! trainer.train(); trainer.state.log_history
//! ```
//!
//! transformers 5.3 divides the gradients of accumulated micro-batches twice, by their number and again by
//! `gradient_accumulation_steps`, so its gradient is that much smaller than the mean. Ours is the mean; AdamW does not see the
//! difference, clipping does. The run here is clipped at as many times the norm, and its norms are compared after the same division.

use colburn::prelude::*;
use serde_json::Value;

use crate::support::*;

/// By how much PyLate's gradients are too small.
fn surplus_division(golden: &Value) -> f64 {
    golden["arguments"]["gradient_accumulation_steps"].as_f64().unwrap()
}

fn train(golden: &Value) -> TrainOutput {
    let arguments = &golden["arguments"];
    let number = |key: &str| arguments[key].as_f64().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        output_dir: folder.path().join("run"),
        num_train_epochs: number("num_train_epochs"),
        per_device_train_batch_size: number("per_device_train_batch_size") as usize,
        gradient_accumulation_steps: number("gradient_accumulation_steps") as usize,
        learning_rate: number("learning_rate"),
        lr_scheduler_type: SchedulerType::Linear,
        warmup_steps: number("warmup_steps") as usize,
        weight_decay: number("weight_decay"),
        max_grad_norm: number("max_grad_norm") * surplus_division(golden),
        logging_steps: 1,
        save_strategy: SaveStrategy::No,
        train_sampling_strategy: Sampling::Sequential,
        ..Default::default()
    };
    let rows = Dataset::load(fixture("training.jsonl")).unwrap().take(golden["rows"].as_u64().unwrap() as usize);
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    let loss = Contrastive { temperature: golden["temperature"].as_f64().unwrap(), ..Default::default() };
    Trainer::new(model, loss, args).train_dataset(rows).handle_interrupt(false).train().unwrap()
}

fn compare(name: &str) {
    let golden = json(&format!("{name}.json"));
    let trained = train(&golden);
    let expected: Vec<&Value> =
        golden["log_history"].as_array().unwrap().iter().filter(|entry| entry.get("loss").is_some()).collect();
    let found: Vec<_> = trained.state.log_history.iter().filter(|entry| entry.contains_key("loss")).collect();
    assert_eq!(found.len(), expected.len(), "logged steps");
    let mut worst = 0f64;
    for (found, expected) in found.iter().zip(&expected) {
        let step = &expected["step"];
        let relative = |key: &str| {
            let (found, expected) = (found[key].as_f64().unwrap(), expected[key].as_f64().unwrap());
            let found = if key == "grad_norm" { found / surplus_division(&golden) } else { found };
            (found - expected).abs() / expected.abs().max(1e-12)
        };
        worst = worst.max(relative("loss"));
        assert!(relative("loss") < 1e-3, "loss of step {step}: {} against {}", found["loss"], expected["loss"]);
        assert!(
            relative("grad_norm") < 1e-3,
            "grad_norm of step {step}: {} against {}",
            found["grad_norm"],
            expected["grad_norm"]
        );
        assert!(relative("learning_rate") < 1e-12, "learning_rate of step {step}");
        assert!(relative("epoch") < 1e-12, "epoch of step {step}: {} against {}", found["epoch"], expected["epoch"]);
    }
    println!("{name}: {} steps, losses off by {worst:.1e} at most", found.len());
    let mean = golden["training_loss"].as_f64().unwrap();
    assert!((trained.training_loss - mean).abs() < 1e-4 * mean, "mean loss {} against {mean}", trained.training_loss);

    let weights = tensors(&fixture("training.safetensors"));
    for (kind, key) in [(Kind::Query, "query"), (Kind::Document, "document")] {
        let text = golden["probes"][key].as_str().unwrap();
        let vectors = trained.model.encode(&[text], kind, &EncodeOptions::default()).unwrap();
        // Adam divides by the root of tiny second moments, so float error grows over the steps.
        assert_close(&format!("{key} after {name}"), &vectors[0].values, &weights[&format!("{name}.{key}")], 1e-3);
    }
}

#[test]
fn twenty_five_steps_with_warmup_clipping_and_decay() {
    compare("training");
}

#[test]
fn accumulation_with_an_incomplete_last_group() {
    compare("training_accum");
}
