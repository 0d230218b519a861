//! The parts that tests of the trainer share: the tiny model and the rows that the fixtures were made from.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use colburn_data::{Dataset, KdProcessing, Sampling};
use colburn_loss::Contrastive;
use colburn_model::ColBert;
use colburn_train::{LogEntry, TrainOutput, Trainer, TrainingArguments};

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(name)
}

pub fn tiny() -> ColBert {
    ColBert::from_pretrained(fixture("tiny-colbert"), &Device::flex()).unwrap()
}

/// The tiny model, with dropout.
pub fn tiny_with_dropout() -> ColBert {
    let dir = tempfile::tempdir().unwrap();
    tiny().save_pretrained(dir.path()).unwrap();
    let path = dir.path().join("config.json");
    let config = fs::read_to_string(&path).unwrap();
    let dropout = config
        .replace(r#""hidden_dropout_prob": 0.0"#, r#""hidden_dropout_prob": 0.1"#)
        .replace(r#""attention_probs_dropout_prob": 0.0"#, r#""attention_probs_dropout_prob": 0.1"#);
    assert_ne!(config, dropout, "the tiny model is to be without dropout");
    fs::write(&path, dropout).unwrap();
    ColBert::from_pretrained(dir.path(), &Device::flex()).unwrap()
}

pub fn rows(count: usize) -> Dataset {
    Dataset::load(fixture("training.jsonl")).unwrap().take(count)
}

/// Queries with four scored documents each, made of the same rows: a query's own positive and negative, and those of the next one.
pub fn scored(count: usize) -> KdProcessing {
    let dir = tempfile::tempdir().unwrap();
    let triplets = rows(count);
    let (mut train, mut queries, mut documents) = (String::new(), String::new(), String::new());
    let text = |row: usize, column: usize| serde_json::to_string(triplets.text(row, column).unwrap()).unwrap();
    for row in 0..count {
        let next = (row + 1) % count;
        let ids = [2 * row, 2 * row + 1, 2 * next, 2 * next + 1];
        train += &format!(
            "{{\"query_id\": {row}, \"document_ids\": {ids:?}, \"scores\": [0.9, 0.4, {}, 0.1]}}\n",
            0.2 + row as f64 / 100.0
        );
        queries += &format!("{{\"query_id\": {row}, \"text\": {}}}\n", text(row, 0));
        for (id, column) in [(2 * row, 1), (2 * row + 1, 2)] {
            documents += &format!("{{\"document_id\": {id}, \"text\": {}}}\n", text(row, column));
        }
    }
    let paths = ["train.jsonl", "queries.jsonl", "documents.jsonl"].map(|name| dir.path().join(name));
    for (path, text) in paths.iter().zip([train, queries, documents]) {
        fs::write(path, text).unwrap();
    }
    KdProcessing::load(&paths[0], &paths[1], &paths[2]).unwrap().n_ways(4).unwrap()
}

/// Short runs in the order of the rows.
pub fn arguments(output_dir: &Path) -> TrainingArguments {
    TrainingArguments {
        output_dir: output_dir.to_owned(),
        per_device_train_batch_size: 4,
        learning_rate: 1e-3,
        logging_steps: 1.0,
        train_sampling_strategy: Sampling::Sequential,
        ..Default::default()
    }
}

pub fn trainer(args: TrainingArguments) -> Trainer {
    Trainer::new(tiny(), Contrastive::default(), args).handle_interrupt(false)
}

/// The numbers that were logged under a key.
pub fn logged(output: &TrainOutput, key: &str) -> Vec<f64> {
    output.state.log_history.iter().filter_map(|entry| entry.get(key)?.as_f64()).collect()
}

/// The log without what depends on the clock.
pub fn without_times(log: &[LogEntry]) -> Vec<LogEntry> {
    let timed = |key: &str| key.contains("per_second") || key.contains("runtime");
    log.iter().map(|entry| entry.clone().into_iter().filter(|(key, _)| !timed(key)).collect()).collect()
}

pub fn refused(trainer: Trainer) -> String {
    let message = trainer.train().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    message
}

/// The result of some work on this thread, and its warnings.
pub fn with_warnings<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let warnings = Warnings::default();
    let result = tracing::subscriber::with_default(warnings.clone(), work);
    let messages = warnings.0.lock().unwrap().clone();
    (result, messages)
}

#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.0 += &format!("{value:?}");
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
