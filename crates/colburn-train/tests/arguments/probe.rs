//! Short runs, and what they leave to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use colburn_eval::TripletEvaluator;
use colburn_loss::Contrastive;
use colburn_train::{SaveStrategy, TrainOutput, Trainer, TrainingArguments};
use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::common::{arguments, rows, tiny};

/// A run that is over.
pub struct Run {
    pub output: TrainOutput,
    pub dir: TempDir,
}

/// Values by name.
pub type Tensors = BTreeMap<String, Vec<f32>>;

/// A trainer for one epoch in batches of 4, which logs every step and saves no checkpoint unless `change` says otherwise.
pub fn trainer(dir: &Path, count: usize, change: impl FnOnce(&mut TrainingArguments)) -> Trainer {
    let mut args = TrainingArguments { num_train_epochs: 1.0, save_strategy: SaveStrategy::No, ..arguments(dir) };
    change(&mut args);
    Trainer::new(tiny(), Contrastive::default(), args).train_dataset(rows(count)).handle_interrupt(false)
}

/// Trains on the first rows.
pub fn train(count: usize, change: impl FnOnce(&mut TrainingArguments)) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let output = trainer(dir.path(), count, change).train().unwrap();
    Run { output, dir }
}

/// Trains on the first rows, with 10 others to evaluate on, by loss and by accuracy.
pub fn train_and_evaluate(count: usize, change: impl FnOnce(&mut TrainingArguments)) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let eval = rows(100).slice(90..100).unwrap();
    let trainer = trainer(dir.path(), count, change).evaluator(TripletEvaluator::new(&eval).unwrap());
    let output = trainer.eval_dataset(eval).train().unwrap();
    Run { output, dir }
}

/// The message about wrong arguments, before anything is written.
pub fn refused(change: impl FnOnce(&mut TrainingArguments)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output_dir = dir.path().join("run");
    let trainer = trainer(&output_dir, 8, change);
    let message = trainer.train().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    assert!(!output_dir.exists(), "{message}: said too late");
    message
}

impl Run {
    /// The values of a key in the log.
    pub fn logged(&self, key: &str) -> Vec<f64> {
        self.output.state.log_history.iter().filter_map(|entry| entry.get(key)?.as_f64()).collect()
    }

    /// The steps at which a key was logged.
    pub fn steps(&self, key: &str) -> Vec<u64> {
        let entries = self.output.state.log_history.iter().filter(|entry| entry.contains_key(key));
        entries.filter_map(|entry| entry["step"].as_u64()).collect()
    }

    /// The final weights.
    pub fn weights(&self) -> Tensors {
        weights(self.dir.path())
    }

    /// The weights in a checkpoint.
    pub fn weights_of(&self, step: usize) -> Tensors {
        weights(&self.dir.path().join(format!("checkpoint-{step}")))
    }

    /// The state of the optimizer in a checkpoint.
    pub fn optimizer(&self, step: usize) -> Tensors {
        tensors(&self.dir.path().join(format!("checkpoint-{step}/optimizer.safetensors")))
    }

    /// The checkpoints in the output folder.
    pub fn checkpoints(&self) -> BTreeSet<String> {
        let names =
            fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("checkpoint-")).collect()
    }
}

/// The weights of the tiny model before any training.
pub fn initial() -> Tensors {
    let dir = tempfile::tempdir().unwrap();
    tiny().save_pretrained(dir.path()).unwrap();
    weights(dir.path())
}

fn weights(dir: &Path) -> Tensors {
    let mut weights = tensors(&dir.join("model.safetensors"));
    let projection = tensors(&dir.join("1_Dense/model.safetensors"));
    weights.extend(projection.into_iter().map(|(name, values)| (format!("1_Dense.{name}"), values)));
    weights
}

/// The f32 tensors of a file.
fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = file.iter().filter(|(_, view)| view.dtype() == safetensors::Dtype::F32);
    let values =
        |bytes: &[u8]| bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    floats.map(|(name, view)| (name.to_owned(), values(view.data()))).collect()
}

/// Fails unless each value is `factor` times its counterpart, within float error.
pub fn assert_multiple(found: &[f32], of: &[f32], factor: f64) {
    assert_eq!(found.len(), of.len());
    for (found, of) in found.iter().zip(of) {
        let expected = f64::from(*of) * factor;
        let found = f64::from(*found);
        assert!((found - expected).abs() <= 1e-4 * expected.abs() + 1e-12, "{found} is not {expected}");
    }
}

pub fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6 * expected.abs(), "{found} is not {expected}");
}
