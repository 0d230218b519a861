//! Ctrl-C, in a process of its own: the signal reaches all that runs in it.
#![cfg(all(feature = "flex", unix))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "trainer/common.rs"]
mod common;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use burn::tensor::{Device, Tensor};
use colburn_loss::{Contrastive, Loss, Result, Targets};
use colburn_model::ColBert;
use colburn_ops::Embeddings;
use colburn_train::{IntervalStrategy, TrainOutput, Trainer, TrainerState, TrainingArguments};

use common::{arguments, rows, tiny};

/// Asks the run to end during one of its steps.
struct Impatient {
    step: usize,
    steps: AtomicUsize,
}

impl Loss for Impatient {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        // The loss is asked twice before the run, for the batches that it is tried on.
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.step + 1 {
            // Not SIGINT, which a process in the background of a script is started to ignore. The handler is the same.
            let kill = format!("kill -TERM {}", std::process::id());
            assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
            std::thread::sleep(Duration::from_millis(500));
        }
        Contrastive::default().forward(queries, documents, targets)
    }

    fn name(&self) -> &'static str {
        "impatient"
    }
}

/// A run of epochs of 4 steps.
fn interrupted_during(step: usize, dir: &Path) -> TrainOutput {
    let args = TrainingArguments {
        num_train_epochs: 50.0,
        logging_strategy: IntervalStrategy::Epoch,
        eval_strategy: IntervalStrategy::Epoch,
        ..arguments(dir)
    };
    let loss = Impatient { step, steps: AtomicUsize::new(0) };
    Trainer::new(tiny(), loss, args).train_dataset(rows(16)).eval_dataset(rows(4)).train().unwrap()
}

// One test, because the signal goes to the run that began last.
#[test]
fn ctrl_c_saves_a_checkpoint_and_ends_the_run() {
    let cases: [(usize, &[&str]); 2] = [(3, &[]), (4, &["loss", "eval_loss"])];
    for (step, logged) in cases {
        let dir = tempfile::tempdir().unwrap();
        let output = interrupted_during(step, dir.path());
        assert_eq!((output.interrupted, output.global_step), (true, step));
        ColBert::from_pretrained(dir.path().join(format!("checkpoint-{step}")), &Device::flex()).unwrap();
        let state = TrainerState::load(dir.path()).unwrap();
        assert_eq!(state.global_step, step);
        assert!(!dir.path().join("model.safetensors").exists());
        // What is due at the end of an epoch is done before a run stops there.
        assert_eq!(state.log_history.len(), logged.len());
        assert!(state.log_history.iter().zip(logged).all(|(entry, key)| entry.contains_key(*key)));
    }
}
