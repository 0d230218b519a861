//! Going on from a checkpoint: which one, whether it is whole, and whether it is of this run.

use std::fs;
use std::path::{Path, PathBuf};

use colburn_model::ColBert;
use serde_json::{Map, Value};

use crate::checkpoint;
use crate::tally::Tally;
use crate::{Error, Result, ResumeFromCheckpoint, TrainerState, TrainingArguments, files, manifest};

/// The arguments that a run's numbers follow from. With others it goes on, but not as if it had not been disturbed.
const DECISIVE: [&str; 27] = [
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "dataloader_drop_last",
    "eval_delay",
    "eval_steps",
    "eval_strategy",
    "gradient_accumulation_steps",
    "learning_rate",
    "learning_rate_mapping",
    "logging_steps",
    "logging_strategy",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "max_grad_norm",
    "max_steps",
    "mini_batch_size",
    "multi_dataset_batch_sampler",
    "num_train_epochs",
    "per_device_eval_batch_size",
    "per_device_train_batch_size",
    "prompts",
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
        ResumeFromCheckpoint::From(path) => manifest::verify(path).map(|_| Some(path.clone())),
        ResumeFromCheckpoint::Last => newest(&args.output_dir).map(Some),
    }
}

/// The whole checkpoint that was written last. Damaged ones are named and left where they are.
fn newest(output_dir: &Path) -> Result<PathBuf> {
    let mut whole = Vec::new();
    let mut damaged = 0;
    for (step, path) in checkpoint::all(output_dir)? {
        match manifest::verify(&path) {
            Ok(manifest) => whole.push((manifest.written, step, path)),
            Err(error) => {
                tracing::warn!("{error}; it is passed over");
                damaged += 1;
            }
        }
    }
    let newest = whole.into_iter().max().map(|(_, _, path)| path);
    newest.ok_or_else(|| Error::NoCheckpoint { output_dir: output_dir.to_owned(), damaged })
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

/// Takes the lines of later steps out of the evaluators' CSV files: the run will write them again.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn rewind_csv(dir: &Path, step: usize) -> Result<()> {
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
        let Some(column) = text.lines().next().and_then(|header| header.split(',').position(|name| name == "steps"))
        else {
            continue;
        };
        let later = |line: &str| {
            let written = line.split(',').nth(column).and_then(|field| field.trim().parse::<i64>().ok());
            written.is_some_and(|written| written > step as i64)
        };
        let kept: String = text.split_inclusive('\n').filter(|line| !later(line)).collect();
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
        rewind_csv(&dir.path().join("nowhere"), 4).unwrap();
        let path = dir.path().join("triplet_evaluation_results.csv");
        fs::write(&path, "epoch,steps,accuracy\r\n0.0,0,0.5\r\n1.0,4,0.6\r\n2.0,8,0.7\r\n-1,-1,0.8\r\n").unwrap();
        fs::write(dir.path().join("notes.csv"), "a,b\r\n9,9\r\n").unwrap();
        rewind_csv(dir.path(), 4).unwrap();
        let kept = "epoch,steps,accuracy\r\n0.0,0,0.5\r\n1.0,4,0.6\r\n-1,-1,0.8\r\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
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
        assert!(find(&named).unwrap_err().to_string().contains("checkpoint-5: it has no manifest.json"));
        assert_eq!(
            find(&TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::No, ..args }).unwrap(),
            None
        );
    }
}
