//! Resuming from a checkpoint: the choice of the checkpoint, and the comparison of the run with the one that wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_report::card::NamedExamples;
use colburn_report::{LogEntry, TrainerState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::loop_state::LoopState;
use crate::arguments::decisive::DECISIVE;
use crate::checkpoint::{files, folder, manifest};
use crate::data::datasets::Datasets;
use crate::{Error, Result, ResumeFromCheckpoint, TrainingArguments};

/// The state of a run at its checkpoint, except for the state of the optimizer.
pub(crate) struct Resumed {
    pub path: PathBuf,
    pub model: ColBert,
    pub state: TrainerState,
    pub loop_state: LoopState,
}

/// The datasets and losses of a run as its checkpoints describe them.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunInputs {
    #[serde(default)]
    datasets: Vec<DatasetInput>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DatasetInput {
    /// `train` or `eval`.
    split: String,
    name: String,
    rows: usize,
    /// See [`Examples::fingerprint`].
    fingerprint: String,
    loss: String,
    loss_settings: BTreeMap<String, String>,
}

impl DatasetInput {
    /// The name as the end of a phrase; nothing for the only dataset.
    fn of_name(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" of {}", self.name) }
    }
}

impl RunInputs {
    /// Reads a sample of the rows of each dataset.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn new(datasets: &Datasets) -> Result<Self> {
        let of = |split: &'static str, sets: &[NamedExamples], losses: &[Arc<dyn Loss>]| {
            let input = |(named, loss): (&NamedExamples, &Arc<dyn Loss>)| -> Result<DatasetInput> {
                let settings = loss.settings().into_iter().map(|(key, value)| (key.to_owned(), value));
                Ok(DatasetInput {
                    split: split.to_owned(),
                    name: named.name.clone(),
                    rows: named.examples.rows().unwrap_or(0),
                    fingerprint: named.examples.fingerprint()?,
                    loss: loss.name().to_owned(),
                    loss_settings: settings.collect(),
                })
            };
            sets.iter().zip(losses).map(input).collect::<Result<Vec<_>>>()
        };
        let losses = datasets.losses();
        let (of_train, of_eval) = losses.split_at(datasets.train.len());
        let mut all = of("train", &datasets.train, of_train)?;
        all.extend(of("eval", &datasets.eval, of_eval)?);
        Ok(Self { datasets: all })
    }

    /// The differences from the inputs in a checkpoint, which has none in format version 1.
    fn changes_from(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if earlier.datasets.is_empty() {
            return changes;
        }
        let is = |one: &DatasetInput, other: &DatasetInput| one.split == other.split && one.name == other.name;
        for then in earlier.datasets.iter().filter(|then| !self.datasets.iter().any(|now| is(now, then))) {
            changes.push(format!("{} data{} removed", then.split, then.of_name()));
        }
        for now in &self.datasets {
            let of = now.of_name();
            let Some(then) = earlier.datasets.iter().find(|then| is(now, then)) else {
                changes.push(format!("{} data{of} added", now.split));
                continue;
            };
            if now.fingerprint != then.fingerprint {
                changes.push(format!("rows of the {} data{of}", now.split));
            }
            if now.loss != then.loss {
                changes.push(format!("{} loss{of} {} -> {}", now.split, then.loss, now.loss));
                continue;
            }
            let keys: BTreeSet<&String> = now.loss_settings.keys().chain(then.loss_settings.keys()).collect();
            for key in keys {
                let (old, new) = (then.loss_settings.get(key), now.loss_settings.get(key));
                if old != new {
                    let shown = |value: Option<&String>| value.map_or("none", |value| value).to_owned();
                    changes.push(format!("{key} of the {} loss{of} {} -> {}", now.split, shown(old), shown(new)));
                }
            }
        }
        changes
    }
}

