//! `checkpoint-N`: everything that a run needs to resume from step N, in a folder that is complete or absent.
//!
//! The folder has the layout of a model, so it loads like any model. It also holds `optimizer.safetensors`, `scheduler.json`,
//! `trainer_state.json`, `training_args.json`, and in `manifest.json` the version of the format and the checksums of all files. The position in the
//! data needs no file: it follows from the step. The folder is written under a temporary name, synced to the disk, and renamed; the remains of a
//! killed run begin with `.tmp-`.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use colburn_model::ColBert;
use colburn_report::TrainerState;
use serde_json::json;

use super::{files, manifest};
use crate::{Error, LearningRate, Optimizer, Result, TrainingArguments};

const PREFIX: &str = "checkpoint-";
const LEFTOVER: &str = ".tmp-checkpoint-";
/// The extension of a checkpoint that is being replaced.
const OLD: &str = "old";

/// The file with the state of the optimizer.
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";
/// The file with the learning rates.
pub(crate) const SCHEDULER: &str = "scheduler.json";
/// The file with the arguments of the run.
pub(crate) const ARGUMENTS: &str = "training_args.json";

/// The files that are not part of the model.
#[cfg(feature = "hub")]
pub(crate) const TRAINING_FILES: [&str; 4] = [OPTIMIZER, SCHEDULER, manifest::NAME, colburn_report::TRAINER_STATE_NAME];

/// The contents of a checkpoint.
pub(crate) struct Checkpoint<'a> {
    /// The model, without autodiff.
    pub model: &'a ColBert,
    /// The optimizer, for its state.
    pub optimizer: &'a dyn Optimizer,
    /// The learning rates, and the step of theirs that comes next.
    pub schedule: &'a dyn LearningRate,
    pub schedule_step: usize,
    /// The state of the run.
    pub state: &'a TrainerState,
    /// The arguments of the run.
    pub args: &'a TrainingArguments,
    /// The model card, if one is wanted.
    pub card: Option<&'a str>,
}

/// The folder of the checkpoint of a step.
pub(crate) fn path(output_dir: &Path, step: usize) -> PathBuf {
    output_dir.join(format!("{PREFIX}{step}"))
}

/// All checkpoints in a folder, with their steps, complete or not; none if the folder does not exist.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn all(output_dir: &Path) -> Result<Vec<(usize, PathBuf)>> {
    if !output_dir.exists() {
        return Ok(Vec::new());
    }
    let step = |name: &str| name.strip_prefix(PREFIX).and_then(|step| step.parse().ok());
    Ok(folders(output_dir)?.into_iter().filter_map(|(name, folder)| Some((step(&name)?, folder.path()))).collect())
}

impl Checkpoint<'_> {
    /// Writes `checkpoint-N` into `output_dir`, where N is the step of the state. An existing one is replaced.
    ///
    /// # Errors
    /// When a file cannot be written, or the model has weights that are not finite. Then nothing is left of it, and earlier checkpoints stay.
    pub fn save(&self, output_dir: &Path) -> Result<PathBuf> {
        let path = path(output_dir, self.state.global_step);
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
        self.model.save_pretrained_with(dir, self.card)?;
        self.optimizer.save(self.model, &dir.join(OPTIMIZER))?;
        let step = self.schedule_step;
        let scheduler = json!({"schedule": self.schedule.describe(), "step": step, "rate": self.schedule.rate(step)});
        files::write_json(&dir.join(SCHEDULER), &scheduler)?;
        files::write_json(&dir.join(ARGUMENTS), self.args)?;
        self.state.save(dir)?;
        manifest::write(dir)?;
        files::sync_tree(dir)
    }
}

/// Renames a finished folder to its final name. When that fails, the folder that had the name gets it back.
fn replace(path: &Path, temporary: &Path) -> Result<()> {
    let old = temporary.with_extension(OLD);
    let replaced = path.exists();
    if replaced {
        fs::rename(path, &old).map_err(Error::io(path))?;
    }
    if let Err(error) = fs::rename(temporary, path) {
        if replaced {
            // The error that is reported is the one that came first; the next run tries this again.
            let _ = fs::rename(&old, path);
        }
        return Err(Error::io(path)(error));
    }
    if replaced {
        files::discard(&old);
    }
    files::sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Removes the oldest checkpoints until at most `limit` are left; `newest` and the best one always stay. The age is the time of writing in the
/// manifest: in a folder that was used before, the checkpoints of the earlier run are removed first, whatever their steps are.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn rotate(output_dir: &Path, limit: usize, newest: &Path, best: Option<&str>) -> Result<()> {
    let best = best.and_then(|best| Path::new(best).file_name());
    let mut others = Vec::new();
    let mut kept = 1;
    for (step, path) in all(output_dir)? {
        if path == newest {
            continue;
        }
        if path.file_name() == best {
            kept += 1;
            continue;
        }
        // A folder without a manifest is the rest of a removed checkpoint, or was not written by colburn.
        others.push((manifest::written(&path).unwrap_or(0), step, path));
    }
    others.sort();
    let surplus = (others.len() + kept).saturating_sub(limit);
    for (_, _, path) in others.iter().take(surplus) {
        // Renamed first, so that a run that is killed in between leaves no incomplete checkpoint.
        let leftover = files::temporary_sibling(path);
        fs::rename(path, &leftover).map_err(Error::io(path))?;
        files::discard(&leftover);
    }
    Ok(())
}

