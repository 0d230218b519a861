//! The list of added tokens in `tokenizer_config.json` (`added_tokens_decoder`), which transformers 4 wrote and transformers 5 believes
//! more than `tokenizer.json`.
//!
//! A token that is missing there is no token for whoever reads the folder next, and its trained embedding is cut off: so the prefixes must be
//! in the list wherever there is one.

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

/// transformers' "no limit", an integer of more than 64 bits, as serde_json writes it, and as it was.
const NO_LIMIT: (&str, &str) = ("1e+30", "1000000000000000019884624838656");

/// The file with every added token of the tokenizer in its list; `None` when it has no list, or all are there.
pub(super) fn complete(file: &[u8], tokenizer: &Tokenizer) -> Option<Vec<u8>> {
    let mut config: Map<String, Value> = serde_json::from_slice(file).ok()?;
    let listed = config.get_mut("added_tokens_decoder")?.as_object_mut()?;
    let before = listed.len();
    let mut added: Vec<_> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    added.sort_unstable_by_key(|(id, _)| *id);
    for (id, token) in added {
        listed.entry(id.to_string()).or_insert_with(|| {
            json!({
                "content": token.content,
                "lstrip": token.lstrip,
                "normalized": token.normalized,
                "rstrip": token.rstrip,
                "single_word": token.single_word,
                "special": token.special,
            })
        });
    }
    if listed.len() == before {
        return None;
    }
    let text = serde_json::to_string_pretty(&config).ok()?;
    let limit = |number| format!("\"model_max_length\": {number}");
    Some((text.replace(&limit(NO_LIMIT.0), &limit(NO_LIMIT.1)) + "\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{AddedToken, models::wordlevel::WordLevel};

    #[test]
    fn added_tokens_join_a_list_that_is_there() {
        let mut tokenizer = Tokenizer::new(WordLevel::default());
        tokenizer.add_special_tokens([AddedToken::from("[CLS]", true)]).unwrap();
        tokenizer.add_tokens([AddedToken::from("[Q] ", false)]).unwrap();
        let file = r#"{"model_max_length": 1000000000000000019884624838656,
            "added_tokens_decoder": {"0": {"content": "[CLS]", "special": true, "lstrip": true}}}"#;
        let text = String::from_utf8(complete(file.as_bytes(), &tokenizer).unwrap()).unwrap();
        assert!(text.contains("\"model_max_length\": 1000000000000000019884624838656"), "{text}");
        let config: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["added_tokens_decoder"]["0"]["lstrip"], true, "what is listed stays as it is");
        assert_eq!(config["added_tokens_decoder"]["1"]["content"], "[Q] ");
        assert_eq!(complete(text.as_bytes(), &tokenizer), None, "all are there");
        assert_eq!(complete(b"{}", &tokenizer), None, "no list");
    }
}