/// The checkpoint that the arguments ask for, if any: the one that they name, or else the newest complete one in `output_dir`.
///
/// # Errors
/// When a named checkpoint is damaged, when there is none, or when its format is newer than this code.
pub(crate) fn find(args: &TrainingArguments) -> Result<Option<PathBuf>> {
    match &args.resume_from_checkpoint {
        ResumeFromCheckpoint::No => Ok(None),
        ResumeFromCheckpoint::From(path) => manifest::verify(path).map(|()| Some(path.clone())),
        ResumeFromCheckpoint::Last => newest(&args.output_dir).map(Some),
    }
}

/// The complete checkpoint that was written last. Damaged ones are a warning and stay where they are.
fn newest(output_dir: &Path) -> Result<PathBuf> {
    let mut all: Vec<_> = folder::all(output_dir)?
        .into_iter()
        .map(|(step, path)| (manifest::written(&path).unwrap_or(u64::MAX), step, path))
        .collect();
    all.sort();
    let mut damaged = 0;
    for (_, _, path) in all.into_iter().rev() {
        match manifest::verify(&path) {
            Ok(()) => return Ok(path),
            // An older checkpoint in its place would lose the steps since then.
            Err(error @ Error::CheckpointVersion { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!("{error}; it is skipped");
                damaged += 1;
            }
        }
    }
    Err(Error::NoCheckpoint { output_dir: output_dir.to_owned(), damaged })
}

/// Sets the output folder back to the time of the checkpoint: later lines of the evaluators' CSV files are removed, because they will be written again, and
/// a rotation that the run did not finish is finished. Returns the steps of the run's checkpoints.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn rewind(args: &TrainingArguments, path: &Path, state: &TrainerState) -> Result<BTreeSet<usize>> {
    let at = |entry: &&LogEntry| entry.get("step").and_then(Value::as_u64) == Some(state.global_step as u64);
    let evaluated = |entry: &&LogEntry| entry.contains_key("eval_runtime");
    let evaluations = state.log_history.iter().rev().take_while(at).filter(evaluated).count();
    rewind_csv(&args.output_dir.join("eval"), state.global_step, evaluations)?;
    let written: BTreeSet<usize> = folder::all(&args.output_dir)?.into_iter().map(|(step, _)| step).collect();
    let at = folder::path(&args.output_dir, state.global_step);
    if let (Some(limit), true) = (args.save_total_limit, at.file_name() == path.file_name() && at.exists()) {
        folder::rotate(&args.output_dir, limit, &at, state.best_model_checkpoint.as_deref())?;
    }
    Ok(written.into_iter().filter(|step| *step <= state.global_step).collect())
}

impl Resumed {
    /// Reads a checkpoint, and compares the run with it: changed arguments, losses or rows are a warning.
    ///
    /// # Errors
    /// When it cannot be read, when its training data has another number of rows, or when `model` differs from its model in token ids or shapes.
    pub fn load(path: PathBuf, model: &ColBert, args: &TrainingArguments, inputs: &RunInputs) -> Result<Self> {
        let wrong = |message: String| Error::Checkpoint { path: path.clone(), message };
        let state = TrainerState::load(&path)?;
        let loop_state = LoopState::read(&state)
            .map_err(|error| wrong(format!("the state of the loop in its trainer_state.json cannot be read: {error}")))?
            .ok_or_else(|| {
                wrong("its trainer_state.json was not written by colburn; a run of colburn is expected".into())
            })?;
        let rows = inputs.datasets.iter().filter(|dataset| dataset.split == "train").map(|dataset| dataset.rows);
        let rows: Vec<usize> = rows.collect();
        if loop_state.rows != rows {
            let (then, now) = (listed(&loop_state.rows), listed(&rows));
            return Err(wrong(format!("its run had {then} training rows, this one has {now}; give it the same data")));
        }
        let own = ColBert::from_pretrained(&path, &model.device())?;
        let differences = model.differences(&own)?;
        if !differences.is_empty() {
            return Err(wrong(format!(
                "its model is not that of this run: {} (here the model of this run, there that of the checkpoint); give the same `[model]`",
                differences.join("; ")
            )));
        }
        let mut changes = changed_arguments(&path, args)?;
        let earlier = LoopState::read_inputs(&state).map(RunInputs::deserialize).transpose();
        let earlier =
            earlier.map_err(|error| wrong(format!("the inputs in its trainer_state.json cannot be read: {error}")))?;
        changes.extend(inputs.changes_from(&earlier.unwrap_or_default()));
        if !changes.is_empty() {
            tracing::warn!(
                "resumed with changed arguments ({}); results will differ from an uninterrupted run",
                changes.join(", ")
            );
        }
        Ok(Self { path, model: own, state, loop_state })
    }
}

