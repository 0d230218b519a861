//! Ctrl-C, in a process of its own: the signal reaches all that runs in it.
#![cfg(all(feature = "flex", unix))]

#[path = "trainer/common.rs"]
mod common;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use burn::tensor::{Device, Tensor};
use colburn_loss::{Contrastive, Loss, Result, Targets};
use colburn_model::ColBert;
use colburn_ops::Embeddings;
use colburn_train::{Trainer, TrainerState, TrainingArguments};

use common::{arguments, rows, tiny};

/// Presses Ctrl-C during the third step.
#[derive(Default)]
struct Impatient {
    steps: AtomicUsize,
}

impl Loss for Impatient {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        if self.steps.fetch_add(1, Ordering::Relaxed) + 1 == 3 {
            let process = std::process::id().to_string();
            assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
            std::thread::sleep(Duration::from_millis(500));
        }
        Contrastive::default().forward(queries, documents, targets)
    }

    fn name(&self) -> &'static str {
        "impatient"
    }
}

#[test]
fn ctrl_c_saves_a_checkpoint_and_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { num_train_epochs: 50.0, ..arguments(dir.path()) };
    let output = Trainer::new(tiny(), Impatient::default(), args).train_dataset(rows(16)).train().unwrap();
    assert_eq!((output.interrupted, output.global_step), (true, 3));
    ColBert::from_pretrained(dir.path().join("checkpoint-3"), &Device::flex()).unwrap();
    assert_eq!(TrainerState::load(dir.path()).unwrap().global_step, 3);
    assert!(!dir.path().join("model.safetensors").exists());
}
