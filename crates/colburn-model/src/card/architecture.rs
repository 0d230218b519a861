//! The text for a model that PyLate prints: one line for the encoder and one for each projection.

use serde_json::{Value, json};

use crate::{ColBert, dense::DenseConfig};

/// `ColBERT((0): Transformer({…}) (1): Dense({…}))` on several lines, with values in Python's notation.
pub(super) fn describe(model: &ColBert) -> String {
    let encoder = &model.parts.encoder_json;
    let architecture = encoder.pointer("/architectures/0").or_else(|| encoder.get("model_type")).cloned();
    let transformer = json!({
        "max_seq_length": model.config().document_length.saturating_sub(1),
        "do_lower_case": model.tokenizer().lowercase(),
        "architecture": architecture.unwrap_or_default(),
    });
    let mut text = format!("ColBERT(\n  (0): Transformer({})\n", python(&transformer));
    for (index, dense) in model.dense.iter().enumerate() {
        let config = serde_json::to_value(dense.config()).unwrap_or_default();
        text.push_str(&format!("  ({}): Dense({})\n", index + 1, python(&config)));
    }
    text.push(')');
    text
}

/// True if pylate-rs 1.0 computes the model's vectors. It knows two encoders and a single projection without bias, activation and residual.
pub(super) fn is_read_by_pylate_rs(model: &ColBert) -> bool {
    let encoder = &model.parts.encoder_json;
    let has = |key: &str| encoder.get(key).and_then(Value::as_bool) == Some(true);
    let known = match encoder.get("model_type").and_then(Value::as_str) {
        Some("bert") => true,
        Some("modernbert") => !["attention_bias", "mlp_bias", "norm_bias"].into_iter().any(has),
        _ => false,
    };
    let [dense] = model.dense.as_slice() else { return false };
    let DenseConfig { bias, activation_function, use_residual, .. } = dense.config();
    known && !bias && !use_residual && activation_function.ends_with(".Identity")
}

/// Python's `repr` of a value, on one line.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{}'", text.escape_debug().to_string().replace("\\\"", "\"")),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("'{}': {}", key.escape_debug(), python(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // >>> repr({'a': 47, 'b': False, 'c': None, 'd': "it's\n", 'e': [1.5]})   (which quotes "it's\n" the other way)
    #[test]
    fn values_read_as_in_python() {
        let value = json!({"a": 47, "b": false, "c": null, "d": "x\n\"", "e": [1.5]});
        assert_eq!(python(&value), r#"{'a': 47, 'b': False, 'c': None, 'd': 'x\n"', 'e': [1.5]}"#);
    }
}
