//! The tables of the page: evaluations, skipped steps, the run, versions, data, arguments.

use serde::Serialize;
use serde_json::{Map, Value};

use super::format::{day_and_time, number};
use super::series::{self, Series};
use crate::record::LogEntry;
use crate::run::{DatasetInfo, RunContext};
use crate::scalars::scalar;

/// The version of Burn in this workspace's manifest; a test compares them.
const BURN: &str = "0.22.1";

/// The largest number of names in a line.
const MOST_LISTED: usize = 12;

/// The largest table of evaluations that is not folded.
const OPEN: usize = 12;

/// The metrics that are shown as charts, a row for each evaluation.
#[derive(Debug, Serialize)]
pub(super) struct EvaluationTable {
    /// True if it is not folded.
    open: bool,
    titles: Vec<String>,
    rows: Vec<EvaluationRow>,
}

#[derive(Debug, Serialize)]
struct EvaluationRow {
    step: String,
    epoch: String,
    /// True if it is that of the best checkpoint.
    best: bool,
    values: Vec<String>,
}

/// A step at which others had been skipped.
#[derive(Debug, Serialize)]
pub(super) struct SkippedRow {
    step: String,
    counts: String,
}

/// Facts under a title.
#[derive(Debug, Serialize)]
pub(super) struct FactList {
    title: &'static str,
    rows: Vec<Fact>,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    lines: Vec<String>,
}

/// A dataset.
#[derive(Debug, Serialize)]
pub(super) struct DataRow {
    /// `train` or `eval`.
    r#use: &'static str,
    name: String,
    description: String,
    rows: String,
}

/// An argument, its value and its default.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Argument {
    key: String,
    value: String,
    default: String,
    /// True if the value is not the default.
    pub changed: bool,
}

/// `best` is the step of the best checkpoint.
pub(super) fn evaluations(series: &[Series], best: Option<usize>) -> EvaluationTable {
    let mut steps: Vec<(f64, f64)> =
        series.iter().flat_map(|series| &series.points).map(|point| (point.step, point.epoch)).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    steps.dedup_by_key(|(step, _)| *step);
    let value = |series: &Series, step: f64| {
        let found = series.points.iter().rev().find(|point| point.step == step);
        found.map_or_else(String::new, |point| number(point.value))
    };
    let row = |(step, epoch): &(f64, f64)| EvaluationRow {
        step: number(*step),
        epoch: format!("{epoch:.2}"),
        best: best == Some(*step as usize),
        values: series.iter().map(|series| value(series, *step)).collect(),
    };
    EvaluationTable {
        open: steps.len() <= OPEN,
        titles: series.iter().map(|series| series::title(&series.key)).collect(),
        rows: steps.iter().map(row).collect(),
    }
}

/// The skipped steps of the log: its keys that begin with `skipped`.
pub(super) fn skipped(history: &[LogEntry]) -> Vec<SkippedRow> {
    let row = |entry: &LogEntry| {
        let step = entry.get("step").and_then(scalar).unwrap_or_default();
        let counts: Vec<String> = entry
            .iter()
            .filter(|(key, value)| key.starts_with("skipped") && scalar(value) != Some(0.0))
            .map(|(key, value)| format!("{}: {}", key.replace('_', " "), plain(value)))
            .collect();
        (!counts.is_empty()).then(|| SkippedRow { step: number(step), counts: counts.join(", ") })
    };
    history.iter().filter_map(row).collect()
}

/// The facts about the run; `started` is in seconds since 1970.
pub(super) fn run_facts(run: RunContext<'_>, started: f64) -> FactList {
    let mini_batch = run.mini_batch_size.map_or_else(String::new, |size| format!("{size} texts, found by trial"));
    FactList::new(
        "Run",
        [
            ("Model", run.info.model.clone()),
            ("Parameters", counted(run.info.parameters)),
            ("Loss", run.info.loss.join("\n")),
            ("Metrics", listed(&run.info.evaluators)),
            ("Output", run.info.output_dir.display().to_string()),
            ("Started", day_and_time(started)),
            ("Tokens seen", counted(run.state.num_input_tokens_seen)),
            ("Skipped steps", counted(run.skipped_steps)),
            ("Mini-batch", mini_batch),
        ],
    )
}

/// The versions of software and machine.
pub(super) fn versions(device: &str) -> FactList {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    FactList::new(
        "Versions",
        [
            ("colburn", env!("CARGO_PKG_VERSION").to_owned()),
            ("burn", BURN.to_owned()),
            ("System", format!("{} {}, {threads} threads", std::env::consts::OS, std::env::consts::ARCH)),
            ("Device", device.to_owned()),
        ],
    )
}

impl FactList {
    /// Facts by their names. Those that are empty are left out.
    fn new<const N: usize>(title: &'static str, facts: [(&'static str, String); N]) -> Self {
        let row = |(name, value): (&'static str, String)| Fact {
            name,
            lines: value.split('\n').map(str::to_owned).collect(),
        };
        Self { title, rows: facts.into_iter().filter(|(_, value)| !value.is_empty()).map(row).collect() }
    }
}

/// Nothing for 0.
fn counted(count: usize) -> String {
    if count == 0 { String::new() } else { number(count as f64) }
}

/// As many names as a reader reads.
fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(MOST_LISTED));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// The datasets, those of training first.
pub(super) fn data(train: &[DatasetInfo], eval: &[DatasetInfo]) -> Vec<DataRow> {
    let row = |r#use: &'static str| {
        move |data: &DatasetInfo| DataRow {
            r#use,
            name: data.name.clone(),
            description: data.description.clone(),
            rows: data.rows.map_or_else(|| "streamed".to_owned(), |rows| number(rows as f64)),
        }
    };
    train.iter().map(row("train")).chain(eval.iter().map(row("eval"))).collect()
}

/// All arguments beside their defaults.
pub(super) fn arguments(given: &Map<String, Value>, defaults: &Map<String, Value>) -> Vec<Argument> {
    let argument = |(key, value): (&String, &Value)| {
        let default = defaults.get(key);
        Argument {
            key: key.clone(),
            value: plain(value),
            default: plain(default.unwrap_or(&Value::Null)),
            changed: default != Some(value),
        }
    };
    given.iter().map(argument).collect()
}

/// A value without the marks of JSON: texts without quotes, nothing as a dash.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "–".to_owned(),
        Value::Object(values) if values.is_empty() => "–".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(values) => {
            values.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) => match number.as_f64() {
            Some(small) if small != 0.0 && small.abs() < 1e-3 => format!("{small:e}"),
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn burn_has_the_version_of_the_manifest() {
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains(&format!("\nburn = {{ version = \"={BURN}\"")));
    }

    #[test]
    fn values_are_written_plainly() {
        let found = [
            json!(null),
            json!([]),
            json!(["a", 1]),
            json!({"num_cycles": 0.5}),
            json!("x"),
            json!(1e-8),
            json!(0.25),
            json!(500.0),
        ];
        assert_eq!(found.each_ref().map(plain), ["–", "–", "a, 1", "num_cycles: 0.5", "x", "1e-8", "0.25", "500"]);
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..14).map(|name| format!("m{name}")).collect();
        assert_eq!(listed(&names[..2]), "m0, m1");
        assert!(listed(&names).ends_with("m11, and 2 more"));
        assert_eq!([counted(0), counted(12_345)], ["", "12,345"]);
    }
}
