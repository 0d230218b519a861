//! The page of a run: title and state, the numbers that matter most, curves, and what the run was told.

use super::axis::{Axis, duration, number};
use super::chart::Chart;
use super::curves::{self, Curve};
use super::markup::Text;
use super::{Ending, RunFacts, host, scalar, tables};
use crate::Moment;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// So many metrics of evaluation are shown at once; the rest is one click away.
const SHOWN: usize = 6;

/// Where the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It goes on, or did when the page was written.
    Going,
    /// It is over.
    Ended(Ending),
}

/// What the page is made from.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub now: Moment<'a>,
    pub facts: &'a RunFacts,
    pub status: Status,
    /// Seconds since 1970.
    pub started: f64,
    /// Seconds since 1970.
    pub written: f64,
}

impl Page<'_> {
    /// The whole file.
    pub fn html(&self) -> String {
        let name = self.now.args.run_name();
        let history = &self.now.state.log_history;
        let decides = self.now.args.metric_for_best_model();
        let training = curves::training(history);
        let evaluation = curves::evaluation(history, decides.as_deref());
        let last = training.iter().chain(&evaluation).flat_map(|curve| &curve.points).map(|point| point.step);
        let steps = Axis::steps(last.fold(0.0, f64::max));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"generator\" content=\"colburn {version}\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; img-src data:\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             {header}{tiles}{training}{evaluation}{tables}{footer}</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
            version = env!("CARGO_PKG_VERSION"),
            title = Text(&name),
            header = self.header(&name),
            tiles = self.tiles(&training, &evaluation),
            training = training_section(&training, &steps),
            evaluation = self.evaluation_section(&evaluation, &steps),
            tables = tables::all(self),
            footer = self.footer(),
        )
    }

    fn header(&self, name: &str) -> String {
        let (class, word, as_of) = match self.status {
            Status::Going => ("going", "In progress", "as of "),
            Status::Ended(Ending::Finished) => ("finished", "Finished", ""),
            Status::Ended(Ending::Stopped) => ("stopped", "Stopped early", ""),
            Status::Ended(Ending::Interrupted) => ("stopped", "Interrupted", ""),
        };
        let model = match self.facts.model.as_str() {
            "" => String::new(),
            model => format!("<span class=\"from\">from <code>{}</code></span>", Text(model)),
        };
        format!(
            "<header>\n<p class=\"over\">colburn training report</p>\n<h1>{}</h1>\n\
             <p class=\"meta\"><span class=\"status {class}\">{word}</span><span>{as_of}{}</span>{model}</p>\n</header>\n",
            Text(name),
            day_and_time(self.written),
        )
    }

    fn tiles(&self, training: &[Curve], evaluation: &[Curve]) -> String {
        let state = self.now.state;
        let of = |key: &str| state.log_history.iter().rev().find_map(|entry| scalar(entry.get(key)?));
        let epochs = match self.now.args.max_steps {
            -1 => format!("of {}", number(self.now.args.num_train_epochs)),
            _ => String::new(),
        };
        let mut tiles = vec![
            Tile::new("Steps", grouped(state.global_step), format!("of {}", grouped(state.max_steps))),
            Tile::new("Epochs", format!("{:.2}", state.epoch), epochs),
        ];
        if let Some(loss) = training.iter().find(|curve| curve.key == "loss") {
            let smooth = loss.smoothed();
            let mean = of("train_loss").map(|mean| format!("mean {}", number(mean)));
            let notes = [smooth.as_ref().map(|_| "smoothed".to_owned()), mean];
            if let Some((first, last)) = smooth.as_ref().unwrap_or(loss).ends() {
                let notes = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
                tiles.push(Tile::new("Loss", from_to(first, last), notes));
            }
        }
        if let Some(best) = state.best_metric {
            let metric = self.now.args.metric_for_best_model().unwrap_or_default();
            let step = state.best_global_step.map_or_else(String::new, |step| format!(" at step {}", grouped(step)));
            let metric = metric.strip_prefix("eval_").unwrap_or(&metric).to_owned();
            let tile = Tile::new("Best", number(best), format!("{metric}{step}"));
            tiles.push(tile.with(state.best_model_checkpoint.as_deref().map(last_part).unwrap_or_default()));
        } else if let Some(metric) = evaluation.iter().find(|curve| !curve.key.ends_with("loss")).or(evaluation.first())
            && let Some((first, last)) = metric.ends()
        {
            tiles.push(Tile::new("Evaluation", from_to(first, last), curves::title(&metric.key)));
        }
        let runtime = of("train_runtime").unwrap_or(self.written - self.started);
        tiles.push(Tile::new("Runtime", duration(runtime), String::new()));
        let rate = |unit: &str| {
            let curve = training.iter().find(|curve| curve.key.ends_with("_per_second") && curve.key.contains(unit))?;
            let values: Vec<f64> = curve.finite().collect();
            Some(values.iter().sum::<f64>() / values.len().max(1) as f64)
        };
        // That of the whole run counts the time of evaluations too.
        let rows = rate("samples").or_else(|| rate("rows")).or_else(|| of("train_samples_per_second"));
        let tokens = rate("tokens").map(|tokens| format!("{} tokens/s", number(tokens.round())));
        match (rows, tokens) {
            (Some(rows), tokens) => {
                let rows = format!("{} rows/s", number((10.0 * rows).round() / 10.0));
                tiles.push(Tile::new("Speed", rows, tokens.unwrap_or_default()));
            }
            (None, Some(tokens)) => tiles.push(Tile::new("Speed", tokens, String::new())),
            (None, None) => {}
        }
        format!("<section class=\"tiles\">\n{}</section>\n", tiles.iter().map(Tile::html).collect::<String>())
    }

    fn evaluation_section(&self, curves: &[Curve], steps: &Axis) -> String {
        if curves.is_empty() {
            return String::new();
        }
        let state = self.now.state;
        let decides = self.now.args.metric_for_best_model();
        let figure = |curve: &Curve| {
            let best = state.best_global_step.filter(|_| Some(&curve.key) == decides.as_ref());
            Chart { curve, wide: false, smooth: false, best: best.map(|step| step as f64) }.figure(steps)
        };
        let (shown, more) = curves.split_at(curves.len().min(SHOWN));
        let mut section = format!(
            "<section>\n<h2>Evaluation</h2>\n<div class=\"charts\">\n{}</div>\n",
            shown.iter().map(figure).collect::<String>()
        );
        if !more.is_empty() {
            section += &format!(
                "<details><summary>{} more metrics</summary>\n<div class=\"charts\">\n{}</div>\n</details>\n",
                more.len(),
                more.iter().map(figure).collect::<String>()
            );
        }
        section + &tables::evaluations(shown, state.best_global_step) + "</section>\n"
    }

    fn footer(&self) -> String {
        format!(
            "<footer><p>Written by colburn {} on {}. Every logged number in full precision: <code>trainer_state.json</code>.</p></footer>\n",
            env!("CARGO_PKG_VERSION"),
            day_and_time(self.written),
        )
    }
}