fn listed(rows: &[usize]) -> String {
    rows.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ")
}

/// The decisive arguments that differ from those in the checkpoint, as `key old -> new`. An argument that the checkpoint does not know had
/// its default value.
fn changed_arguments(path: &Path, args: &TrainingArguments) -> Result<Vec<String>> {
    let json = |args: &TrainingArguments| {
        serde_json::to_value(args).map_err(|source| Error::Json { path: path.to_owned(), source })
    };
    let saved: Map<String, Value> = files::read_json(&path.join(folder::ARGUMENTS))?;
    let (defaults, now) = (json(&TrainingArguments::default())?, json(args)?);
    let changes = DECISIVE.iter().filter_map(|&key| {
        let then = saved.get(key).unwrap_or(&defaults[key]);
        (*then != now[key]).then(|| format!("{key} {then} -> {}", now[key]))
    });
    Ok(changes.collect())
}

/// Removes the lines of later steps from the evaluators' CSV files. Of the step itself as many lines stay as there were evaluations
/// when the checkpoint was written. Lines are removed from the end of a file up to the last line of an earlier step, whichever run in this folder
/// wrote them.
fn rewind_csv(dir: &Path, step: usize, evaluations: usize) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(dir)(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let columns = lines.first().map(|header| header.trim_end().split(','));
        let Some(column) = columns.and_then(|mut names| names.position(|name| name == "steps")) else { continue };
        let step_of = |line: &&str| line.split(',').nth(column).and_then(|field| field.trim().parse::<i64>().ok());
        while lines.last().and_then(step_of).is_some_and(|written| written > step as i64) {
            lines.pop();
        }
        let of_step = lines.iter().rev().take_while(|line| step_of(line) == Some(step as i64)).count();
        lines.truncate(lines.len() - of_step.saturating_sub(evaluations));
        let kept = lines.concat();
        if kept != text {
            colburn_model::write_atomic(&path, kept.as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_are_removed_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        rewind_csv(&dir.path().join("nowhere"), 4, 1).unwrap();
        let path = dir.path().join("triplet_evaluation_results.csv");
        let before = "epoch,steps,accuracy\r\n9.0,9,0.1\r\n0.0,0,0.5\r\n";
        fs::write(&path, format!("{before}1.0,4,0.6\r\n1.0,4,0.6\r\n2.0,8,0.7\r\n3.0,12,0.8\r\n")).unwrap();
        fs::write(dir.path().join("notes.csv"), "a,b\r\n9,9\r\n").unwrap();
        for (evaluations, kept) in [(2, "1.0,4,0.6\r\n1.0,4,0.6\r\n"), (1, "1.0,4,0.6\r\n"), (0, "")] {
            rewind_csv(dir.path(), 4, evaluations).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{before}{kept}"));
        }
        // sentence-transformers' retrieval evaluators have other line endings.
        let path = dir.path().join("NanoBEIR_evaluation_mean_results.csv");
        fs::write(&path, "epoch,steps,MaxSim-NDCG@10\n0.5,2,0.5\n1.0,4,0.6\n2.0,8,0.7\n").unwrap();
        rewind_csv(dir.path(), 4, 1).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "epoch,steps,MaxSim-NDCG@10\n0.5,2,0.5\n1.0,4,0.6\n");
        assert_eq!(fs::read_to_string(dir.path().join("notes.csv")).unwrap(), "a,b\r\n9,9\r\n");
    }

    #[test]
    fn only_a_complete_checkpoint_is_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments {
            output_dir: dir.path().to_owned(),
            resume_from_checkpoint: ResumeFromCheckpoint::Last,
            ..Default::default()
        };
        assert!(find(&args).unwrap_err().to_string().contains("no checkpoint"));
        fs::create_dir(dir.path().join("checkpoint-5")).unwrap();
        assert!(find(&args).unwrap_err().to_string().contains("1 damaged"));
        let named = TrainingArguments {
            resume_from_checkpoint: ResumeFromCheckpoint::From(dir.path().join("checkpoint-5")),
            ..args.clone()
        };
        assert!(find(&named).unwrap_err().to_string().contains("checkpoint-5 cannot be used: it has no manifest.json"));
        assert_eq!(
            find(&TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::No, ..args }).unwrap(),
            None
        );
    }

    #[test]
    fn a_newer_checkpoint_is_not_skipped() {
        let dir = tempfile::tempdir().unwrap();
        for (name, manifest) in [
            ("checkpoint-5", r#"{"format_version": 2, "written": 5, "files": {}}"#),
            ("checkpoint-6", r#"{"format_version": 9, "written": 6, "files": {}}"#),
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join(manifest::NAME), manifest).unwrap();
        }
        let message = newest(dir.path()).unwrap_err().to_string();
        assert!(message.starts_with("checkpoint-6 has format version 9; "), "{message}");
    }

    #[test]
    fn changed_arguments_are_named_and_unknown_ones_had_their_default() {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments { learning_rate: 1e-3, ..Default::default() };
        let mut saved = serde_json::to_value(&args).unwrap();
        // an argument that the code which wrote the checkpoint did not have
        saved.as_object_mut().unwrap().remove("optim");
        files::write_json(&dir.path().join(folder::ARGUMENTS), &saved).unwrap();
        assert!(changed_arguments(dir.path(), &args).unwrap().is_empty());
        let changed = TrainingArguments { bf16: true, learning_rate: 2e-3, save_steps: 7.0, ..args };
        let changes = changed_arguments(dir.path(), &changed).unwrap();
        assert_eq!(changes, ["bf16 false -> true", "learning_rate 0.001 -> 0.002"]);
    }

    #[test]
    fn changed_losses_and_rows_are_named() {
        let input = |split: &str, fingerprint: &str, temperature: &str| DatasetInput {
            split: split.to_owned(),
            name: String::new(),
            rows: 8,
            fingerprint: fingerprint.to_owned(),
            loss: "contrastive".to_owned(),
            loss_settings: [("temperature".to_owned(), temperature.to_owned())].into(),
        };
        let now = RunInputs { datasets: vec![input("train", "a", "0.5"), input("eval", "b", "1.0")] };
        assert!(now.changes_from(&RunInputs::default()).is_empty(), "format version 1 has no inputs");
        assert!(now.changes_from(&now).is_empty());
        let other_loss = DatasetInput { loss: "distillation".to_owned(), ..input("eval", "c", "1.0") };
        let earlier = RunInputs { datasets: vec![input("train", "a", "1.0"), other_loss] };
        assert_eq!(
            now.changes_from(&earlier),
            [
                "temperature of the train loss 1.0 -> 0.5",
                "rows of the eval data",
                "eval loss distillation -> contrastive"
            ]
        );
        let named = DatasetInput { name: "old".to_owned(), ..input("eval", "b", "1.0") };
        let earlier = RunInputs { datasets: vec![input("train", "a", "0.5"), named] };
        assert_eq!(now.changes_from(&earlier), ["eval data of old removed", "eval data added"]);
    }
}
