//! The lists of losses, evaluators, reports, optimizers, schedules and encoder families, held against the pages that document them.

use std::fmt::Debug;

use colburn::eval::EvaluatorConfig;
use colburn::loss::LossConfig;
use colburn::prelude::{ColBert, Device};
use colburn::report::ReporterKind;
use colburn::train::{OptimizerName, SchedulerType};
use serde::de::DeserializeOwned;

/// Fails for each name that a page does not have as code.
fn documented<'a>(page: &str, names: impl IntoIterator<Item = &'a str>) {
    let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let names: Vec<&str> = names.into_iter().collect();
    assert!(!names.is_empty(), "no names for {page}");
    let missing: Vec<&str> = names.into_iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/{page} does not name {missing:?}");
}

/// The names that an error message offers in place of an unknown one.
fn offered<T: DeserializeOwned + Debug>() -> Vec<String> {
    let message = serde_json::from_str::<T>("\"?\"").unwrap_err().to_string();
    let names = message.split("expected").nth(1).unwrap_or_default();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_loss_is_documented() {
    documented("how-to.md", LossConfig::NAMES.iter().copied());
}

#[test]
fn every_evaluator_is_documented() {
    documented("evaluation.md", EvaluatorConfig::NAMES.iter().copied());
}

#[test]
fn every_report_is_documented() {
    documented("reports.md", ReporterKind::ALL.map(ReporterKind::name));
}

#[test]
fn every_optimizer_and_schedule_is_documented() {
    documented("arguments.md", offered::<OptimizerName>().iter().map(String::as_str));
    documented("arguments.md", offered::<SchedulerType>().iter().map(String::as_str));
}

#[test]
fn every_encoder_family_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "unknown"}"#).unwrap();
    let error = ColBert::from_pretrained(folder.path(), &Device::default()).unwrap_err();
    let message = error.to_string();
    let names = message.rsplit(": ").next().unwrap_or_default().split(", ");
    let families: Vec<&str> = names.map(|name| name.trim_end_matches('.')).collect();
    assert!(families.contains(&"modernbert"), "{message}");
    documented("models.md", families);
}
