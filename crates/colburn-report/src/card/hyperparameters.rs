//! The training arguments, those that are not the defaults first.

use std::fmt::Write as _;

use colburn_model::card::markdown::escape;
use serde_json::{Map, Value};

/// Arguments that do not decide what the model is: sentence-transformers' list, and `resume_from_checkpoint`, because a resumed run is the
/// same run.
const IGNORED: [&str; 22] = [
    "do_eval",
    "do_train",
    "eval_delay",
    "eval_steps",
    "greater_is_better",
    "log_level",
    "log_level_replica",
    "log_on_each_node",
    "logging_dir",
    "logging_first_step",
    "logging_steps",
    "logging_strategy",
    "metric_for_best_model",
    "output_dir",
    "overwrite_output_dir",
    "report_to",
    "resume_from_checkpoint",
    "run_name",
    "save_on_each_node",
    "save_steps",
    "save_strategy",
    "save_total_limit",
];

/// `### Training Hyperparameters`.
pub(super) fn section(arguments: &Map<String, Value>, defaults: &Map<String, Value>) -> String {
    let (all, default) = (shown(arguments), shown(defaults));
    let changed = all.iter().filter(|(key, value)| default.get(*key) != Some(value));
    let changed = lines(changed);
    let mut text = "\n### Training Hyperparameters\n".to_owned();
    if !changed.is_empty() {
        let _ = write!(text, "\n#### Non-Default Hyperparameters\n\n{changed}");
    }
    let all = lines(all.iter());
    let _ = write!(
        text,
        "\n#### All Hyperparameters\n\n<details><summary>Click to expand</summary>\n\n{all}\n</details>\n"
    );
    text
}

/// The arguments that are shown. Secrets are not.
fn shown(arguments: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = arguments.clone();
    shown.retain(|key, _| !IGNORED.contains(&key.as_str()) && !key.ends_with("_token"));
    shown
}

fn lines<'a>(arguments: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let value = |value: &Value| match value {
        Value::Null => "None".to_owned(),
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    };
    arguments.map(|(key, argument)| format!("- `{key}`: {}\n", value(argument))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::arguments_as_json;
    use serde_json::json;

    #[test]
    fn what_was_changed_comes_first() {
        let defaults = arguments_as_json(&json!({
            "output_dir": "trainer_output", "learning_rate": 5e-5, "seed": 42, "prompts": null, "resume_from_checkpoint": false, "hub_token": null
        }));
        let arguments = arguments_as_json(&json!({
            "output_dir": "secret/place", "learning_rate": 3e-6, "seed": 42, "prompts": "search|for: ",
            "resume_from_checkpoint": "elsewhere/checkpoint-5", "hub_token": "hf_secret"
        }));
        let text = section(&arguments, &defaults);
        let (changed, all) = text.split_once("#### All Hyperparameters").unwrap();
        let expected = "\n### Training Hyperparameters\n\n#### Non-Default Hyperparameters\n\n- `learning_rate`: 3e-6\n\
            - `prompts`: search&#124;for: \n\n";
        assert_eq!(changed, expected);
        assert!(all.contains("- `seed`: 42\n") && all.contains("- `learning_rate`: 3e-6\n"), "{all}");
        assert!(!text.contains("secret") && !text.contains("checkpoint-5") && !text.contains("token"), "{text}");
        assert!(!section(&defaults, &defaults).contains("Non-Default"));
    }
}
