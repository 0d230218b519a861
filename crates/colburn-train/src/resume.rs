//! Going on from a checkpoint: which one, whether it is whole, and whether it is of this run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use colburn_model::ColBert;
use serde_json::{Map, Value};

use crate::checkpoint;
use crate::tally::Tally;
use crate::{Error, LogEntry, Result, ResumeFromCheckpoint, TrainerState, TrainingArguments, files, manifest};

/// The arguments that a run's numbers follow from. With others it goes on, but not as if it had not been disturbed.
const DECISIVE: [&str; 32] = [
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "dataloader_drop_last",
    "eval_delay",
    "eval_steps",
    "eval_strategy",
    "gradient_accumulation_steps",
    "greater_is_better",
    "learning_rate",
    "learning_rate_mapping",
    "logging_first_step",
    "logging_nan_inf_filter",
    "logging_steps",
    "logging_strategy",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "max_grad_norm",
    "max_steps",
    "metric_for_best_model",
    "mini_batch_size",
    "multi_dataset_batch_sampler",
    "num_train_epochs",
    "per_device_eval_batch_size",
    "per_device_train_batch_size",
    "prompts",
    "save_strategy",
    "seed",
    "train_sampling_strategy",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
];

/// Where a run goes on.
pub(crate) struct Resumed {
    pub path: PathBuf,
    pub model: ColBert,
    pub state: TrainerState,
    pub tally: Tally,
}

/// The checkpoint that the arguments ask for, if they ask for one: the one that they name, or else the newest whole one in `output_dir`.
///
/// # Errors
/// When the one that was named is damaged, or when there is none.
pub(crate) fn find(args: &TrainingArguments) -> Result<Option<PathBuf>> {
    match &args.resume_from_checkpoint {
        ResumeFromCheckpoint::No => Ok(None),
        ResumeFromCheckpoint::From(path) => manifest::verify(path).map(|()| Some(path.clone())),
        ResumeFromCheckpoint::Last => newest(&args.output_dir).map(Some),
    }
}

/// The whole checkpoint that was written last. Damaged ones are named and left where they are; older ones are not read.
fn newest(output_dir: &Path) -> Result<PathBuf> {
    let mut all: Vec<_> = checkpoint::all(output_dir)?
        .into_iter()
        .map(|(step, path)| (manifest::read(&path).map_or(u64::MAX, |manifest| manifest.written), step, path))
        .collect();
    all.sort();
    let mut damaged = 0;
    for (_, _, path) in all.into_iter().rev() {
        match manifest::verify(&path) {
            Ok(()) => return Ok(path),
            Err(error) => {
                tracing::warn!("{error}; it is passed over");
                damaged += 1;
            }
        }
    }
    Err(Error::NoCheckpoint { output_dir: output_dir.to_owned(), damaged })
}

/// Takes the output folder back to where the checkpoint was written: evaluations after it will be made again, and a rotation that did not
/// come about is made up for. Gives the steps of the run's checkpoints.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn rewind(args: &TrainingArguments, path: &Path, state: &TrainerState) -> Result<BTreeSet<usize>> {
    let at = |entry: &&LogEntry| entry.get("step").and_then(Value::as_u64) == Some(state.global_step as u64);
    let evaluated = |entry: &&LogEntry| entry.contains_key("eval_runtime");
    let evaluations = state.log_history.iter().rev().take_while(at).filter(evaluated).count();
    rewind_csv(&args.output_dir.join("eval"), state.global_step, evaluations)?;
    let written: BTreeSet<usize> = checkpoint::all(&args.output_dir)?.into_iter().map(|(step, _)| step).collect();
    let at = checkpoint::path(&args.output_dir, state.global_step);
    if let (Some(limit), true) = (args.save_total_limit, at.file_name() == path.file_name() && at.exists()) {
        checkpoint::rotate(&args.output_dir, limit, &at, state.best_model_checkpoint.as_deref())?;
    }
    Ok(written.into_iter().filter(|step| *step <= state.global_step).collect())
}

impl Resumed {
    /// Reads what a checkpoint holds, but for the optimizer's state.
    ///
    /// # Errors
    /// When it cannot be read, or is of a run over other rows.
    pub fn load(path: PathBuf, model: &ColBert, args: &TrainingArguments, rows: &[usize]) -> Result<Self> {
        let wrong = |message: String| Error::Checkpoint { path: path.clone(), message };
        let state = TrainerState::load(&path)?;
        let Some(tally) = Tally::of(&state) else {
            return Err(wrong(
                "its trainer_state.json is not one of colburn, so the run cannot go on exactly".to_owned(),
            ));
        };
        if tally.rows != rows {
            let (then, now) = (listed(&tally.rows), listed(rows));
            return Err(wrong(format!("its run had {then} training rows, this one has {now}; give it the same data")));
        }
        let others = other_arguments(&path, args)?;
        if !others.is_empty() {
            let others = others.join(", ");
            tracing::warn!(
                "{} goes on with other arguments than it was made with ({others}), so not as if it had not been stopped",
                path.display()
            );
        }
        let model = ColBert::from_pretrained(&path, &model.device())?;
        Ok(Self { path, model, state, tally })
    }
}

fn listed(rows: &[usize]) -> String {
    rows.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ")
}

/// The arguments whose change means another run, as `key old -> new`.
fn other_arguments(path: &Path, args: &TrainingArguments) -> Result<Vec<String>> {
    let saved: Map<String, Value> = files::read_json(&path.join(checkpoint::ARGUMENTS))?;
    let now = serde_json::to_value(args).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    let value = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
    let differs = DECISIVE.iter().filter_map(|&key| {
        let (then, now) = (value(saved.get(key)), value(now.get(key)));
        (then != now).then(|| format!("{key} {then} -> {now}"))
    });
    Ok(differs.collect())
}

/// Takes what was written after a step out of the evaluators' CSV files. Of the step itself as many lines stay as there were evaluations
/// when the checkpoint was written. Only the end of a file is looked at: from the last line on, what is of a later step goes, whichever run
/// in this folder wrote it.
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
    fn later_lines_go_and_others_stay() {
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
        // sentence-transformers' retrieval evaluators end their lines otherwise.
        let path = dir.path().join("NanoBEIR_evaluation_mean_results.csv");
        fs::write(&path, "epoch,steps,MaxSim-NDCG@10\n0.5,2,0.5\n1.0,4,0.6\n2.0,8,0.7\n").unwrap();
        rewind_csv(dir.path(), 4, 1).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "epoch,steps,MaxSim-NDCG@10\n0.5,2,0.5\n1.0,4,0.6\n");
        assert_eq!(fs::read_to_string(dir.path().join("notes.csv")).unwrap(), "a,b\r\n9,9\r\n");
    }

    #[test]
    fn without_a_whole_checkpoint_there_is_none() {
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
}
