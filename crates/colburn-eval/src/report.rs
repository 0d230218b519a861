//! The result of an evaluation: metric names and numbers, in order, and the primary metric; and the CSV file that it is appended to.

use std::{fs, io, path::Path};

use csv::{Terminator, WriterBuilder};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::python;

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

/// The line end of a CSV file: that of Python's csv module, or that of sentence-transformers' retrieval evaluators.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LineEnd {
    CrLf,
    Lf,
}

/// Appends a line to a CSV file; the header only when the file is new. The whole file is written again, so that a crash leaves no half
/// line. A file with other columns, of an evaluation with other cuts, is renamed instead of refused: a run that has just evaluated must
/// not end because of it.
pub(crate) fn append_csv(path: &Path, header: &[&str], values: &[String], end: LineEnd) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let header = csv_line(header, end).map_err(io)?;
    let lines = match fs::read_to_string(path) {
        Ok(lines) if lines.lines().next() == header.lines().next() => lines,
        Ok(other) => {
            if !other.is_empty() {
                let old = path.with_extension("csv.old");
                tracing::warn!("{}: it has other columns, and is {} now", path.display(), old.display());
                fs::rename(path, old).map_err(io)?;
            }
            header
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => header,
        Err(source) => return Err(io(source)),
    };
    let line = csv_line(values, end).map_err(io)?;
    Ok(colburn_model::write_atomic(path, (lines + &line).as_bytes())?)
}

/// Fields as a line of a CSV file.
fn csv_line<T: AsRef<[u8]>>(fields: &[T], end: LineEnd) -> io::Result<String> {
    let terminator = match end {
        LineEnd::CrLf => Terminator::CRLF,
        LineEnd::Lf => Terminator::Any(b'\n'),
    };
    let mut writer = WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
    writer.write_record(fields)?;
    let line = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    String::from_utf8(line).map_err(io::Error::other)
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
