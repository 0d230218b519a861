//! Safety nets: steps that are not finite, memory that runs out, and what is found before the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};
use colburn_data::Dataset;
use colburn_loss::{Contrastive, Distillation, Loss, Result, Targets};
use colburn_model::ColBert;
use colburn_ops::Embeddings;
use colburn_train::{SaveStrategy, TrainOutput, Trainer, TrainerState, TrainingArguments};

use crate::common::{arguments, logged, refused, rows, tiny, trainer};

/// The contrastive loss, but for some calls; the first call is that of the trial before the run.
struct Strange {
    calls: Arc<AtomicUsize>,
    is_strange: fn(usize) -> bool,
    strange: fn(Tensor<1>) -> Tensor<1>,
}

impl Loss for Strange {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        let loss = Contrastive::default().forward(queries, documents, targets)?;
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(if (self.is_strange)(call) { (self.strange)(loss) } else { loss })
    }
    fn name(&self) -> &'static str {
        "strange"
    }
}

fn strange(is_strange: fn(usize) -> bool, strange: fn(Tensor<1>) -> Tensor<1>) -> Strange {
    Strange { calls: Arc::default(), is_strange, strange }
}

fn run(loss: Strange, change: impl FnOnce(TrainingArguments) -> TrainingArguments) -> TrainOutput {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { num_train_epochs: 1.0, save_strategy: SaveStrategy::No, ..arguments(dir.path()) };
    let trainer = Trainer::new(tiny(), loss, change(args)).handle_interrupt(false);
    trainer.train_dataset(rows(24)).train().unwrap()
}

#[test]
fn a_step_that_is_not_finite_changes_nothing_but_the_count() {
    let not_a_number = |loss: Tensor<1>| loss * f32::NAN;
    let output = run(strange(|call| call == 2 || call == 3, not_a_number), |args| args);
    assert_eq!(output.global_step, 6);
    assert_eq!(logged(&output, "skipped_steps"), [1.0, 2.0, 2.0, 2.0, 2.0]);
    let losses = logged(&output, "loss");
    assert_eq!(losses.len(), 4, "two steps have no loss to log: {losses:?}");
    assert!(losses.iter().chain([&output.training_loss]).all(|loss| loss.is_finite()));

    let honest = |args| TrainingArguments { logging_nan_inf_filter: false, logging_steps: 3.0, ..args };
    let output = run(strange(|call| call == 2, not_a_number), honest);
    let logs = &output.state.log_history;
    assert!(logs[0]["loss"].is_null() && logs[1]["loss"].is_number(), "{logs:?}");
    assert!(output.training_loss.is_nan());
    let filtered =
        run(strange(|call| call == 2, not_a_number), |args| TrainingArguments { logging_steps: 3.0, ..args });
    assert!(filtered.state.log_history[0]["loss"].is_number());
}

#[test]
fn too_many_in_a_row_end_the_run_and_spare_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { num_train_epochs: 4.0, save_steps: 3.0, ..arguments(dir.path()) };
    let loss = strange(|call| call > 4, |loss| loss * f32::INFINITY);
    let message = refused(Trainer::new(tiny(), loss, args).handle_interrupt(false).train_dataset(rows(24)));
    assert!(
        message.starts_with("step 14: the loss is inf, for the 10th step in a row; lower `learning_rate`"),
        "{message}"
    );
    assert!(message.contains("are those of step 4"), "{message}");
    assert!(dir.path().join("checkpoint-3").exists() && !dir.path().join("model.safetensors").exists());
}

#[test]
fn out_of_memory_halves_the_mini_batch_and_not_the_batch() {
    let out_of_memory = |_: Tensor<1>| -> Tensor<1> { panic!("wgpu error: Out of Memory") };
    let auto = |args| TrainingArguments { auto_find_batch_size: true, ..args };
    let usual = logged(&run(strange(|_| false, out_of_memory), |args| args), "loss");
    // The trial before the run gets by with 2 texts at once, the third step only with 1.
    let output = run(strange(|call| [0, 1, 5].contains(&call), out_of_memory), auto);
    assert_eq!(output.state.stateful_callbacks["LoopState"]["attributes"]["mini_batch_size"], 1);
    for (found, expected) in logged(&output, "loss").iter().zip(&usual) {
        assert!((found - expected).abs() < 2e-5 * expected, "{found} and {expected}");
    }
}

#[test]
fn without_being_asked_a_panic_is_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let loss = strange(|_| true, |_| panic!("wgpu error: Out of Memory"));
    let trainer = Trainer::new(tiny(), loss, arguments(dir.path())).handle_interrupt(false).train_dataset(rows(8));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trainer.train())).is_err());
}

#[test]
fn what_is_wrong_with_a_batch_is_said_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let without_scores = Trainer::new(tiny(), Distillation::default(), arguments(dir.path())).handle_interrupt(false);
    let message = refused(without_scores.train_dataset(rows(8)));
    assert!(message.starts_with("before the run: ") && message.contains("training.jsonl"), "{message}");
    assert!(message.contains("scores"), "{message}");

    let infinite = Trainer::new(tiny(), strange(|_| true, |loss| loss * f32::INFINITY), arguments(dir.path()));
    let message = refused(infinite.handle_interrupt(false).train_dataset(rows(8)));
    assert!(message.contains("the loss of its first rows is inf"), "{message}");

    let one = Dataset::from_rows(&["query"], [vec!["a query".to_owned()]]).unwrap();
    assert!(refused(trainer(arguments(dir.path())).train_dataset(one)).contains("query"));
}

/// A learning rate that no f32 holds makes weights infinite, which the loss of that step does not see.
#[test]
fn weights_that_are_not_finite_are_not_saved() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { num_train_epochs: 1.0, save_steps: 1.0, ..arguments(dir.path()) };
    let trainer = trainer(args).scheduler(|step: usize| if step < 2 { 1e-3 } else { 1e39 });
    let message = refused(trainer.train_dataset(rows(16)));
    assert!(message.contains("hold NaN or infinite weights"), "{message}");
    for step in [1, 2] {
        let checkpoint = dir.path().join(format!("checkpoint-{step}"));
        ColBert::from_pretrained(&checkpoint, &Device::flex()).unwrap();
        assert!(checkpoint.join("manifest.json").exists());
    }
    assert!(!dir.path().join("checkpoint-3").exists() && !dir.path().join("model.safetensors").exists());
    assert_eq!(TrainerState::load(dir.path()).unwrap().global_step, 3);

    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 1,
        learning_rate: 1e39,
        save_strategy: SaveStrategy::No,
        ..arguments(dir.path())
    };
    let message = refused(crate::common::trainer(args).train_dataset(rows(8)));
    assert!(message.contains("hold NaN or infinite weights"), "{message}");
    assert!(!dir.path().join("model.safetensors").exists());
}
