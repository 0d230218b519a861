//! The results of the evaluators for the weights of a card: tables for people, and names and numbers for the hub.

use std::fmt::Write as _;

use colburn_eval::Evaluator;
use colburn_model::card::EvalResult;
use colburn_model::card::markdown::{escape, listed, table};

use crate::record::{LogEntry, TrainerState};
use crate::scalars::scalar;

/// The prefix of the metrics of an evaluation in the log.
const PREFIX: &str = "eval_";

/// The separator between the name of a collection and the metric.
const SCORE: &str = "_MaxSim_";

/// An evaluator as a card shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluatorInfo {
    pub(super) description: String,
    pub(super) metrics: Vec<Metric>,
    /// The key in the log of the metric that matters most.
    pub(super) primary: Option<String>,
}

/// A metric of an evaluator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    /// Its name in the log.
    key: String,
    /// The dataset that it was measured on, where that has a name.
    dataset: Option<String>,
    /// Its name without that.
    name: String,
}

/// The results in a card.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub section: String,
    pub metrics: Vec<String>,
    pub results: Vec<EvalResult>,
}

impl EvaluatorInfo {
    /// The description, the metrics and the primary metric of an evaluator.
    pub fn new(evaluator: &dyn Evaluator) -> Self {
        let name = evaluator.name();
        let metrics = evaluator.metrics().into_iter().map(|metric| Metric::new(metric, &name)).collect();
        Self { description: evaluator.description(), metrics, primary: evaluator.primary_metric().map(logged) }
    }
}

impl Metric {
    fn new(metric: String, evaluator: &str) -> Self {
        let of_evaluator = metric.strip_prefix(evaluator).and_then(|rest| rest.strip_prefix('_'));
        let (dataset, name) = match (metric.rfind(SCORE), of_evaluator) {
            (Some(at), _) => (Some(metric[..at].to_owned()), metric[at + 1..].to_owned()),
            (None, Some(rest)) if !evaluator.is_empty() => (Some(evaluator.to_owned()), rest.to_owned()),
            _ => (None, metric.clone()),
        };
        Self { key: logged(metric), dataset, name }
    }
}

fn logged(metric: String) -> String {
    if metric.starts_with(PREFIX) { metric } else { format!("{PREFIX}{metric}") }
}

/// The results for the weights of a step, from the last evaluation up to there.
pub(super) fn results(evaluators: &[EvaluatorInfo], state: &TrainerState, step: usize) -> Results {
    let mut found = Results::default();
    let (mut tables, mut evaluated) = (String::new(), None);
    for group in grouped(evaluators) {
        let Some(entry) = last_evaluation(&group, state, step) else { continue };
        evaluated = evaluated.max(at(entry));
        let metrics = || group.iter().flat_map(|one| &one.metrics);
        for metric in metrics() {
            let Some(value) = value(entry, metric) else { continue };
            let Metric { dataset, name, .. } = metric.clone();
            if !found.metrics.contains(&name) {
                found.metrics.push(name.clone());
            }
            found.results.push(EvalResult { task: group[0].description.clone(), dataset, metric: name, value });
        }
        tables.push_str(&group_table(&group, entry));
    }
    if let Some(evaluated) = evaluated {
        let note = format!(
            "Measured at step {evaluated}, the last evaluation before the weights were saved at step {step}.\n\n"
        );
        let note = if evaluated == step as u64 { "" } else { note.as_str() };
        found.section = format!("## Evaluation\n\n{note}### Metrics\n{tables}");
    }
    found
}

