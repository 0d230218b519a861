//! What an evaluator found: metric names and numbers, in order, and which of them matters most.

use std::{fs, io, path::Path};

use serde_json::{Map, Value};

use crate::{Error, Result, python};

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

/// How the lines of a CSV file end: as Python's csv module ends them, or as sentence-transformers' retrieval evaluators do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LineEnd {
    CrLf,
    Lf,
}

/// Appends a line to a CSV file; the header only when the file is new. The file is written anew as a whole, so that a crash leaves no half
/// line. One with other columns, of an evaluation with other cuts, is kept under another name: a line of it must not end a run that has
/// just evaluated.
pub(crate) fn append_csv(path: &Path, header: &[&str], values: &[String], end: LineEnd) -> Result<()> {
    let end = match end {
        LineEnd::CrLf => "\r\n",
        LineEnd::Lf => "\n",
    };
    let io = |source| Error::Io { path: path.to_owned(), source };
    let header = header.join(",");
    let lines = match fs::read_to_string(path) {
        Ok(lines) if lines.lines().next() == Some(&header) => lines,
        Ok(other) => {
            if !other.is_empty() {
                let old = path.with_extension("csv.old");
                tracing::warn!("{}: it has other columns, and is {} now", path.display(), old.display());
                fs::rename(path, old).map_err(io)?;
            }
            format!("{header}{end}")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("{header}{end}"),
        Err(source) => return Err(io(source)),
    };
    Ok(colburn_model::write_atomic(path, format!("{lines}{}{end}", values.join(",")).as_bytes())?)
}

/// The first two fields of a line: -1 and -1 outside of training.
pub(crate) fn epoch_and_steps(epoch: f64, steps: i64) -> [String; 2] {
    [if epoch == -1.0 { "-1".to_owned() } else { python::float(epoch) }, steps.to_string()]
}

/// An evaluator's name within that of a file: `_NAME`, or nothing where it has none.
pub(crate) fn file_part(evaluator: &str) -> String {
    if evaluator.is_empty() { String::new() } else { format!("_{evaluator}") }
}

/// The name of a metric of an evaluator: `NAME_METRIC`, or the metric alone where the evaluator has no name
/// (`SentenceEvaluator.prefix_name_to_metrics` of sentence-transformers).
pub(crate) fn named(evaluator: &str, metric: &str) -> String {
    if evaluator.is_empty() { metric.to_owned() } else { format!("{evaluator}_{metric}") }
}
