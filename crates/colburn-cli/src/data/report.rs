//! The result of a look at data, which is printed as one JSON object or as tables.

use colburn::data::{List, SourceFile, Value};
use serde::Serialize;
use serde_json::Map;

use super::checks::Checks;
use super::lengths::Lengths;
use super::roles::{Roles, Rows};
use super::statistics::{ColumnStatistics, Range, Statistics};
use super::tokens::TokenReport;

/// The longest text of a row that is shown.
const LONGEST: usize = 1000;
/// The longest list.
const MOST_VALUES: usize = 20;

/// The result of a look at data.
#[derive(Debug, Serialize)]
pub struct Report {
    pub source: String,
    pub files: Vec<FileReport>,
    pub rows: u64,
    /// The kind of rows.
    pub kind: &'static str,
    /// The reason why the columns have no roles.
    pub problem: Option<String>,
    /// The warnings about the roles.
    pub warnings: Vec<String>,
    pub columns: Vec<ColumnReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenReport>,
    /// Rows to train on that teach nothing, or the wrong thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<CheckReport>,
    pub examples: Vec<Example>,
}

/// A file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    pub path: String,
    pub format: &'static str,
    pub compressed: bool,
    pub bytes: u64,
}

/// A column.
#[derive(Debug, Serialize)]
pub struct ColumnReport {
    pub name: String,
    #[serde(rename = "type")]
    pub of: String,
    pub role: &'static str,
    /// Rows without a value.
    pub missing: u64,
    /// Rows with a text of white space alone, or a list without values or with such a text.
    pub empty: u64,
    pub distinct: Count,
    /// Characters of the texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<LengthReport>,
    /// Values of the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<LengthReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Range>,
    #[serde(skip_serializing_if = "is_zero")]
    pub not_a_number: u64,
}

/// A number that may be an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub count: u64,
    pub exact: bool,
}

/// Lengths of texts or lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LengthReport {
    pub p50: usize,
    pub p95: usize,
    pub max: usize,
}

/// Rows to train on that teach nothing, or the wrong thing.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// Rows whose query is that of a row before.
    pub duplicated_queries: Count,
    #[serde(flatten)]
    pub rows: Checks,
}

/// A row.
#[derive(Debug, Serialize)]
pub struct Example {
    pub place: String,
    pub values: Map<String, serde_json::Value>,
}

impl FileReport {
    pub fn of(file: &SourceFile) -> Self {
        Self {
            path: file.path.display().to_string(),
            format: file.format.name(),
            compressed: file.is_compressed,
            bytes: file.bytes,
        }
    }
}

impl ColumnReport {
    fn of(column: &ColumnStatistics, rows: u64, roles: &Roles) -> Self {
        let lengths = |lengths: &Lengths| {
            let [p50, p95, max] = [50, 95, 100].map(|percent| lengths.percentile(percent));
            (lengths.total() > 0).then_some(LengthReport { p50, p95, max })
        };
        Self {
            name: column.name.clone(),
            of: column.of.to_string(),
            role: roles.of(&column.name),
            missing: rows - column.values,
            empty: column.empty,
            distinct: Count { count: column.distinct.count().min(column.values), exact: column.distinct.is_exact() },
            characters: lengths(&column.characters),
            values: lengths(&column.items),
            numbers: column.numbers,
            not_a_number: column.not_a_number,
        }
    }
}

/// The columns with their roles.
pub fn columns(statistics: &Statistics, rows: u64, roles: &Roles) -> Vec<ColumnReport> {
    statistics.columns.iter().map(|column| ColumnReport::of(column, rows, roles)).collect()
}

impl CheckReport {
    /// The checks of rows to train on; none of others.
    pub fn of(checks: Checks, statistics: &Statistics, roles: &Roles) -> Option<Self> {
        if roles.rows != Rows::Training {
            return None;
        }
        let query = statistics.columns.iter().find(|column| Some(&column.name) == roles.query.as_ref())?;
        let count = query.values.saturating_sub(query.distinct.count());
        let duplicated_queries = Count { count, exact: query.distinct.is_exact() };
        Some(Self { duplicated_queries, rows: checks })
    }
}

impl Example {
    /// A row, with long texts and lists cut.
    pub fn of<'a>(place: String, row: impl Iterator<Item = (&'a str, Value<'a>)>) -> Self {
        Self { place, values: row.map(|(name, value)| (name.to_owned(), json(&value))).collect() }
    }
}

fn json(value: &Value) -> serde_json::Value {
    fn list<T: Clone + Into<serde_json::Value>>(values: &[T]) -> serde_json::Value {
        let mut shown: Vec<serde_json::Value> = values.iter().take(MOST_VALUES).cloned().map(Into::into).collect();
        if values.len() > MOST_VALUES {
            shown.push("…".into());
        }
        shown.into()
    }
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => start(text).into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(float) => number(*float),
        Value::List(List::Integers(integers)) => list(integers),
        Value::List(List::Floats(floats)) => list(&floats.iter().map(|float| number(*float)).collect::<Vec<_>>()),
        Value::List(List::Texts(texts)) => list(&texts.iter().map(|text| start(text)).collect::<Vec<_>>()),
        Value::Other(name) => format!("({name})").into(),
    }
}

/// A number; NaN and infinities, which JSON lacks, as texts.
fn number(float: f64) -> serde_json::Value {
    serde_json::Number::from_f64(float).map_or_else(|| float.to_string().into(), Into::into)
}

fn start(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