fn training_section(curves: &[Curve], steps: &Axis) -> String {
    if curves.is_empty() {
        return "<section>\n<h2>Training</h2>\n<p class=\"none\">Nothing was logged.</p>\n</section>\n".to_owned();
    }
    let figure = |curve: &Curve| {
        let (wide, smooth) = (curve.key == "loss", curve.key != "learning_rate");
        Chart { curve, wide, smooth, best: None }.figure(steps)
    };
    let figures: String = curves.iter().map(figure).collect();
    format!("<section>\n<h2>Training</h2>\n<div class=\"charts\">\n{figures}</div>\n</section>\n")
}

/// A number that is seen at once.
struct Tile {
    name: &'static str,
    value: String,
    notes: Vec<String>,
}

impl Tile {
    fn new(name: &'static str, value: String, note: String) -> Self {
        Self { name, value, notes: vec![note] }
    }

    fn with(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    fn html(&self) -> String {
        let notes = self.notes.iter().filter(|note| !note.is_empty());
        let notes: String = notes.map(|note| format!("<span>{}</span>", Text(note))).collect();
        format!("<div><h3>{}</h3><p>{}</p>{notes}</div>\n", self.name, self.value)
    }
}

fn from_to(first: f64, last: f64) -> String {
    if first == last {
        return number(last);
    }
    format!("<small>{} →</small> {}", number(first), number(last))
}

fn grouped(count: usize) -> String {
    number(count as f64)
}

fn last_part(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// `23 November 2026, 11:12 UTC`
pub(super) fn day_and_time(seconds: f64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let host::Date { year, month, day, hour, minute, .. } = host::date(seconds);
    let month = MONTHS.get(month as usize - 1).unwrap_or(&"");
    format!("{day} {month} {year}, {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Run, facts};
    use super::*;
    use crate::TrainingArguments;

    fn html(run: &Run, status: Status) -> String {
        let (started, written) = (1_795_432_341.0, 1_795_432_415.0);
        Page { now: run.now(), facts: &facts(), status, started, written }.html()
    }

    fn finished(run: &Run) -> String {
        html(run, Status::Ended(Ending::Finished))
    }

    #[test]
    fn a_run_is_told() {
        let mut run = Run::new();
        run.args.metric_for_best_model = Some("accuracy".to_owned());
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
            "<h3>Speed</h3><p>42.3 rows/s</p>",
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
        run.args =
            TrainingArguments { run_name: Some(hostile.to_owned()), output_dir: hostile.into(), ..run.args.clone() };
        run.args.metric_for_best_model = Some(hostile.to_owned());
        run.log(1, &[(&format!("eval_{hostile}"), 1.0), (hostile, 2.0), (&format!("skipped_{hostile}"), 1.0)]);
        (run.state.best_metric, run.state.best_model_checkpoint) = (Some(1.0), Some(hostile.to_owned()));
        let mut facts = facts();
        (facts.model, facts.device, facts.loss) = (hostile.to_owned(), hostile.to_owned(), vec![hostile.to_owned()]);
        (facts.train[0].name, facts.train[0].description) = (hostile.to_owned(), hostile.to_owned());
        let status = Status::Ended(Ending::Interrupted);
        let page = Page { now: run.now(), facts: &facts, status, started: 0.0, written: 0.0 };
        let html = page.html();
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
        let html = html(&run, Status::Going);
        assert!(html.contains("14 more metrics") && html.contains("In progress</span><span>as of 23 "));
        assert_eq!(html.matches("<figure").count(), 20);
    }
}