/// Groups of evaluators that measure the same on several datasets; a group is one table, with a column for each dataset.
fn grouped(evaluators: &[EvaluatorInfo]) -> Vec<Vec<&EvaluatorInfo>> {
    let mut groups: Vec<Vec<&EvaluatorInfo>> = Vec::new();
    let datasets = |one: &EvaluatorInfo| one.metrics.iter().map(|metric| metric.dataset.clone()).collect::<Vec<_>>();
    let names = |one: &EvaluatorInfo| one.metrics.iter().map(|metric| metric.name.clone()).collect::<Vec<_>>();
    for one in evaluators {
        let alike = |group: &&mut Vec<&EvaluatorInfo>| {
            let own = datasets(one);
            let apart = own
                .iter()
                .all(|dataset| dataset.is_some() && !group.iter().any(|other| datasets(other).contains(dataset)));
            apart && group[0].description == one.description && names(group[0]) == names(one)
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

fn last_evaluation<'a>(group: &[&EvaluatorInfo], state: &'a TrainerState, step: usize) -> Option<&'a LogEntry> {
    let has =
        |entry: &&LogEntry| group.iter().flat_map(|one| &one.metrics).any(|metric| entry.contains_key(&metric.key));
    state.log_history.iter().rev().filter(|entry| at(entry).is_some_and(|at| at <= step as u64)).find(has)
}

fn at(entry: &LogEntry) -> Option<u64> {
    entry.get("step")?.as_u64()
}

fn value(entry: &LogEntry, metric: &Metric) -> Option<f64> {
    scalar(entry.get(&metric.key)?)
}

/// A number as the tables of a card show it.
pub(super) fn short(number: f64) -> String {
    if number.is_finite() { format!("{number:.4}") } else { "nan".to_owned() }
}

/// A heading, and a table of metrics by datasets. The rows that matter most are bold.
fn group_table(group: &[&EvaluatorInfo], entry: &LogEntry) -> String {
    let metrics: Vec<&Metric> = group.iter().flat_map(|one| &one.metrics).collect();
    let (mut datasets, mut names): (Vec<Option<&str>>, Vec<&str>) = (Vec::new(), Vec::new());
    for metric in &metrics {
        let dataset = metric.dataset.as_deref();
        if !datasets.contains(&dataset) {
            datasets.push(dataset);
        }
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    let primary = |name: &str| {
        let primaries = group.iter().filter_map(|one| one.primary.as_ref());
        primaries.into_iter().any(|primary| metrics.iter().any(|metric| metric.key == *primary && metric.name == name))
    };
    let mut text = format!("\n#### {}\n\n", escape(&group[0].description));
    let shown: Vec<String> = datasets.iter().flatten().map(|dataset| escape(dataset)).collect();
    if !shown.is_empty() {
        let several = if shown.len() > 1 { "s" } else { "" };
        let _ = write!(text, "* Dataset{several}: {}\n\n", listed(&shown));
    }
    let title = |dataset: &Option<&str>| match dataset {
        Some(dataset) if datasets.len() > 1 => escape(dataset),
        _ => "Value".to_owned(),
    };
    let header: Vec<String> = std::iter::once("Metric".to_owned()).chain(datasets.iter().map(title)).collect();
    let row = |name: &&str| {
        let values = datasets.iter().map(|dataset| {
            let metric = metrics.iter().find(|metric| metric.dataset.as_deref() == *dataset && metric.name == *name);
            metric.and_then(|metric| value(entry, metric)).map_or("-".to_owned(), short)
        });
        let cells = std::iter::once(escape(name)).chain(values);
        cells.map(|cell| if primary(name) { format!("**{cell}**") } else { cell }).collect::<Vec<_>>()
    };
    text.push_str(&table(&header, &names.iter().map(row).collect::<Vec<_>>()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunLimits;

    fn of(description: &str, evaluator: &str, metrics: &[&str], primary: &str) -> EvaluatorInfo {
        let metrics = metrics.iter().map(|metric| Metric::new((*metric).to_owned(), evaluator)).collect();
        EvaluatorInfo { description: description.to_owned(), metrics, primary: Some(logged(primary.to_owned())) }
    }

    fn state(entries: &[(usize, &[(&str, f64)])]) -> TrainerState {
        let mut state = TrainerState::new(RunLimits { max_steps: 10, ..RunLimits::default() });
        for (step, numbers) in entries {
            state.global_step = *step;
            state.log(numbers.iter().map(|(key, number)| ((*key).to_owned(), *number)));
        }
        state
    }

    #[test]
    fn the_evaluation_of_the_saved_weights_counts() {
        let evaluators = [of("Triplet", "", &["accuracy"], "accuracy")];
        let state =
            state(&[(0, &[("eval_accuracy", 0.5)]), (4, &[("eval_accuracy", 0.75)]), (8, &[("eval_accuracy", 0.6)])]);
        let table = |value: &str| format!("| Metric | Value |\n| :--- | :--- |\n| **accuracy** | **{value}** |\n");
        let at = |step: usize| results(&evaluators, &state, step);
        assert_eq!(at(8).section, format!("## Evaluation\n\n### Metrics\n\n#### Triplet\n\n{}", table("0.6000")));
        assert!(at(4).section.ends_with(&table("0.7500")));
        let between = at(6);
        assert!(
            between
                .section
                .contains("Measured at step 4, the last evaluation before the weights were saved at step 6.")
        );
        assert_eq!((between.metrics, between.results[0].value), (vec!["accuracy".to_owned()], 0.75));
        assert_eq!(results(&evaluators, &self::state(&[]), 6).section, "");
        assert_eq!(results(&[], &state, 6).section, "");
    }

    #[test]
    fn collections_are_columns() {
        let metrics = ["NanoA_MaxSim_map@100", "NanoA_MaxSim_ndcg@10", "mean_MaxSim_map@100", "mean_MaxSim_ndcg@10"];
        let evaluators = [of("NanoBEIR", "mean", &metrics, "mean_MaxSim_ndcg@10")];
        let logged = metrics.map(|metric| format!("eval_{metric}"));
        let values: Vec<(&str, f64)> = logged.iter().map(String::as_str).zip([0.1, 0.2, 0.3, f64::NAN]).collect();
        let found = results(&evaluators, &state(&[(3, &values)]), 3);
        let table = "* Datasets: NanoA and mean\n\n| Metric | NanoA | mean |\n| :--- | :--- | :--- |\n\
            | MaxSim_map@100 | 0.1000 | 0.3000 |\n| **MaxSim_ndcg@10** | **0.2000** | **nan** |\n";
        assert!(found.section.ends_with(table), "{}", found.section);
        assert_eq!(found.metrics, ["MaxSim_map@100", "MaxSim_ndcg@10"]);
        assert_eq!(found.results.len(), 4);
    }

    #[test]
    fn evaluators_of_one_kind_share_a_table() {
        let evaluators = [
            of("Triplet", "a", &["a_accuracy"], "a_accuracy"),
            of("Triplet", "b", &["b_accuracy"], "b_accuracy"),
            of("Triplet", "", &["accuracy"], "accuracy"),
        ];
        let groups = grouped(&evaluators);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let state = state(&[(1, &[("eval_a_accuracy", 0.1), ("eval_b_accuracy", 0.2), ("eval_accuracy", 0.3)])]);
        let section = results(&evaluators, &state, 1).section;
        assert!(
            section
                .contains("| Metric | a | b |\n| :--- | :--- | :--- |\n| **accuracy** | **0.1000** | **0.2000** |\n"),
            "{section}"
        );
        assert!(section.contains("| Metric | Value |\n| :--- | :--- |\n| **accuracy** | **0.3000** |\n"), "{section}");
    }
}
