//! The run that is reported: the facts from before its first step, and its state when a reporter is called.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::record::TrainerState;

/// The facts about a run that are known before its first step.
#[derive(Clone, Debug, Default)]
pub struct RunInfo {
    /// The folder of the run, to which reports are written. It must exist.
    pub output_dir: PathBuf,
    /// The folder of TensorBoard's event files.
    pub logging_dir: PathBuf,
    /// The name of the run, if one was given.
    pub run_name: Option<String>,
    /// The training arguments without secrets, as [`arguments_as_json`] gives them.
    pub arguments: Map<String, Value>,
    /// The same of the default arguments: those that differ are shown first.
    pub default_arguments: Map<String, Value>,
    /// The number of epochs; none where the arguments give a number of steps.
    pub num_train_epochs: Option<f64>,
    /// The key in the log of the metric that decides which model is best, such as `eval_loss`.
    pub metric_for_best_model: Option<String>,
    /// Where the model came from: a folder or a name.
    pub model: String,
    /// The number of its parameters.
    pub parameters: usize,
    /// The losses; where each dataset has one, the dataset's name before it.
    pub loss: Vec<String>,
    /// The datasets to train on.
    pub train: Vec<DatasetInfo>,
    /// The datasets on which a loss is computed in evaluation.
    pub eval: Vec<DatasetInfo>,
    /// The metrics of the evaluators.
    pub evaluators: Vec<String>,
    /// Those of the metrics that matter most, one for each evaluator that names one.
    pub primary_metrics: Vec<String>,
    /// The device that the model lies on.
    pub device: String,
}

/// A dataset of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetInfo {
    /// The dataset's name among several; empty for the only one.
    pub name: String,
    /// Its source, rows and columns, as [`Examples::description`](colburn_data::Examples::description) says.
    pub description: String,
    /// The number of its rows; none where they are streamed.
    pub rows: Option<usize>,
}

/// A run when a reporter is called.
#[derive(Clone, Copy, Debug)]
pub struct RunContext<'a> {
    /// The facts from before the first step.
    pub info: &'a RunInfo,
    /// The state of the run, with all that it has logged.
    pub state: &'a TrainerState,
    /// Steps whose loss or gradient was not finite, and that changed no weight.
    pub skipped_steps: usize,
    /// Texts of a mini-batch, where that was found by trial.
    pub mini_batch_size: Option<usize>,
}

/// The end of a run that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// A callback stopped the run.
    Stopped,
    /// Ctrl-C, or a request to terminate.
    Interrupted,
}

impl RunInfo {
    /// The name of the run: the one that was given, or else that of its folder.
    pub fn name(&self) -> String {
        let folder = || self.output_dir.file_name().map(|name| name.to_string_lossy().into_owned());
        self.run_name.clone().or_else(folder).unwrap_or_else(|| self.output_dir.display().to_string())
    }
}

impl<'a> RunContext<'a> {
    /// A run without skipped steps, whose mini-batches are as the arguments say.
    pub fn new(info: &'a RunInfo, state: &'a TrainerState) -> Self {
        Self { info, state, skipped_steps: 0, mini_batch_size: None }
    }
}

/// Training arguments as a JSON object. The values of keys that end with `_token` are replaced by their names, as in transformers' `to_dict`,
/// because reports are published. A value that JSON cannot hold, such as a path that is not UTF-8, makes the object empty: replace such
/// paths first.
pub fn arguments_as_json(arguments: &impl Serialize) -> Map<String, Value> {
    let Ok(Value::Object(mut arguments)) = serde_json::to_value(arguments) else { return Map::new() };
    for (key, value) in &mut arguments {
        if key.ends_with("_token") && !value.is_null() {
            *value = format!("<{}>", key.to_uppercase()).into();
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_are_hidden() {
        let arguments = arguments_as_json(&json!({"seed": 42, "hub_token": "hf_secret", "push_to_hub_token": null}));
        assert_eq!(
            Value::Object(arguments),
            json!({"seed": 42, "hub_token": "<HUB_TOKEN>", "push_to_hub_token": null})
        );
        assert!(arguments_as_json(&3).is_empty());
    }

    #[test]
    fn a_run_has_the_name_of_its_folder_unless_one_was_given() {
        let info = RunInfo { output_dir: "output/run".into(), ..RunInfo::default() };
        assert_eq!(info.name(), "run");
        assert_eq!(RunInfo { run_name: Some("first".to_owned()), ..info }.name(), "first");
    }
}
