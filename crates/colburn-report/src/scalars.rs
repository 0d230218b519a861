//! Numbers of the log, and their names in TensorBoard and wandb.

use serde_json::Value;

/// A number of the log; NaN for one that is not finite, which JSON has as `null`. None for a value that is not a number.
pub(crate) fn scalar(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Null => Some(f64::NAN),
        _ => None,
    }
}

/// The tag of a number of the log: transformers' `rewrite_logs`.
pub(crate) fn tag(key: &str) -> String {
    let parts = [("eval_", "eval"), ("test_", "test")];
    let part = parts.iter().find_map(|(prefix, part)| Some((part, key.strip_prefix(prefix)?)));
    let (part, name) = part.unwrap_or((&"train", key));
    format!("{part}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_are_those_of_transformers() {
        let found = ["loss", "eval_accuracy", "test_loss", "epoch", "evaluated"].map(tag);
        assert_eq!(found, ["train/loss", "eval/accuracy", "test/loss", "train/epoch", "train/evaluated"]);
    }

    #[test]
    fn numbers_of_the_log() {
        assert_eq!([scalar(&json!(0.5)), scalar(&json!(3)), scalar(&json!("x"))], [Some(0.5), Some(3.0), None]);
        assert!(scalar(&json!(null)).is_some_and(f64::is_nan));
    }
}
