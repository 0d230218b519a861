//! What an evaluator found: metric names and numbers, in order, and which of them matters most.

use std::{fs, io, path::Path};

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Metrics of one evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Names and values, in the order in which they are shown.
    pub metrics: Vec<(String, f64)>,
    /// The name of the metric by which models are compared.
    pub primary: Option<String>,
}

impl Report {
    /// The value of a metric.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(metric, _)| metric == name).map(|(_, value)| *value)
    }

    /// The value of the primary metric.
    pub fn main(&self) -> Option<f64> {
        self.get(self.primary.as_deref()?)
    }

    /// One flat object of metric names to numbers.
    pub fn to_json(&self) -> Map<String, Value> {
        self.metrics.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect()
    }
}

/// Appends to a CSV file in the form of Python's csv module: the header only when the file is new, lines end in CR LF. The file is
/// written anew as a whole, so that a crash leaves no half line.
pub(crate) fn append_csv(path: &Path, header: &[&str], values: &[String]) -> Result<()> {
    let mut lines = match fs::read_to_string(path) {
        Ok(lines) => lines,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    for line in [header.join(","), values.join(",")].iter().skip(usize::from(!lines.is_empty())) {
        lines += &format!("{line}\r\n");
    }
    Ok(colburn_model::write_atomic(path, lines.as_bytes())?)
}

/// The first two fields of a line: -1 and -1 outside of training.
pub(crate) fn epoch_and_steps(epoch: f64, steps: i64) -> [String; 2] {
    [if epoch == -1.0 { "-1".to_owned() } else { format!("{epoch:?}") }, steps.to_string()]
}

/// The name of a metric of an evaluator: `NAME_METRIC`, or the metric alone where the evaluator has no name
/// (`SentenceEvaluator.prefix_name_to_metrics` of sentence-transformers).
pub(crate) fn named(evaluator: &str, metric: &str) -> String {
    if evaluator.is_empty() { metric.to_owned() } else { format!("{evaluator}_{metric}") }
}
