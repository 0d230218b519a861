//! `trainer_state.json`: the record of a run, its position and all that it has logged, in the form of transformers' `TrainerState`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use colburn_model::write_atomic;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The name of the file, in the output folder and in each checkpoint.
pub const TRAINER_STATE_NAME: &str = "trainer_state.json";

/// One entry of the log, keys to numbers: `loss`, `grad_norm`, `learning_rate`, `epoch` and `step` while training, `eval_…` after an
/// evaluation, `train_runtime`, `train_loss` and so on at the end.
pub type LogEntry = BTreeMap<String, Value>;

/// The extent of a run and the intervals of its events, in optimizer steps: what a record holds before the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// Optimizer steps of the whole run.
    pub max_steps: usize,
    /// Epochs that the run enters.
    pub num_train_epochs: usize,
    /// Steps between two logs.
    pub logging_steps: usize,
    /// Steps between two evaluations.
    pub eval_steps: usize,
    /// Steps between two checkpoints.
    pub save_steps: usize,
    /// Rows of a training batch.
    pub train_batch_size: usize,
}

/// The record of a run. The fields, their order in the file and their meaning are transformers'; numbers are written in full precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    /// The step with the best metric.
    pub best_global_step: Option<usize>,
    /// The best value of the metric that decides between models.
    pub best_metric: Option<f64>,
    /// The checkpoint that has it.
    pub best_model_checkpoint: Option<String>,
    /// Progress in epochs.
    pub epoch: f64,
    /// Steps between two evaluations.
    pub eval_steps: usize,
    /// Optimizer steps done.
    pub global_step: usize,
    /// Always false here.
    pub is_hyper_param_search: bool,
    /// Always true here: only this process writes the record.
    pub is_local_process_zero: bool,
    /// Always true here.
    pub is_world_process_zero: bool,
    /// All that was logged, oldest first.
    pub log_history: Vec<LogEntry>,
    /// Steps between two logs.
    pub logging_steps: usize,
    /// Optimizer steps of the whole run.
    pub max_steps: usize,
    /// Tokens of queries and documents that went through the model in training, without any padding.
    pub num_input_tokens_seen: usize,
    /// Epochs that the run enters.
    pub num_train_epochs: usize,
    /// Steps between two checkpoints.
    pub save_steps: usize,
    /// State of callbacks and reporters, by their name.
    pub stateful_callbacks: BTreeMap<String, Value>,
    /// Not counted: 0.
    pub total_flos: f64,
    /// Rows of a training batch.
    pub train_batch_size: usize,
    /// Always empty here.
    pub trial_name: Option<String>,
    /// Always empty here.
    pub trial_params: Option<Value>,
}

impl TrainerState {
    /// The record of a run before its first step.
    pub fn new(limits: RunLimits) -> Self {
        Self {
            best_global_step: None,
            best_metric: None,
            best_model_checkpoint: None,
            epoch: 0.0,
            eval_steps: limits.eval_steps,
            global_step: 0,
            is_hyper_param_search: false,
            is_local_process_zero: true,
            is_world_process_zero: true,
            log_history: Vec::new(),
            logging_steps: limits.logging_steps,
            max_steps: limits.max_steps,
            num_input_tokens_seen: 0,
            num_train_epochs: limits.num_train_epochs,
            save_steps: limits.save_steps,
            stateful_callbacks: BTreeMap::new(),
            total_flos: 0.0,
            train_batch_size: limits.train_batch_size,
            trial_name: None,
            trial_params: None,
        }
    }

    /// The record of a run that resumes from an earlier one: position, log and callbacks are those of the earlier record, limits are its own.
    #[must_use]
    pub fn resumed_from(self, earlier: Self) -> Self {
        Self {
            best_global_step: earlier.best_global_step,
            best_metric: earlier.best_metric,
            best_model_checkpoint: earlier.best_model_checkpoint,
            epoch: earlier.epoch,
            global_step: earlier.global_step,
            log_history: earlier.log_history,
            num_input_tokens_seen: earlier.num_input_tokens_seen,
            stateful_callbacks: earlier.stateful_callbacks,
            ..self
        }
    }

    /// Adds an entry to the log, with the epoch and the step that it belongs to.
    pub fn log(&mut self, numbers: impl IntoIterator<Item = (String, f64)>) -> &LogEntry {
        let mut entry: LogEntry = numbers.into_iter().map(|(key, number)| (key, Value::from(number))).collect();
        entry.insert("epoch".to_owned(), self.epoch.into());
        entry.insert("step".to_owned(), self.global_step.into());
        self.log_history.push(entry);
        &self.log_history[self.log_history.len() - 1]
    }

