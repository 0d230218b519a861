//! The log of a run as a table: a row a step, with the losses and the primary metrics of the evaluators.

use std::collections::BTreeMap;

use colburn_model::card::markdown::{escape, table};
use serde_json::Value;

use super::results::{EvaluatorInfo, short};
use crate::record::{LogEntry, TrainerState};
use crate::scalars::scalar;

/// More rows are folded away, as in sentence-transformers.
const OPEN: usize = 100;

/// A longer log is shown in part: a card is to be read.
const MOST: usize = 1000;

const TRAINING_LOSS: &str = "Training Loss";
const VALIDATION_LOSS: &str = "Validation Loss";

/// A step of the log.
struct Row {
    epoch: f64,
    step: u64,
    /// By the titles of their columns.
    values: BTreeMap<String, f64>,
}

/// `### Training Logs`; empty without any. The row of the step `best` stands out.
pub(super) fn section(evaluators: &[EvaluatorInfo], state: &TrainerState, best: Option<usize>) -> String {
    let mut columns: Vec<String> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for entry in &state.log_history {
        let values = values(evaluators, entry);
        if values.is_empty() {
            continue;
        }
        for (title, _) in &values {
            if !columns.contains(title) {
                columns.push(title.clone());
            }
        }
        let number = |key: &str| entry.get(key).and_then(Value::as_f64).unwrap_or_default();
        let (epoch, step) = (number("epoch"), number("step") as u64);
        match rows.last_mut().filter(|row| row.step == step) {
            Some(row) => row.values.extend(values),
            None => rows.push(Row { epoch, step, values: values.into_iter().collect() }),
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    // Losses first; beyond that, in the order in which they came.
    columns.sort_by_key(|title| match title.as_str() {
        TRAINING_LOSS => 0,
        VALIDATION_LOSS => 1,
        title if title.ends_with(" loss") => 2,
        _ => 3,
    });
    written(&columns, rows, best.map(|best| best as u64))
}

fn written(columns: &[String], rows: Vec<Row>, best: Option<u64>) -> String {
    let all = rows.len();
    let rows = thinned(rows, best);
    let left_out = if rows.len() < all { format!("{} of {all} rows.\n\n", rows.len()) } else { String::new() };
    let header: Vec<String> =
        ["Epoch", "Step"].map(String::from).into_iter().chain(columns.iter().map(|title| escape(title))).collect();
    let cells = |row: &Row| {
        let values = columns.iter().map(|title| row.values.get(title).map_or("-".to_owned(), |value| short(*value)));
        let cells = [short(row.epoch), row.step.to_string()].into_iter().chain(values);
        let bold = best == Some(row.step);
        cells.map(|cell| if bold { format!("**{cell}**") } else { cell }).collect::<Vec<_>>()
    };
    let mut text = table(&header, &rows.iter().map(cells).collect::<Vec<_>>());
    if best.is_some_and(|best| rows.iter().any(|row| row.step == best)) {
        text.push_str("\n* The bold row denotes the saved checkpoint.\n");
    }
    let text = format!("{left_out}{text}");
    if rows.len() > OPEN {
        return format!("\n### Training Logs\n\n<details><summary>Click to expand</summary>\n\n{text}\n</details>\n");
    }
    format!("\n### Training Logs\n\n{text}")
}

/// Every so many rows, and those with an evaluation in any case unless even they are too many.
fn thinned(rows: Vec<Row>, best: Option<u64>) -> Vec<Row> {
    if rows.len() <= MOST {
        return rows;
    }
    let evaluated = |row: &Row| row.values.keys().any(|title| title != TRAINING_LOSS);
    let keep_evaluated = rows.iter().filter(|row| evaluated(row)).count() <= MOST / 2;
    let every = rows.len().div_ceil(MOST / 2);
    let last = rows.len() - 1;
    let kept = |at: usize, row: &Row| {
        at.is_multiple_of(every) || at == last || best == Some(row.step) || (keep_evaluated && evaluated(row))
    };
    rows.into_iter().enumerate().filter(|(at, row)| kept(*at, row)).map(|(_, row)| row).collect()
}

/// The values of an entry of the log, with the titles of their columns.
fn values(evaluators: &[EvaluatorInfo], entry: &LogEntry) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for (key, value) in entry {
        let Some(value) = scalar(value) else { continue };
        let title = match key.as_str() {
            "loss" => Some(TRAINING_LOSS.to_owned()),
            "eval_loss" => Some(VALIDATION_LOSS.to_owned()),
            key if evaluators.iter().any(|evaluator| evaluator.primary.as_deref() == Some(key)) => None,
            key => key.strip_prefix("eval_").and_then(|key| key.strip_suffix("_loss")).map(|set| format!("{set} loss")),
        };
        values.extend(title.map(|title| (title, value)));
    }
    for primary in evaluators.iter().filter_map(|evaluator| evaluator.primary.as_ref()) {
        let title = primary.strip_prefix("eval_").unwrap_or(primary);
        let value = entry.get(primary).and_then(scalar);
        values.extend(value.map(|value| (title.to_owned(), value)));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunLimits;

    fn state(steps: usize) -> TrainerState {
        TrainerState::new(RunLimits { max_steps: steps, ..RunLimits::default() })
    }

    fn log(state: &mut TrainerState, step: usize, numbers: &[(&str, f64)]) {
        (state.global_step, state.epoch) = (step, step as f64 / 4.0);
        state.log(numbers.iter().map(|(key, number)| ((*key).to_owned(), *number)));
    }

    fn triplets() -> Vec<EvaluatorInfo> {
        vec![EvaluatorInfo { primary: Some("eval_accuracy".to_owned()), ..Default::default() }]
    }

    #[test]
    fn a_row_a_step_without_times() {
        let mut state = state(4);
        log(&mut state, 0, &[("eval_accuracy", 0.5), ("eval_runtime", 3.7)]);
        log(&mut state, 1, &[("loss", 2.0), ("grad_norm", 7.0), ("samples_per_second", 9.9)]);
        log(&mut state, 2, &[("loss", f64::NAN)]);
        log(
            &mut state,
            2,
            &[("eval_loss", 1.25), ("eval_kd_loss", 0.5), ("eval_accuracy", 0.75), ("eval_runtime", 3.7)],
        );
        log(&mut state, 2, &[("train_runtime", 99.0), ("train_loss", 1.0)]);
        let expected = "\n### Training Logs\n\n\
            | Epoch | Step | Training Loss | Validation Loss | kd loss | accuracy |\n\
            | :--- | :--- | :--- | :--- | :--- | :--- |\n\
            | 0.0000 | 0 | - | - | - | 0.5000 |\n\
            | 0.2500 | 1 | 2.0000 | - | - | - |\n\
            | 0.5000 | 2 | nan | 1.2500 | 0.5000 | 0.7500 |\n";
        assert_eq!(section(&triplets(), &state, None), expected);
        let best = section(&triplets(), &state, Some(1));
        assert!(best.contains("| **0.2500** | **1** | **2.0000** | **-** | **-** | **-** |\n"), "{best}");
        assert!(best.ends_with("\n* The bold row denotes the saved checkpoint.\n"), "{best}");
        assert_eq!(section(&triplets(), &self::state(4), None), "");
    }

    #[test]
    fn a_long_log_is_folded_and_a_very_long_one_thinned() {
        let long = |steps: usize| {
            let mut state = state(steps);
            for step in 1..=steps {
                log(&mut state, step, &[("loss", 1.0)]);
                if step % 1000 == 7 {
                    log(&mut state, step, &[("eval_accuracy", 0.5)]);
                }
            }
            section(&triplets(), &state, Some(steps - 3))
        };
        assert!(!long(OPEN).contains("<details>") && long(OPEN + 1).contains("<details>"));
        assert_eq!(long(MOST).lines().filter(|line| line.starts_with("| ")).count(), MOST + 2);
        let text = long(20_001);
        let rows = text.lines().filter(|line| line.starts_with("| ")).count() - 2;
        assert!((MOST / 2..=MOST).contains(&rows), "{rows}");
        assert!(text.contains(&format!("{rows} of 20001 rows.")), "{rows}");
        for step in ["| 7 |", "| 19007 |", "| 20001 |", "| **19998** |"] {
            assert!(text.contains(step), "{step}");
        }
    }
}