/// Removes the incomplete folders of a killed run, and restores a checkpoint that was about to be replaced.
///
/// # Errors
/// When the folder cannot be read, or the checkpoint cannot be restored.
pub(crate) fn remove_leftovers(output_dir: &Path) -> Result<()> {
    for (name, folder) in folders(output_dir)?.into_iter().filter(|(name, _)| name.starts_with(LEFTOVER)) {
        let leftover = folder.path();
        match replaced(&name).map(|name| output_dir.join(name)) {
            Some(path) if !path.exists() => fs::rename(&leftover, &path).map_err(Error::io(&leftover))?,
            _ => files::discard(&leftover),
        }
    }
    Ok(())
}

/// The name of the checkpoint that a leftover of [`replace`] holds.
fn replaced(leftover: &str) -> Option<&str> {
    let name = leftover.strip_prefix(files::TEMPORARY)?.strip_suffix(OLD)?.strip_suffix('.')?;
    name.rsplit_once('-').map(|(name, _process)| name)
}

/// The folders in a folder, with their names.
fn folders(dir: &Path) -> Result<Vec<(String, DirEntry)>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        if entry.file_type().map_err(Error::io(entry.path()))?.is_dir() {
            folders.push((entry.file_name().to_string_lossy().into_owned(), entry));
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join(name), "").unwrap();
        }
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = folders(dir).unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_go_by_the_time_of_writing() {
        let written = ["checkpoint-1000", "checkpoint-5", "checkpoint-005", "checkpoint-10", "checkpoint-x", "eval"];
        let dir = folder(&written);
        // The first one has lost its manifest, as one does whose removal was cut short.
        for (time, name) in written.iter().enumerate().skip(1) {
            let manifest = format!("{{\"written\": {time}, \"files\": {{}}}}");
            fs::write(dir.path().join(name).join("manifest.json"), manifest).unwrap();
        }
        let rotate = |limit: usize, newest: &str| {
            rotate(dir.path(), limit, &dir.path().join(newest), Some("elsewhere/checkpoint-0")).unwrap();
            names(dir.path())
        };
        assert_eq!(rotate(4, "checkpoint-10").len(), written.len());
        assert_eq!(
            rotate(3, "checkpoint-10"),
            ["checkpoint-005", "checkpoint-10", "checkpoint-5", "checkpoint-x", "eval"]
        );
        assert_eq!(rotate(2, "checkpoint-5"), ["checkpoint-10", "checkpoint-5", "checkpoint-x", "eval"]);
        assert_eq!(rotate(1, "checkpoint-5"), ["checkpoint-5", "checkpoint-x", "eval"]);
    }

    #[test]
    fn the_best_stays() {
        let dir = folder(&["checkpoint-1", "checkpoint-2", "checkpoint-3", "checkpoint-4"]);
        let rotate = |limit: usize| {
            rotate(dir.path(), limit, &dir.path().join("checkpoint-4"), Some("before/checkpoint-1")).unwrap();
            names(dir.path()).len()
        };
        assert_eq!((rotate(3), rotate(1)), (3, 2));
        assert_eq!(names(dir.path()), ["checkpoint-1", "checkpoint-4"]);
    }

    #[test]
    fn leftovers_go() {
        let dir = folder(&[".tmp-checkpoint-5-123", ".tmp-checkpoint-5-123.old", "checkpoint-5"]);
        remove_leftovers(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["checkpoint-5"]);
        assert!(dir.path().join("checkpoint-5/checkpoint-5").exists());
    }

    #[test]
    fn a_checkpoint_that_was_not_replaced_is_restored() {
        let dir = folder(&[".tmp-checkpoint-5-123", ".tmp-checkpoint-5-123.old"]);
        remove_leftovers(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["checkpoint-5"]);
        assert!(dir.path().join("checkpoint-5/.tmp-checkpoint-5-123.old").exists());

        let path = dir.path().join("checkpoint-5");
        let message = replace(&path, &dir.path().join(".tmp-checkpoint-5-1")).unwrap_err().to_string();
        assert!(message.contains("checkpoint-5: "), "{message}");
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
