//! ColBERT's own parameters, from the caller, a saved model and the defaults.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Error, Result, files};

/// The file of a saved model with its ColBERT parameters.
pub(crate) const FILE: &str = "config_sentence_transformers.json";

/// Python's `string.punctuation`, PyLate's default skiplist.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The parameters that turn an encoder into a ColBERT model, under PyLate's names. Lengths are in tokens.
///
/// ```
/// use colburn_model::ColBertConfig;
///
/// let config = ColBertConfig::default();
/// assert_eq!((config.query_length, config.document_length), (32, 180));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ColBertConfig {
    /// The token before each query, `"[Q] "`, including the trailing space. Empty: none.
    pub query_prefix: String,
    /// The token before each document, `"[D] "`. Empty: none.
    pub document_prefix: String,
    /// The largest number of tokens of a query, 32, prefix and special tokens included. With expansion every query has this number.
    pub query_length: usize,
    /// The largest number of tokens of a document, 180, prefix and special tokens included.
    pub document_length: usize,
    /// True if the expansion tokens of a query can be attended to, false.
    pub attend_to_expansion_tokens: bool,
    /// The words whose document vectors are dropped, by default the ASCII punctuation.
    pub skiplist_words: Vec<String>,
    /// True if queries are filled up to `query_length` with mask tokens, true.
    pub do_query_expansion: bool,
}

impl Default for ColBertConfig {
    fn default() -> Self {
        Self {
            query_prefix: "[Q] ".to_owned(),
            document_prefix: "[D] ".to_owned(),
            query_length: 32,
            document_length: 180,
            attend_to_expansion_tokens: false,
            skiplist_words: PUNCTUATION.chars().map(String::from).collect(),
            do_query_expansion: true,
        }
    }
}

/// The caller's parameters for loading a model. A `None` is replaced by the saved model's value, or else by the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColBertOptions {
    /// The width of the token vectors. If the last projection has another width, one more projection is added. A new model has 128.
    pub embedding_size: Option<usize>,
    /// See [`ColBertConfig::query_prefix`].
    pub query_prefix: Option<String>,
    /// See [`ColBertConfig::document_prefix`].
    pub document_prefix: Option<String>,
    /// See [`ColBertConfig::query_length`].
    pub query_length: Option<usize>,
    /// See [`ColBertConfig::document_length`].
    pub document_length: Option<usize>,
    /// See [`ColBertConfig::attend_to_expansion_tokens`].
    pub attend_to_expansion_tokens: Option<bool>,
    /// See [`ColBertConfig::skiplist_words`].
    pub skiplist_words: Option<Vec<String>>,
    /// See [`ColBertConfig::do_query_expansion`].
    pub do_query_expansion: Option<bool>,
    /// The seed of weights that are drawn while loading: a new projection, rows of added tokens, a whole encoder. 42 by default.
    pub seed: Option<u64>,
}

/// The ColBERT parameters of one source, such as `config_sentence_transformers.json`. Any of them may be absent; PyLate writes null for
/// these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PartialConfig {
    pub query_prefix: Option<String>,
    pub document_prefix: Option<String>,
    pub query_length: Option<usize>,
    pub document_length: Option<usize>,
    pub attend_to_expansion_tokens: Option<bool>,
    pub skiplist_words: Option<Vec<String>>,
    pub do_query_expansion: Option<bool>,
}

impl PartialConfig {
    /// These parameters, completed by those of `other`.
    fn or(self, other: Self) -> Self {
        Self {
            query_prefix: self.query_prefix.or(other.query_prefix),
            document_prefix: self.document_prefix.or(other.document_prefix),
            query_length: self.query_length.or(other.query_length),
            document_length: self.document_length.or(other.document_length),
            attend_to_expansion_tokens: self.attend_to_expansion_tokens.or(other.attend_to_expansion_tokens),
            skiplist_words: self.skiplist_words.or(other.skiplist_words),
            do_query_expansion: self.do_query_expansion.or(other.do_query_expansion),
        }
    }
}

/// The text of the prompt that `default_prompt_name` names; `None` if the key is absent or the prompt is empty.
pub(crate) fn default_prompt(path: &Path, saved: &Map<String, Value>) -> Result<Option<String>> {
    let Some(name) = saved.get("default_prompt_name").and_then(Value::as_str) else { return Ok(None) };
    match saved.get("prompts").and_then(|prompts| prompts.get(name)).and_then(Value::as_str) {
        Some(prompt) => Ok(Some(prompt.to_owned()).filter(|prompt| !prompt.is_empty())),
        None => Err(Error::config(path, format!("default_prompt_name = \"{name}\", which is not one of the prompts"))),
    }
}

