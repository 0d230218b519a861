//! The evaluation of a model by `do_eval` and `do_train = false`: the trainer's numbers, printed and in a file.

use std::path::Path;
use std::time::Instant;

use colburn::model::write_atomic;
use colburn::train::Trainer;
use serde_json::{Map, Value};

use crate::{Result, evaluate, output};

/// Hugging Face's name for the metrics of an evaluation that is not one of a step.
const RESULTS: &str = "eval_results.json";

/// Evaluates the model of a trainer; the metrics go to stdout and into `output_dir`.
pub fn run(trainer: &Trainer, output_dir: &Path) -> Result<()> {
    let path = output_dir.join(RESULTS);
    output::prepare(&path)?;
    let started = Instant::now();
    let metrics = trainer.evaluate()?;
    evaluate::show(metrics.iter().map(|(name, value)| (name.as_str(), *value)));
    let mut results: Map<String, Value> = metrics.into_iter().map(|(name, value)| (name, value.into())).collect();
    results.insert("eval_runtime".to_owned(), started.elapsed().as_secs_f64().into());
    write_atomic(&path, format!("{:#}\n", Value::Object(results)).as_bytes())?;
    Ok(())
}
