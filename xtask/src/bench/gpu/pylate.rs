//! A run of PyLate on the card (`xtask/gpu/train_pylate.py`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::setup::Setup;
use super::workload::Workload;
use crate::bench::child::{self, Running};
use crate::bench::python::{self, Python, words};
use crate::result::Result;

/// Trains some steps. The observer gets the log, which is there from the first step on. Returns the script's report.
pub fn train<T: Send>(
    setup: &Setup,
    python: &Python,
    step: &str,
    workload: &Workload,
    steps: usize,
    caches: &Path,
    observer: impl FnOnce(&Running, PathBuf) -> T + Send,
) -> Result<(Value, T)> {
    let log = setup.folder.empty("pylate")?.join("log.jsonl");
    let arguments = words(&[
        ("--model", setup.model(workload.model).display().to_string()),
        ("--triplets", setup.options.triplets.display().to_string()),
        ("--steps", steps.to_string()),
        ("--batch-size", workload.batch_size.to_string()),
        ("--mode", workload.pylate_mode().to_owned()),
        ("--log", log.display().to_string()),
        ("--device", setup.options.device.clone()),
    ]);
    let mut command = python.command("train_pylate.py", &arguments);
    for name in ["TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME", "CUDA_CACHE_PATH"] {
        command.env(name, caches);
    }
    let (finished, observed) =
        child::run_observed(step, &mut command, &setup.folder.0, |running| observer(running, log))?;
    let finished = finished.succeeded(step)?;
    Ok((python::report(step, &finished)?, observed))
}

/// The seconds of the steps in a report.
pub fn seconds(report: &Value) -> Vec<f64> {
    report["step_seconds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}
