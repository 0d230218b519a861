//! The page of a run as its template shows it: title and status, the most important numbers, charts, tables.

use serde::Serialize;

use super::chart::{Axis, Chart, Style};
use super::format::{day_and_time, duration, number};
use super::series::{self, Series};
use super::tables::{self, Argument, DataRow, EvaluationTable, FactList, SkippedRow};
use crate::run::{Ending, RunContext};
use crate::scalars::scalar;

/// The number of metrics of evaluation that are shown at once; the rest is folded.
const SHOWN: usize = 6;

/// The status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It is running, or was when the page was written.
    Running,
    /// It has ended.
    Ended(Ending),
}

/// The values of `page.html`.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    version: &'static str,
    style: &'static str,
    script: &'static str,
    name: String,
    status: StatusLabel,
    written: String,
    model: String,
    tiles: Vec<Tile>,
    training: Vec<Chart>,
    evaluation: Option<Evaluation>,
    skipped: Vec<SkippedRow>,
    facts: [FactList; 2],
    data: Vec<DataRow>,
    changed_arguments: Vec<Argument>,
    all_arguments: Vec<Argument>,
}

#[derive(Debug, Serialize)]
struct StatusLabel {
    /// Its colour.
    class: &'static str,
    word: &'static str,
    running: bool,
}

/// A number that is seen at once.
#[derive(Debug, Serialize)]
struct Tile {
    name: &'static str,
    /// The first value, where the tile shows a change.
    first: Option<String>,
    value: String,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Evaluation {
    shown: Vec<Chart>,
    /// Those that are folded.
    more: Vec<Chart>,
    table: EvaluationTable,
}

impl Page {
    /// The page at a time; both times are seconds since 1970.
    pub fn new(run: RunContext<'_>, status: Status, started: f64, written: f64) -> Self {
        let history = &run.state.log_history;
        let training = series::training(history);
        let evaluation =
            series::evaluation(history, run.info.metric_for_best_model.as_deref(), &run.info.primary_metrics);
        let last = training.iter().chain(&evaluation).flat_map(|series| &series.points).map(|point| point.step);
        let steps = Axis::steps(last.fold(0.0, f64::max));
        let all_arguments = tables::arguments(&run.info.arguments, &run.info.default_arguments);
        let figure = |series: &Series| {
            let (wide, smooth) = (series.key == "loss", series.key != "learning_rate");
            Chart::new(series, &steps, Style { wide, smooth, best: None })
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            style: include_str!("page.css"),
            script: include_str!("page.js"),
            name: run.info.name(),
            status: status.label(),
            written: day_and_time(written),
            model: run.info.model.clone(),
            tiles: tiles(run, &training, &evaluation, written - started),
            training: training.iter().map(figure).collect(),
            evaluation: (!evaluation.is_empty()).then(|| Evaluation::new(run, &evaluation, &steps)),
            skipped: tables::skipped(history),
            facts: [tables::run_facts(run, started), tables::versions(&run.info.device)],
            data: tables::data(&run.info.train, &run.info.eval),
            changed_arguments: all_arguments.iter().filter(|argument| argument.changed).cloned().collect(),
            all_arguments,
        }
    }
}

impl Status {
    fn label(self) -> StatusLabel {
        let (class, word) = match self {
            Self::Running => ("going", "In progress"),
            Self::Ended(Ending::Finished) => ("finished", "Finished"),
            Self::Ended(Ending::Stopped) => ("stopped", "Stopped early"),
            Self::Ended(Ending::Interrupted) => ("stopped", "Interrupted"),
        };
        StatusLabel { class, word, running: self == Self::Running }
    }
}

impl Evaluation {
    fn new(run: RunContext<'_>, series: &[Series], steps: &Axis) -> Self {
        let best = run.state.best_global_step;
        let decides = run.info.metric_for_best_model.as_ref();
        let figure = |series: &Series| {
            let best = best.filter(|_| Some(&series.key) == decides).map(|step| step as f64);
            Chart::new(series, steps, Style { best, ..Style::default() })
        };
        let (shown, more) = series.split_at(series.len().min(SHOWN));
        Self {
            shown: shown.iter().map(figure).collect(),
            more: more.iter().map(figure).collect(),
            table: tables::evaluations(shown, best),
        }
    }
}

impl Tile {
    fn new(name: &'static str, value: String, notes: impl IntoIterator<Item = String>) -> Self {
        let notes = notes.into_iter().filter(|note| !note.is_empty()).collect();
        Self { name, first: None, value, notes }
    }

