//! `checkpoint-N`: all that a run needs to go on from step N, in a folder that is there whole or not at all.
//!
//! The folder is the model's own layout, so it loads like any model, and beside it `optimizer.safetensors`, `scheduler.json`,
//! `trainer_state.json` and `training_args.json`. The position in the data needs no file: it follows from the step. The folder is written
//! under a temporary name, handed to the disk, and renamed; what a killed run leaves behind begins with `.tmp-`.

use std::fs;
use std::path::{Path, PathBuf};

use colburn_model::ColBert;
use serde::Serialize;

use crate::{AdamW, Error, Result, Schedule, TrainerState, TrainingArguments, files};

const PREFIX: &str = "checkpoint-";
const LEFTOVER: &str = ".tmp-checkpoint-";

/// What goes into a checkpoint.
pub(crate) struct Checkpoint<'a> {
    /// The model, without autodiff.
    pub model: &'a ColBert,
    /// Its optimizer.
    pub optimizer: &'a AdamW,
    /// The learning rates.
    pub schedule: &'a Schedule,
    /// Where the run stands.
    pub state: &'a TrainerState,
    /// What it was told.
    pub args: &'a TrainingArguments,
}

/// `scheduler.json`.
#[derive(Serialize)]
struct SchedulerState<'a> {
    #[serde(flatten)]
    schedule: &'a Schedule,
    /// Steps taken.
    step: usize,
    /// The rate of the next step.
    rate: f64,
}

impl Checkpoint<'_> {
    /// Writes `checkpoint-N` into `output_dir`, N being the step of the state. One that is there already is replaced.
    ///
    /// # Errors
    /// When a file cannot be written; nothing is left then.
    pub fn save(&self, output_dir: &Path) -> Result<PathBuf> {
        let path = output_dir.join(format!("{PREFIX}{}", self.state.global_step));
        let temporary = files::temporary_sibling(&path);
        let saved = self.write(&temporary).and_then(|()| replace(&path, &temporary));
        if saved.is_err() {
            // The error that is reported is the one that came first.
            let _ = fs::remove_dir_all(&temporary);
        }
        saved.map(|()| path)
    }

    fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        self.model.save_pretrained(dir)?;
        self.optimizer.save(self.model, &dir.join("optimizer.safetensors"))?;
        let step = self.state.global_step;
        let scheduler = SchedulerState { schedule: self.schedule, step, rate: self.schedule.rate(step) };
        files::write_json(&dir.join("scheduler.json"), &scheduler)?;
        files::write_json(&dir.join("training_args.json"), self.args)?;
        self.state.save(dir)?;
        files::sync_tree(dir)
    }
}

/// Puts a finished folder in its place.
fn replace(path: &Path, temporary: &Path) -> Result<()> {
    let old = temporary.with_extension("old");
    if path.exists() {
        fs::rename(path, &old).map_err(Error::io(path))?;
    }
    fs::rename(temporary, path).map_err(Error::io(path))?;
    if old.exists() {
        fs::remove_dir_all(&old).map_err(Error::io(&old))?;
    }
    files::sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Removes the oldest checkpoints, by their step, until at most `limit` are left. The one of step `newest` stays in any case.
///
/// # Errors
/// When a folder cannot be read or removed.
pub(crate) fn rotate(output_dir: &Path, limit: usize, newest: usize) -> Result<()> {
    let mut steps = Vec::new();
    for name in entries(output_dir)? {
        steps.extend(name.strip_prefix(PREFIX).and_then(|step| step.parse::<usize>().ok()));
    }
    steps.retain(|&step| step != newest);
    steps.sort_unstable();
    for step in &steps[..(steps.len() + 1).saturating_sub(limit).min(steps.len())] {
        let path = output_dir.join(format!("{PREFIX}{step}"));
        fs::remove_dir_all(&path).map_err(Error::io(&path))?;
    }
    Ok(())
}

/// Removes what a killed run has left half written.
///
/// # Errors
/// When a folder cannot be read or removed.
pub(crate) fn remove_leftovers(output_dir: &Path) -> Result<()> {
    for name in entries(output_dir)?.into_iter().filter(|name| name.starts_with(LEFTOVER)) {
        let path = output_dir.join(name);
        fs::remove_dir_all(&path).map_err(Error::io(&path))?;
    }
    Ok(())
}

/// The names of the folders in a folder.
fn entries(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        if entry.file_type().map_err(Error::io(entry.path()))?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names = entries(dir).unwrap();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_go_by_their_step() {
        let dir = folder(&["checkpoint-5", "checkpoint-10", "checkpoint-100", "checkpoint-x", "eval"]);
        rotate(dir.path(), 2, 10).unwrap();
        assert_eq!(names(dir.path()), ["checkpoint-10", "checkpoint-100", "checkpoint-x", "eval"]);
        rotate(dir.path(), 5, 10).unwrap();
        rotate(dir.path(), 1, 10).unwrap();
        assert_eq!(names(dir.path()), ["checkpoint-10", "checkpoint-x", "eval"]);
    }

    #[test]
    fn leftovers_go() {
        let dir = folder(&[".tmp-checkpoint-5-123", ".tmp-checkpoint-5-123.old", "checkpoint-5"]);
        remove_leftovers(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["checkpoint-5"]);
    }

    #[test]
    fn a_folder_takes_the_place_of_the_old_one() {
        let dir = folder(&["checkpoint-5", ".tmp-checkpoint-5-1"]);
        let (path, temporary) = (dir.path().join("checkpoint-5"), dir.path().join(".tmp-checkpoint-5-1"));
        fs::write(path.join("old"), "").unwrap();
        fs::write(temporary.join("new"), "").unwrap();
        replace(&path, &temporary).unwrap();
        assert_eq!(names(dir.path()), ["checkpoint-5"]);
        assert!(path.join("new").exists() && !path.join("old").exists());
    }
}
