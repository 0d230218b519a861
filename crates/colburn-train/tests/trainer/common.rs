//! What the tests of the trainer share: the tiny model and the rows that the fixtures were made from.

use std::path::PathBuf;

use burn::tensor::Device;
use colburn_data::{Dataset, Sampling};
use colburn_model::ColBert;
use colburn_train::TrainingArguments;

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(name)
}

pub fn tiny() -> ColBert {
    ColBert::from_pretrained(fixture("tiny-colbert"), &Device::flex()).unwrap()
}

pub fn rows(count: usize) -> Dataset {
    Dataset::load(fixture("training.jsonl")).unwrap().take(count)
}

/// Short runs in the order of the rows.
pub fn arguments(output_dir: &std::path::Path) -> TrainingArguments {
    TrainingArguments {
        output_dir: output_dir.to_owned(),
        per_device_train_batch_size: 4,
        learning_rate: 1e-3,
        logging_steps: 1.0,
        train_sampling_strategy: Sampling::Sequential,
        ..Default::default()
    }
}
