//! The metadata on top of a card, as YAML in the style that the hub's own tools write.
//!
//! YAML 1.1 and 1.2 disagree about what is text: `no` is Norway's language or false, `1e-7` a number or a text. So a text is plain only where
//! all agree, and quoted with escapes otherwise; a number always has its point.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Words that some YAML takes for something else than a text.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan", "inf"];

/// The lines of a mapping; of what is no mapping, none. Keys whose value is null or empty are left out.
pub(super) fn mapping(value: &Value) -> String {
    let mut text = String::new();
    write_mapping(value, 0, false, &mut text);
    text
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// `inline` when the first key goes on a line that has begun.
fn write_mapping(value: &Value, indent: usize, mut inline: bool, text: &mut String) {
    let Value::Object(fields) = value else { return };
    for (key, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
        let before = if std::mem::take(&mut inline) { 0 } else { indent };
        let _ = write!(text, "{:before$}{}:", "", scalar(key));
        match value {
            Value::Object(_) => {
                text.push('\n');
                write_mapping(value, indent + 2, false, text);
            }
            Value::Array(items) => {
                text.push('\n');
                write_items(items, indent, text);
            }
            other => {
                let _ = writeln!(text, " {}", plain_value(other));
            }
        }
    }
}

fn write_items(items: &[Value], indent: usize, text: &mut String) {
    for item in items {
        let _ = write!(text, "{:indent$}- ", "");
        match item {
            Value::Object(fields) if fields.values().any(|value| !is_empty(value)) => {
                write_mapping(item, indent + 2, true, text);
            }
            other => {
                let _ = writeln!(text, "{}", plain_value(other));
            }
        }
    }
}

/// What goes on one line. Nested arrays do not occur in a card, and would be JSON, which YAML reads.
fn plain_value(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Number(value) => number(value),
        other => other.to_string(),
    }
}

/// YAML 1.1 knows no number with an exponent that has no point, or no sign in its exponent.
fn number(number: &Number) -> String {
    let text = number.to_string();
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether a text is nothing but a text, unquoted.
fn is_plain(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _.-/@+():".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(allowed)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let code = u32::from(c);
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            ' '..='~' => write!(quoted, "{c}"),
            // Letters of all scripts stay readable; what folds a line, marks an order of bytes or cannot be printed does not.
            c if c.is_alphanumeric() => write!(quoted, "{c}"),
            _ if code <= 0xff => write!(quoted, "\\x{code:02x}"),
            _ if code <= 0xffff => write!(quoted, "\\u{code:04x}"),
            _ => write!(quoted, "\\U{code:08x}"),
        };
    }
    quoted.push('"');
    quoted
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
    fn what_could_be_something_else_is_quoted() {
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
            "a, b",
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
            assert!(!is_plain(text), "{text:?}");
        }
        for text in ["ColBERT", "loss:Contrastive", "bert-base-uncased", "org/name", "apache-2.0", "Col BERT (v2)"] {
            assert!(is_plain(text), "{text:?}");
        }
        assert_eq!(
            quoted("a\"\\\n\u{7f}\u{85}\u{2028}\u{feff}\u{1f600}é"),
            r#""a\"\\\n\x7f\x85\u2028\ufeff\U0001f600é""#
        );
    }

    #[test]
    fn a_number_is_one_to_every_reader() {
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
    fn whatever_is_written_is_read_back() {
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