    /// Writes the record into `dir` as indented JSON with a final line break, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<()> {
        let path = dir.as_ref().join(TRAINER_STATE_NAME);
        let mut text = serde_json::to_vec_pretty(self).map_err(Error::json(&path))?;
        text.push(b'\n');
        Ok(write_atomic(&path, &text)?)
    }

    /// Saves the record of a run that ends with `error`, and returns that error. An error of saving is only a warning, because it must not
    /// hide the first one.
    pub fn save_after<E>(&self, error: E, dir: impl AsRef<Path>) -> E {
        if let Err(unsaved) = self.save(dir) {
            tracing::warn!("{unsaved}");
        }
        error
    }

    /// Reads the record in `dir`, one of this crate or of transformers.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        let path = dir.as_ref().join(TRAINER_STATE_NAME);
        let text = fs::read(&path).map_err(Error::io(&path))?;
        serde_json::from_slice(&text).map_err(Error::json(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The file that transformers 5.3 writes after 3 steps of a model with one parameter (values cut):
    //     Trainer(model=model, args=TrainingArguments(output_dir="out", gradient_accumulation_steps=3, logging_steps=1, …)).train()
    const FROM_TRANSFORMERS: &str = r#"{
      "best_global_step": null, "best_metric": null, "best_model_checkpoint": null, "epoch": 1.0, "eval_steps": 500, "global_step": 3,
      "is_hyper_param_search": false, "is_local_process_zero": true, "is_world_process_zero": true,
      "log_history": [{"epoch": 0.42857142857142855, "grad_norm": 0.6666666865348816, "learning_rate": 0.001, "loss": 4.0, "step": 1}],
      "logging_steps": 1, "max_steps": 3, "num_input_tokens_seen": 0, "num_train_epochs": 1, "save_steps": 2,
      "stateful_callbacks": {"TrainerControl": {"args": {"should_epoch_stop": false, "should_evaluate": false, "should_log": false,
        "should_save": true, "should_training_stop": true}, "attributes": {}}},
      "total_flos": 0.0, "train_batch_size": 1, "trial_name": null, "trial_params": null}"#;

    fn keys(json: &str) -> Vec<String> {
        serde_json::from_str::<serde_json::Map<String, Value>>(json).unwrap().keys().cloned().collect()
    }

    #[test]
    fn has_the_keys_of_transformers_in_their_order() {
        let state = TrainerState::new(RunLimits::default());
        assert_eq!(keys(&serde_json::to_string(&state).unwrap()), keys(FROM_TRANSFORMERS));
        let theirs: TrainerState = serde_json::from_str(FROM_TRANSFORMERS).unwrap();
        assert_eq!((theirs.global_step, theirs.log_history[0]["epoch"].as_f64()), (3, Some(3.0 / 7.0)));
    }

    #[test]
    fn a_resumed_run_has_its_own_limits_and_the_earlier_log() {
        let mut earlier = TrainerState::new(RunLimits { max_steps: 10, logging_steps: 1, ..RunLimits::default() });
        (earlier.global_step, earlier.epoch, earlier.best_metric) = (3, 0.3, Some(0.5));
        earlier.log([("loss".to_owned(), 1.0)]);
        let limits = RunLimits { max_steps: 20, logging_steps: 5, ..RunLimits::default() };
        let resumed = TrainerState::new(limits).resumed_from(earlier.clone());
        assert_eq!((resumed.max_steps, resumed.logging_steps), (20, 5));
        assert_eq!((resumed.global_step, resumed.epoch, resumed.best_metric), (3, 0.3, Some(0.5)));
        assert_eq!(resumed.log_history, earlier.log_history);
    }

    #[test]
    fn an_error_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let state = TrainerState::new(RunLimits { max_steps: 7, ..RunLimits::default() });
        for folder in [dir.path(), dir.path().join("nowhere").as_path()] {
            assert_eq!(state.save_after("the first error", folder), "the first error");
        }
        assert_eq!(TrainerState::load(dir.path()).unwrap(), state);
    }

    #[test]
    fn numbers_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = TrainerState::new(RunLimits { max_steps: 7, ..RunLimits::default() });
        (state.global_step, state.epoch) = (3, 3.0 / 7.0);
        state.log([("loss".to_owned(), f64::from(0.1f32)), ("learning_rate".to_owned(), 1.0 / 3.0)]);
        state.save(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(TRAINER_STATE_NAME)).unwrap();
        assert!(text.contains(r#""loss": 0.10000000149011612"#) && text.contains(r#""step": 3"#), "{text}");
        assert!(text.ends_with("}\n"));
        assert_eq!(TrainerState::load(dir.path()).unwrap(), state);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let message = TrainerState::load(dir.path()).unwrap_err().to_string();
        assert!(message.contains("trainer_state.json: "), "{message}");
        fs::write(dir.path().join(TRAINER_STATE_NAME), "{").unwrap();
        let message = TrainerState::load(dir.path()).unwrap_err().to_string();
        assert!(message.contains("trainer_state.json: ") && !message.contains('\n'), "{message}");
    }
}
