//! A run of ten steps for tests of reporters: its folder, what is known of it, and its record.

use serde_json::json;

use crate::record::{LogEntry, RunLimits, TrainerState};
use crate::run::{DatasetInfo, RunContext, RunInfo, arguments_as_json};

pub(crate) struct Run {
    pub info: RunInfo,
    pub state: TrainerState,
    _dir: tempfile::TempDir,
}

impl Run {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let output_dir = dir.path().join("run");
        std::fs::create_dir(&output_dir).unwrap();
        let arguments = arguments_as_json(&json!({"output_dir": output_dir, "num_train_epochs": 1.0, "seed": 42}));
        let info = RunInfo {
            logging_dir: output_dir.join("runs"),
            output_dir,
            default_arguments: arguments.clone(),
            arguments,
            num_train_epochs: Some(1.0),
            model: "models/bert".to_owned(),
            parameters: 1_234_567,
            loss: vec!["Contrastive".to_owned()],
            train: vec![DatasetInfo { name: String::new(), description: "train.parquet".to_owned(), rows: Some(80) }],
            evaluators: vec!["triplet".to_owned()],
            device: "flex".to_owned(),
            ..RunInfo::default()
        };
        let limits = RunLimits {
            max_steps: 10,
            num_train_epochs: 1,
            logging_steps: 500,
            eval_steps: 500,
            save_steps: 500,
            train_batch_size: 8,
        };
        Self { info, state: TrainerState::new(limits), _dir: dir }
    }

    pub fn context(&self) -> RunContext<'_> {
        RunContext::new(&self.info, &self.state)
    }

    /// Moves to a step and logs there.
    pub fn log(&mut self, step: usize, numbers: &[(&str, f64)]) -> LogEntry {
        (self.state.global_step, self.state.epoch) = (step, step as f64 / 10.0);
        self.state.log(numbers.iter().map(|(key, number)| ((*key).to_owned(), *number))).clone()
    }
}