    /// A change from one value to another.
    fn change(name: &'static str, (first, last): (f64, f64), note: String) -> Self {
        Self { first: (first != last).then(|| number(first)), ..Self::new(name, number(last), [note]) }
    }
}

/// `elapsed` is the time of this process in seconds.
fn tiles(run: RunContext<'_>, training: &[Series], evaluation: &[Series], elapsed: f64) -> Vec<Tile> {
    let state = run.state;
    let of = |key: &str| state.log_history.iter().rev().find_map(|entry| scalar(entry.get(key)?));
    let epochs = run.info.num_train_epochs.map(|epochs| format!("of {}", number(epochs)));
    let mut tiles = vec![
        Tile::new("Steps", count(state.global_step), [format!("of {}", count(state.max_steps))]),
        Tile::new("Epochs", format!("{:.2}", state.epoch), epochs),
    ];
    if let Some(loss) = training.iter().find(|series| series.key == "loss") {
        let smooth = loss.smoothed();
        let mean = of("train_loss").map(|mean| format!("mean {}", number(mean)));
        let notes = [smooth.as_ref().map(|_| "smoothed".to_owned()), mean];
        if let Some(ends) = smooth.as_ref().unwrap_or(loss).ends() {
            tiles.push(Tile::change("Loss", ends, notes.into_iter().flatten().collect::<Vec<_>>().join("; ")));
        }
    }
    if let Some(best) = state.best_metric {
        let metric = run.info.metric_for_best_model.clone().unwrap_or_default();
        let step = state.best_global_step.map_or_else(String::new, |step| format!(" at step {}", count(step)));
        let metric = metric.strip_prefix("eval_").unwrap_or(&metric);
        let checkpoint = state.best_model_checkpoint.as_deref().map(last_part).unwrap_or_default();
        tiles.push(Tile::new("Best", number(best), [format!("{metric}{step}"), checkpoint]));
    } else if let Some(metric) = evaluation.iter().find(|series| !series.key.ends_with("loss")).or(evaluation.first())
        && let Some(ends) = metric.ends()
    {
        tiles.push(Tile::change("Evaluation", ends, series::title(&metric.key)));
    }
    tiles.push(Tile::new("Runtime", duration(of("train_runtime").unwrap_or(elapsed)), None));
    let rate = |unit: &str| {
        let series = training.iter().find(|series| series.key.ends_with("_per_second") && series.key.contains(unit))?;
        let values: Vec<f64> = series.finite().collect();
        Some(values.iter().sum::<f64>() / values.len().max(1) as f64)
    };
    // That of the whole run counts the time of evaluations too.
    let rows = rate("samples").or_else(|| rate("rows")).or_else(|| of("train_samples_per_second"));
    let rows = rows.map(|rows| format!("{} rows/s", number((10.0 * rows).round() / 10.0)));
    let tokens = rate("tokens").map(|tokens| format!("{} tokens/s", number(tokens.round())));
    let mut rates = rows.into_iter().chain(tokens);
    if let Some(first) = rates.next() {
        tiles.push(Tile::new("Speed", first, rates));
    }
    tiles
}

fn count(count: usize) -> String {
    number(count as f64)
}

fn last_part(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::*;
    use crate::testing::Run;
    use serde_json::json;

    fn html(run: &Run, status: Status) -> String {
        let (started, written) = (1_795_432_341.0, 1_795_432_415.0);
        template::render("page.html", &Page::new(run.context(), status, started, written)).unwrap()
    }

    fn finished(run: &Run) -> String {
        html(run, Status::Ended(Ending::Finished))
    }

    #[test]
    fn a_run_is_told() {
        let mut run = Run::new();
        run.info.metric_for_best_model = Some("eval_accuracy".to_owned());
        run.log(0, &[("eval_accuracy", 0.5), ("eval_runtime", 1.0)]);
        run.log(5, &[("loss", 3.0), ("learning_rate", 5e-6), ("rows_per_second", 41.25)]);
        run.log(10, &[("loss", 1.25), ("learning_rate", 0.0), ("rows_per_second", 43.25)]);
        run.log(10, &[("eval_accuracy", 0.875)]);
        run.log(10, &[("train_loss", 2.125), ("train_runtime", 74.2)]);
        (run.state.best_metric, run.state.best_global_step) = (Some(0.875), Some(10));
        run.state.best_model_checkpoint = Some("output/run/checkpoint-10".to_owned());
        let html = finished(&run);
        for expected in [
            "<h1>run</h1>",
            "<span class=\"status finished\">Finished</span>",
            "<h3>Steps</h3><p>10</p><span>of 10</span>",
            "<h3>Epochs</h3><p>1.00</p><span>of 1</span>",
            "<h3>Loss</h3><p><small>3 →</small> 1.25</p><span>mean 2.125</span>",
            "<h3>Best</h3><p>0.875</p><span>accuracy at step 10</span><span>checkpoint-10</span>",
            "<h3>Runtime</h3><p>1 min 14 s</p>",
            "<h3>Speed</h3><p>42.3 rows&#x2f;s</p>",
            "<h3>Training loss</h3>",
            "<h3>Learning rate</h3>",
            "<h3>accuracy</h3>",
            "best 0.875</b> at step 10",
            "1,234,567",
            "23 November 2026, 11:13 UTC",
        ] {
            assert!(html.contains(expected), "{expected} is missing");
        }
        assert!(!html.contains("eval_runtime") && !html.contains("Skipped"), "what is not of interest is not shown");
    }

    #[test]
    fn nothing_on_the_page_comes_from_elsewhere() {
        let html = finished(&Run::new());
        for foreign in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        assert!(html.contains("Nothing was logged."));
    }

    #[test]
    fn names_and_values_stay_text() {
        let mut run = Run::new();
        let hostile = "\"><script>alert('1')</script>";
        run.info.run_name = Some(hostile.to_owned());
        run.info.arguments.insert("run_name".to_owned(), json!(hostile));
        run.info.output_dir = hostile.into();
        run.info.metric_for_best_model = Some(hostile.to_owned());
        run.log(1, &[(&format!("eval_{hostile}"), 1.0), (hostile, 2.0), (&format!("skipped_{hostile}"), 1.0)]);
        (run.state.best_metric, run.state.best_model_checkpoint) = (Some(1.0), Some(hostile.to_owned()));
        let info = &mut run.info;
        (info.model, info.device, info.loss) = (hostile.to_owned(), hostile.to_owned(), vec![hostile.to_owned()]);
        (info.train[0].name, info.train[0].description) = (hostile.to_owned(), hostile.to_owned());
        let html = html(&run, Status::Ended(Ending::Interrupted));
        assert_eq!(html.matches("<script").count(), 1, "that of the page");
        assert!(!html.contains(hostile) && !html.contains("alert('1')"));
        assert!(html.contains("Skipped steps") && html.contains("Interrupted"));
    }

    #[test]
    fn few_metrics_are_shown_and_all_are_there() {
        let mut run = Run::new();
        let names: Vec<String> = (0..20).map(|metric| format!("eval_metric_{metric:02}")).collect();
        let numbers: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.5)).collect();
        run.log(5, &numbers);
        run.info.primary_metrics = vec!["metric_17".to_owned()];
        let html = html(&run, Status::Running);
        assert!(html.contains("14 more metrics") && html.contains("In progress</span><span>as of 23 "));
        assert_eq!(html.matches("<figure").count(), 20);
        let (evaluations, _) = html.split_once("</thead>").unwrap();
        assert!(evaluations.ends_with("<th>metric_03</th><th>metric_04</th></tr>"), "the primary metric comes first");
        assert!(evaluations.contains("<th>epoch</th><th>metric_17</th><th>metric_00</th>"));
    }

    #[test]
    fn arguments_that_are_not_the_default_come_first() {
        let mut run = Run::new();
        let defaults = json!({"learning_rate": 5e-5, "run_name": null, "seed": 42});
        let arguments = json!({"learning_rate": 3e-6, "run_name": "first", "seed": 42});
        run.info.default_arguments = defaults.as_object().unwrap().clone();
        run.info.arguments = arguments.as_object().unwrap().clone();
        let html = finished(&run);
        let (_, table) = html.split_once("<h2>Arguments").unwrap();
        let (changed, all) = table.split_once("<details>").unwrap();
        assert_eq!(changed.matches("<tr").count(), 3, "{changed}");
        assert!(changed.contains("<code>learning_rate</code></th><td>3e-6</td><td>5e-5</td>"), "{changed}");
        assert!(changed.contains("<code>run_name</code></th><td>first</td><td>–</td>"), "{changed}");
        assert!(all.contains("<tr><th scope=\"row\"><code>seed</code></th><td>42</td><td>42</td>"), "{all}");
        assert_eq!(all.matches("class=\"changed\"").count(), 2);
    }

    #[test]
    fn skipped_steps_are_listed() {
        let mut run = Run::new();
        run.log(1, &[("loss", 1.0), ("skipped_steps", 0.0)]);
        assert!(!finished(&run).contains("Skipped steps</h2>"));
        run.log(7, &[("skipped_steps", 2.0)]);
        run.log(8, &[("loss", 1.0)]);
        let html = finished(&run);
        let (_, skipped) = html.split_once("Skipped steps</h2>").unwrap();
        let (skipped, _) = skipped.split_once("</table>").unwrap();
        assert_eq!(skipped.matches("<th scope=\"row\">").count(), 1);
        assert!(skipped.contains("<th scope=\"row\">7</th><td>skipped steps: 2</td>"), "{skipped}");
    }
}
