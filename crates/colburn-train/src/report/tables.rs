//! The tables of the page: evaluations, what was skipped, the run, its data, its arguments, versions.

use serde_json::{Map, Value};

use super::axis::number;
use super::curves::{self, Curve};
use super::markup::Text;
use super::page::{Page, day_and_time};
use super::{DataFacts, arguments, scalar};
use crate::tally::Tally;
use crate::{LogEntry, TrainingArguments};

/// The version of Burn that this crate asks for; a test holds it to the manifest.
const BURN: &str = "0.22.1";

/// So many names are listed in a line.
const MOST_LISTED: usize = 12;

/// All tables but that of the evaluations.
pub(super) fn all(page: &Page<'_>) -> String {
    let (state, facts) = (page.now.state, page.facts);
    let tally = Tally::of(state).unwrap_or_default();
    let run = [
        ("Model", facts.model.clone()),
        ("Parameters", counted(facts.parameters)),
        ("Loss", facts.loss.join("\n")),
        ("Metrics", listed(&facts.evaluators)),
        ("Output", page.now.args.output_dir.display().to_string()),
        ("Started", day_and_time(page.started)),
        ("Tokens seen", counted(state.num_input_tokens_seen)),
        ("Skipped steps", counted(tally.skipped)),
        ("Mini-batch", tally.mini_batch_size.map_or_else(String::new, |size| format!("{size} texts, found by trial"))),
    ];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let versions = [
        ("colburn", env!("CARGO_PKG_VERSION").to_owned()),
        ("burn", BURN.to_owned()),
        ("System", format!("{} {}, {threads} threads", std::env::consts::OS, std::env::consts::ARCH)),
        ("Device", facts.device.clone()),
    ];
    let data = data(&facts.train, &facts.eval);
    let pair = format!("<div class=\"pair\">{}{}</div>\n", facts_of("Run", &run), facts_of("Versions", &versions));
    skipped(&state.log_history) + &pair + &data + &arguments_table(page.now.args)
}

/// The metrics that are shown as curves, a line for each evaluation.
pub(super) fn evaluations(curves: &[Curve], best: Option<usize>) -> String {
    let mut steps: Vec<(f64, f64)> =
        curves.iter().flat_map(|curve| &curve.points).map(|point| (point.step, point.epoch)).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    steps.dedup_by_key(|(step, _)| *step);
    let head: String = curves.iter().map(|curve| format!("<th>{}</th>", Text(&curves::title(&curve.key)))).collect();
    let cell = |curve: &Curve, step: f64| {
        let found = curve.points.iter().rev().find(|point| point.step == step);
        format!("<td>{}</td>", found.map_or_else(String::new, |point| number(point.value)))
    };
    let row = |(step, epoch): &(f64, f64)| {
        let mark = if best == Some(*step as usize) { " class=\"best\"" } else { "" };
        let cells: String = curves.iter().map(|curve| cell(curve, *step)).collect();
        format!("<tr{mark}><th scope=\"row\">{}</th><td>{epoch:.2}</td>{cells}</tr>\n", number(*step))
    };
    format!(
        "<details{}><summary>All evaluations</summary>\n<div class=\"scroll\"><table class=\"numbers\">\
         <thead><tr><th>step</th><th>epoch</th>{head}</tr></thead>\n<tbody>\n{}</tbody></table></div></details>\n",
        if steps.len() <= 12 { " open" } else { "" },
        steps.iter().map(row).collect::<String>()
    )
}

