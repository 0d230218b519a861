//! ColBERT's own parameters: what the caller asks for, what a saved model says, and what holds otherwise.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result, files};

pub(crate) const FILE: &str = "config_sentence_transformers.json";

/// Python's `string.punctuation`, PyLate's default skiplist.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The parameters that make a ColBERT model of an encoder, under PyLate's names.
#[derive(Clone, Debug, PartialEq)]
pub struct ColBertConfig {
    /// Token put before each query, `"[Q] "`; the trailing space belongs to it. Empty: none.
    pub query_prefix: String,
    /// Token put before each document, `"[D] "`. Empty: none.
    pub document_prefix: String,
    /// Most tokens of a query, 32, prefix and special tokens included; with expansion every query has exactly so many.
    pub query_length: usize,
    /// Most tokens of a document, 180, prefix and special tokens included.
    pub document_length: usize,
    /// Whether the tokens that a query is expanded with can be attended to, false.
    pub attend_to_expansion_tokens: bool,
    /// Words of which no document vector is kept, by default the ASCII punctuation.
    pub skiplist_words: Vec<String>,
    /// Whether queries are filled up to `query_length` with mask tokens, true.
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

/// The caller's wishes for a model that is loaded; what is `None` is taken from the saved model, else from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColBertOptions {
    /// Width of the token vectors. Unlike the last projection's it appends one more projection; for a new model it is 128.
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
    /// Seed of all that is drawn while loading: a new projection, rows of added tokens, a whole encoder. 42 by default.
    pub seed: Option<u64>,
}

/// The part of `config_sentence_transformers.json` that concerns us; all of it may be absent, and PyLate writes null for unset ones.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    pub query_prefix: Option<String>,
    pub document_prefix: Option<String>,
    pub query_length: Option<usize>,
    pub document_length: Option<usize>,
    pub attend_to_expansion_tokens: Option<bool>,
    pub skiplist_words: Option<Vec<String>>,
    pub do_query_expansion: Option<bool>,
}

impl Saved {
    /// What this one has, and what `other` has besides.
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

/// The text of the prompt that `default_prompt_name` names, if it does and the prompt is not empty.
pub(crate) fn default_prompt(path: &Path, saved: &Map<String, Value>) -> Result<Option<String>> {
    let Some(name) = saved.get("default_prompt_name").and_then(Value::as_str) else { return Ok(None) };
    match saved.get("prompts").and_then(|prompts| prompts.get(name)).and_then(Value::as_str) {
        Some(prompt) => Ok(Some(prompt.to_owned()).filter(|prompt| !prompt.is_empty())),
        None => Err(Error::config(path, format!("default_prompt_name = \"{name}\", which is none of the prompts"))),
    }
}

impl ColBertConfig {
    /// Caller, then saved model, then default (`ColBERT.__init__` of PyLate).
    #[cfg(test)]
    pub(crate) fn resolve(directory: &Path, options: &ColBertOptions) -> Result<Self> {
        Self::resolve_after(directory, options, Saved::default())
    }

    /// Caller, then saved model, then what else the checkpoint says, then default.
    pub(crate) fn resolve_after(directory: &Path, options: &ColBertOptions, besides: Saved) -> Result<Self> {
        let asked = Saved {
            query_prefix: options.query_prefix.clone(),
            document_prefix: options.document_prefix.clone(),
            query_length: options.query_length,
            document_length: options.document_length,
            attend_to_expansion_tokens: options.attend_to_expansion_tokens,
            skiplist_words: options.skiplist_words.clone(),
            do_query_expansion: options.do_query_expansion,
        };
        let saved: Saved = files::read_json_if_present(&directory.join(FILE))?.unwrap_or_default();
        let (said, default) = (asked.or(saved).or(besides), Self::default());
        let mut config = Self {
            query_prefix: said.query_prefix.unwrap_or(default.query_prefix),
            document_prefix: said.document_prefix.unwrap_or(default.document_prefix),
            query_length: said.query_length.unwrap_or(default.query_length),
            document_length: said.document_length.unwrap_or(default.document_length),
            attend_to_expansion_tokens: said.attend_to_expansion_tokens.unwrap_or(default.attend_to_expansion_tokens),
            skiplist_words: said.skiplist_words.unwrap_or(default.skiplist_words),
            do_query_expansion: said.do_query_expansion.unwrap_or(default.do_query_expansion),
        };
        config.attend_to_expansion_tokens &= config.do_query_expansion;
        for (key, length) in [("query_length", config.query_length), ("document_length", config.document_length)] {
            // CLS, prefix, SEP and one token of text.
            if length < 4 {
                return Err(Error::config(key, format!("{length}; at least 4 is needed for one token of text")));
            }
        }
        Ok(config)
    }

    /// Writes `config_sentence_transformers.json`, keeping the keys of `previous` that are not ours.
    pub(crate) fn save(&self, directory: &Path, previous: &Map<String, Value>) -> Result<()> {
        let mut file = previous.clone();
        let mut keep = |key: &str, value: Value| {
            file.entry(key).or_insert(value);
        };
        keep("prompts", Value::Object(Map::new()));
        keep("default_prompt_name", Value::Null);
        let versions = [("colburn", env!("CARGO_PKG_VERSION"))];
        let ours = [
            ("model_type", Value::from("ColBERT")),
            (
                "__version__",
                versions
                    .into_iter()
                    .map(|(name, version)| (name.to_owned(), Value::from(version)))
                    .collect::<Map<_, _>>()
                    .into(),
            ),
            ("similarity_fn_name", "MaxSim".into()),
            ("query_prefix", self.query_prefix.clone().into()),
            ("document_prefix", self.document_prefix.clone().into()),
            ("query_length", self.query_length.into()),
            ("document_length", self.document_length.into()),
            ("attend_to_expansion_tokens", self.attend_to_expansion_tokens.into()),
            ("skiplist_words", self.skiplist_words.clone().into()),
            ("do_query_expansion", self.do_query_expansion.into()),
        ];
        for (key, value) in ours {
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
        let config = ColBertConfig::resolve(directory.path(), &options).unwrap();
        assert_eq!((config.query_length, config.document_length), (16, 64));
        assert_eq!(config.query_prefix, "[Q] ");
        assert_eq!(config.skiplist_words.len(), 32);
        assert!(!config.attend_to_expansion_tokens, "there is nothing to attend to without expansion");
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let config = ColBertConfig { query_prefix: String::new(), document_length: 99, ..Default::default() };
        config.save(directory.path(), &Map::new()).unwrap();
        assert_eq!(ColBertConfig::resolve(directory.path(), &ColBertOptions::default()).unwrap(), config);
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
        let error = ColBertConfig::resolve(Path::new("nowhere"), &options).unwrap_err().to_string();
        assert!(error.contains("query_length: 3"), "{error}");
    }
}