impl ColBertConfig {
    /// The parameters by precedence: the caller's, the saved model's, those of another layout (`of_checkpoint`), the defaults
    /// (`ColBERT.__init__` of PyLate).
    pub(crate) fn resolve(directory: &Path, options: &ColBertOptions, of_checkpoint: PartialConfig) -> Result<Self> {
        let of_caller = PartialConfig {
            query_prefix: options.query_prefix.clone(),
            document_prefix: options.document_prefix.clone(),
            query_length: options.query_length,
            document_length: options.document_length,
            attend_to_expansion_tokens: options.attend_to_expansion_tokens,
            skiplist_words: options.skiplist_words.clone(),
            do_query_expansion: options.do_query_expansion,
        };
        let saved: PartialConfig = files::read_json_if_present(&directory.join(FILE))?.unwrap_or_default();
        let (given, default) = (of_caller.or(saved).or(of_checkpoint), Self::default());
        let mut config = Self {
            query_prefix: given.query_prefix.unwrap_or(default.query_prefix),
            document_prefix: given.document_prefix.unwrap_or(default.document_prefix),
            query_length: given.query_length.unwrap_or(default.query_length),
            document_length: given.document_length.unwrap_or(default.document_length),
            attend_to_expansion_tokens: given.attend_to_expansion_tokens.unwrap_or(default.attend_to_expansion_tokens),
            skiplist_words: given.skiplist_words.unwrap_or(default.skiplist_words),
            do_query_expansion: given.do_query_expansion.unwrap_or(default.do_query_expansion),
        };
        config.attend_to_expansion_tokens &= config.do_query_expansion;
        for (key, length) in [("query_length", config.query_length), ("document_length", config.document_length)] {
            // CLS, the prefix, SEP and one token of text.
            if length < 4 {
                return Err(Error::config(key, format!("{length}; at least 4 is needed for one token of text")));
            }
        }
        Ok(config)
    }

    /// Writes `config_sentence_transformers.json` with the other keys of `previous`.
    pub(crate) fn save(&self, directory: &Path, previous: &Map<String, Value>) -> Result<()> {
        let mut file = previous.clone();
        file.entry("prompts").or_insert(Value::Object(Map::new()));
        file.entry("default_prompt_name").or_insert(Value::Null);
        let own = [
            ("model_type", Value::from("ColBERT")),
            ("__version__", json!({"colburn": env!("CARGO_PKG_VERSION")})),
            ("similarity_fn_name", "MaxSim".into()),
            ("query_prefix", self.query_prefix.clone().into()),
            ("document_prefix", self.document_prefix.clone().into()),
            ("query_length", self.query_length.into()),
            ("document_length", self.document_length.into()),
            ("attend_to_expansion_tokens", self.attend_to_expansion_tokens.into()),
            ("skiplist_words", self.skiplist_words.clone().into()),
            ("do_query_expansion", self.do_query_expansion.into()),
        ];
        for (key, value) in own {
            file.insert(key.to_owned(), value);
        }
        files::write_json(&directory.join(FILE), &file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_then_saved_then_default() {
        let directory = tempfile::tempdir().unwrap();
        let saved = r#"{"query_length": 16, "document_length": 300, "query_prefix": null, "do_query_expansion": false, "attend_to_expansion_tokens": true}"#;
        std::fs::write(directory.path().join(FILE), saved).unwrap();
        let options = ColBertOptions { document_length: Some(64), ..Default::default() };
        let config = ColBertConfig::resolve(directory.path(), &options, PartialConfig::default()).unwrap();
        assert_eq!((config.query_length, config.document_length), (16, 64));
        assert_eq!(config.query_prefix, "[Q] ");
        assert_eq!(config.skiplist_words.len(), 32);
        assert!(!config.attend_to_expansion_tokens, "there is nothing to attend to without expansion");
    }

    #[test]
    fn saved_parameters_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let config = ColBertConfig { query_prefix: String::new(), document_length: 99, ..Default::default() };
        config.save(directory.path(), &Map::new()).unwrap();
        assert_eq!(
            ColBertConfig::resolve(directory.path(), &ColBertOptions::default(), PartialConfig::default()).unwrap(),
            config
        );
    }

    #[test]
    fn the_default_prompt_is_one_of_the_prompts() {
        let saved = |json: &str| serde_json::from_str::<Map<String, Value>>(json).unwrap();
        let prompt = |json: &str| default_prompt(Path::new("config.json"), &saved(json));
        assert_eq!(prompt(r#"{"prompts": {"a": "search: "}, "default_prompt_name": null}"#).unwrap(), None);
        assert_eq!(
            prompt(r#"{"prompts": {"a": "search: "}, "default_prompt_name": "a"}"#).unwrap().as_deref(),
            Some("search: ")
        );
        let error = prompt(r#"{"prompts": {"a": "search: "}, "default_prompt_name": "b"}"#).unwrap_err().to_string();
        assert!(error.contains("default_prompt_name = \"b\""), "{error}");
    }

    #[test]
    fn lengths_without_room_for_text_are_errors() {
        let options = ColBertOptions { query_length: Some(3), ..Default::default() };
        let error =
            ColBertConfig::resolve(Path::new("nowhere"), &options, PartialConfig::default()).unwrap_err().to_string();
        assert!(error.contains("query_length: 3"), "{error}");
    }
}
