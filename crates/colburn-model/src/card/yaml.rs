//! The metadata at the top of a card as YAML, in the style of the hub's own tools.
//!
//! YAML 1.1 and 1.2 disagree about plain texts and numbers: `no` is Norway's language or false, `1e-7` a number or a text. The serializer
//! quotes such texts, and writes numbers with a point, so that every reader reads the same.

use serde_json::{Map, Value};

/// The lines of a mapping. Keys whose value is null or empty are left out.
pub(super) fn mapping(value: &Value) -> String {
    let value = without_empty(value);
    if is_empty(&value) {
        return String::new();
    }
    // Block scalars and folded lines are valid, but the hub's tools write neither.
    let options = serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(&value, options).unwrap_or_default()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The value without the fields of objects that are null or empty.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            Value::Object(kept.filter(|(_, value)| !is_empty(value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // >>> print(huggingface_hub.utils.yaml_dump(card, sort_keys=False))
    #[test]
    fn looks_as_the_hub_s_own_tools_write_it() {
        let card = json!({
            "tags": ["ColBERT", "dataset_size:24", "loss:Contrastive"],
            "base_model": "google-bert/bert-base-uncased",
            "datasets": [],
            "license": null,
            "model-index": [{
                "name": "PyLate",
                "results": [{
                    "task": {"type": "triplet", "name": "Triplet"},
                    "dataset": {"name": "Unknown", "type": "unknown"},
                    "metrics": [{"type": "accuracy", "value": 0.75, "name": "Accuracy"}],
                }],
            }],
        });
        let expected = "tags:\n- ColBERT\n- dataset_size:24\n- loss:Contrastive\nbase_model: google-bert/bert-base-uncased\n\
            model-index:\n- name: PyLate\n  results:\n  - task:\n      type: triplet\n      name: Triplet\n    dataset:\n      \
            name: Unknown\n      type: unknown\n    metrics:\n    - type: accuracy\n      value: 0.75\n      name: Accuracy\n";
        assert_eq!(mapping(&card), expected);
    }

    #[test]
    fn an_ambiguous_text_is_quoted() {
        for text in [
            "",
            "no",
            "NO",
            "Null",
            "y",
            "1",
            "1.5",
            "0x10",
            "1e3",
            "2026-01-01",
            ".5",
            "-",
            "- a",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "'a'",
            "\"a\"",
            "%a",
            "@a",
            "`a`",
            "{a}",
            "[a]",
            "a ",
            " a",
            "~",
            "a\nb",
            "---",
            "...",
            "=",
            "<<",
            "?",
        ] {
            let written = mapping(&json!({ "a": text }));
            assert!(written.starts_with("a: \"") || written.starts_with("a: '"), "{text:?}: {written}");
        }
        for text in ["ColBERT", "loss:Contrastive", "bert-base-uncased", "org/name", "apache-2.0", "Col BERT (v2)"] {
            assert_eq!(mapping(&json!({ "a": text })), format!("a: {text}\n"));
        }
        let written = mapping(&json!({ "a": "a\"\\\n\u{7f}\u{85}\u{2028}\u{feff}\u{1f600}é" }));
        assert_eq!(written, "a: \"a\\\"\\\\\\n\\x7F\\N\\L\\uFEFF\u{1f600}é\"\n");
    }

    #[test]
    fn numbers_have_a_point() {
        let number = |value: f64| mapping(&json!({ "a": value }));
        assert_eq!(
            [1.0, 0.1, 1e-7, 1.5e-9, 1e300].map(number),
            ["a: 1.0\n", "a: 0.1\n", "a: 1.0e-7\n", "a: 1.5e-9\n", "a: 1.0e+300\n"]
        );
        assert_eq!(mapping(&json!({ "a": 24 })), "a: 24\n");
    }

    /// SplitMix64.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn every_text_is_read_back() {
        let alphabet: Vec<char> =
            "ab01 -:#,[]{}&*!|>'\"%@`~.?<=\\/\n\r\t\u{0}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}\u{e9}\u{6f22}\u{1f600}".chars().collect();
        let mut state = 42;
        for _ in 0..3000 {
            let length = random(&mut state) % 12;
            let text: String = (0..length).map(|_| alphabet[random(&mut state) as usize % alphabet.len()]).collect();
            let value =
                json!({"tags": [text, "no", "a:b"], "model-index": [{"name": text, "results": [{"value": 1e-9}]}]});
            let written = mapping(&value);
            let read: Value =
                serde_saphyr::from_str(&written).unwrap_or_else(|error| panic!("{text:?}: {error}\n{written}"));
            assert_eq!(read, value, "{written}");
        }
    }
}