/// Steps that the log says were skipped: its keys that begin with `skipped`.
fn skipped(history: &[LogEntry]) -> String {
    let row = |entry: &LogEntry| -> Option<String> {
        let step = entry.get("step").and_then(scalar).unwrap_or_default();
        let said: Vec<String> = entry
            .iter()
            .filter(|(key, value)| key.starts_with("skipped") && scalar(value) != Some(0.0))
            .map(|(key, value)| format!("{}: {}", Text(&key.replace('_', " ")), Text(&plain(value))))
            .collect();
        let row = format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", number(step), said.join(", "));
        (!said.is_empty()).then_some(row)
    };
    let rows: String = history.iter().filter_map(row).collect();
    match rows.as_str() {
        "" => String::new(),
        rows => format!(
            "<section>\n<h2>Skipped steps</h2>\n<div class=\"scroll\"><table class=\"skipped\"><thead><tr><th>step</th><th></th></tr></thead>\n\
             <tbody>\n{rows}</tbody></table></div>\n</section>\n"
        ),
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

fn facts_of(title: &str, facts: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| {
        let value = Text(value).to_string().replace('\n', "<br>");
        format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n")
    };
    let rows: String = facts.iter().filter(|(_, value)| !value.is_empty()).map(row).collect();
    format!("<section>\n<h2>{title}</h2>\n<table class=\"facts\"><tbody>\n{rows}</tbody></table>\n</section>\n")
}

fn data(train: &[DataFacts], eval: &[DataFacts]) -> String {
    let row = |use_: &'static str| {
        move |data: &DataFacts| {
            let name = if data.name.is_empty() { String::new() } else { format!("<b>{}</b> ", Text(&data.name)) };
            let (description, rows) = (Text(&data.description), number(data.rows as f64));
            format!("<tr><th scope=\"row\">{use_}</th><td>{name}{description}</td><td>{rows}</td></tr>\n")
        }
    };
    let rows: String = train.iter().map(row("train")).chain(eval.iter().map(row("eval"))).collect();
    match rows.as_str() {
        "" => String::new(),
        rows => format!(
            "<section>\n<h2>Data</h2>\n<div class=\"scroll\"><table class=\"data\"><thead><tr><th></th><th>dataset</th>\
             <th>rows</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n</section>\n"
        ),
    }
}

/// Those that are not the default, and behind a click all of them.
fn arguments_table(args: &TrainingArguments) -> String {
    let (given, defaults) = (arguments(args), arguments(&TrainingArguments::default()));
    let changed = |key: &str| given.get(key) != defaults.get(key);
    let row = |(key, value): (&String, &Value)| {
        let default = defaults.get(key).unwrap_or(&Value::Null);
        let mark = if changed(key) { " class=\"changed\"" } else { "" };
        let (key, value, default) = (Text(key), plain(value), plain(default));
        let (value, default) = (Text(&value), Text(&default));
        format!("<tr{mark}><th scope=\"row\"><code>{key}</code></th><td>{value}</td><td>{default}</td></tr>\n")
    };
    let table = |rows: String| {
        format!(
            "<div class=\"scroll\"><table class=\"arguments\"><thead><tr><th>argument</th><th>value</th><th>default</th></tr></thead>\n\
             <tbody>\n{rows}</tbody></table></div>\n"
        )
    };
    let some: String = given.iter().filter(|(key, _)| changed(key)).map(row).collect();
    let all: String = given.iter().map(row).collect();
    format!(
        "<section>\n<h2>Arguments <small>that are not the default</small></h2>\n{}\
         <details><summary>All {} arguments</summary>\n{}</details>\n</section>\n",
        table(some),
        given.len(),
        table(all)
    )
}

/// A value as one writes it: texts without quotes, nothing as a dash.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "–".to_owned(),
        Value::Object(values) if values.is_empty() => "–".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(values) => object(values),
        Value::Number(number) => match number.as_f64() {
            Some(small) if small != 0.0 && small.abs() < 1e-3 => format!("{small:e}"),
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(value) => value.to_string(),
    }
}

fn object(values: &Map<String, Value>) -> String {
    values.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect::<Vec<_>>().join(", ")
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
    fn arguments_that_are_not_the_default_come_first() {
        let args = TrainingArguments { learning_rate: 3e-6, run_name: Some("first".to_owned()), ..Default::default() };
        let table = arguments_table(&args);
        let (changed, all) = table.split_once("<details>").unwrap();
        assert_eq!(changed.matches("<tr").count(), 3, "{changed}");
        assert!(changed.contains("<code>learning_rate</code></th><td>3e-6</td><td>5e-5</td>"), "{changed}");
        assert!(changed.contains("<code>run_name</code></th><td>first</td><td>–</td>"), "{changed}");
        assert!(all.contains("<tr><th scope=\"row\"><code>seed</code></th><td>42</td><td>42</td>"), "{all}");
        assert_eq!(all.matches("class=\"changed\"").count(), 2);
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

    #[test]
    fn skipped_steps_are_listed() {
        let log: Vec<LogEntry> = serde_json::from_value(json!([
            {"loss": 1.0, "skipped_steps": 0, "step": 1}, {"skipped_steps": 2, "step": 7}, {"loss": 1.0, "step": 8}
        ]))
        .unwrap();
        assert_eq!(skipped(&log).matches("<th scope=\"row\">").count(), 1);
        assert!(skipped(&log).contains("<th scope=\"row\">7</th><td>skipped steps: 2</td>"));
        assert_eq!(skipped(&log[..1]), "");
    }
}
