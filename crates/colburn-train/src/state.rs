//! `trainer_state.json`: where a run stands and what it has logged, in the form of transformers' `TrainerState`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result, TrainingArguments, arguments::in_steps, files, plan::Plan};

/// The name of the file, in the output folder and in each checkpoint.
pub const TRAINER_STATE_NAME: &str = "trainer_state.json";

/// One entry of the log, keys to numbers: `loss`, `grad_norm`, `learning_rate`, `epoch` and `step` while training, `eval_…` after an
/// evaluation, `train_runtime`, `train_loss` and so on at the end.
pub type LogEntry = BTreeMap<String, Value>;

/// Where a run stands. The fields, their order in the file and their meaning are transformers'; numbers are written in full precision.
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
    /// Always true here: one process trains.
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
    /// State of callbacks, by their name.
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
    pub(crate) fn new(args: &TrainingArguments, plan: &Plan) -> Self {
        Self {
            best_global_step: None,
            best_metric: None,
            best_model_checkpoint: None,
            epoch: 0.0,
            eval_steps: in_steps(args.eval_steps.unwrap_or(args.logging_steps), plan.max_steps),
            global_step: 0,
            is_hyper_param_search: false,
            is_local_process_zero: true,
            is_world_process_zero: true,
            log_history: Vec::new(),
            logging_steps: in_steps(args.logging_steps, plan.max_steps),
            max_steps: plan.max_steps,
            num_input_tokens_seen: 0,
            num_train_epochs: plan.num_train_epochs,
            save_steps: in_steps(args.save_steps, plan.max_steps),
            stateful_callbacks: BTreeMap::new(),
            total_flos: 0.0,
            train_batch_size: args.per_device_train_batch_size,
            trial_name: None,
            trial_params: None,
        }
    }

    /// This state of a run, with what an earlier part of it has come to.
    pub(crate) fn going_on_from(self, earlier: Self) -> Self {
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
    pub(crate) fn log(&mut self, numbers: impl IntoIterator<Item = (String, f64)>) -> &LogEntry {
        let mut entry: LogEntry = numbers.into_iter().map(|(key, number)| (key, Value::from(number))).collect();
        entry.insert("epoch".to_owned(), self.epoch.into());
        entry.insert("step".to_owned(), self.global_step.into());
        self.log_history.push(entry);
        &self.log_history[self.log_history.len() - 1]
    }

    /// Writes the state into `dir`, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<()> {
        files::write_json(&dir.as_ref().join(TRAINER_STATE_NAME), self)
    }

    /// Saves the state of a run that ends with `error`, and hands the error on: nothing that goes wrong here may hide it.
    pub(crate) fn save_after(&self, error: Error, dir: &Path) -> Error {
        if let Err(unsaved) = self.save(dir) {
            tracing::warn!("{unsaved}");
        }
        error
    }

    /// Reads the state that lies in `dir`, one of this crate or of transformers.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        files::read_json(&dir.as_ref().join(TRAINER_STATE_NAME))
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
        let plan = Plan::new(&TrainingArguments::default(), 10);
        let state = TrainerState::new(&TrainingArguments::default(), &plan);
        assert_eq!(keys(&serde_json::to_string(&state).unwrap()), keys(FROM_TRANSFORMERS));
        let theirs: TrainerState = serde_json::from_str(FROM_TRANSFORMERS).unwrap();
        assert_eq!((theirs.global_step, theirs.log_history[0]["epoch"].as_f64()), (3, Some(3.0 / 7.0)));
    }

    #[test]
    fn shares_become_steps() {
        let args =
            TrainingArguments { logging_steps: 0.1, eval_steps: Some(0.5), save_steps: 20.0, ..Default::default() };
        let state = TrainerState::new(&args, &Plan::new(&args, 5));
        assert_eq!((state.max_steps, state.logging_steps, state.eval_steps, state.save_steps), (15, 2, 8, 20));
        let args = TrainingArguments { eval_steps: None, ..args };
        assert_eq!(TrainerState::new(&args, &Plan::new(&args, 5)).eval_steps, 2);
    }

    #[test]
    fn an_error_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments::default();
        let state = TrainerState::new(&args, &Plan::new(&args, 7));
        for folder in [dir.path(), dir.path().join("nowhere").as_path()] {
            assert!(matches!(state.save_after(Error::NoTrainDataset, folder), Error::NoTrainDataset));
        }
        assert_eq!(TrainerState::load(dir.path()).unwrap(), state);
    }

    #[test]
    fn numbers_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan::new(&TrainingArguments::default(), 7);
        let mut state = TrainerState::new(&TrainingArguments::default(), &plan);
        (state.global_step, state.epoch) = (3, 3.0 / 7.0);
        state.log([("loss".to_owned(), f64::from(0.1f32)), ("learning_rate".to_owned(), 1.0 / 3.0)]);
        state.save(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(TRAINER_STATE_NAME)).unwrap();
        assert!(text.contains(r#""loss": 0.10000000149011612"#) && text.contains(r#""step": 3"#), "{text}");
        assert!(text.ends_with("}\n"));
        assert_eq!(TrainerState::load(dir.path()).unwrap(), state);
    }
}
