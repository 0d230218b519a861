//! `prompts`: for all texts, for columns, for datasets, or for columns of datasets.
//!
//! Source: sentence-transformers' argument of that name, which `SentenceTransformerDataCollator` resolves for each batch. Here it is
//! resolved once, before the run, so that a name that is neither a column nor a dataset is an error.

use std::collections::BTreeMap;

use colburn_data::Prompts;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Error, Result};

/// The prompts in front of the texts of a run.
///
/// ```
/// use colburn_train::RunPrompts;
///
/// let prompts: RunPrompts = serde_json::from_str(r#"{"msmarco": {"query": "search for: "}, "quora": "is the same as: "}"#)?;
/// let of = |name| prompts.for_dataset(Some(name), &["msmarco", "quora", "nq"]);
/// assert_eq!(of("msmarco")?.of("query"), "search for: ");
/// assert_eq!(of("quora")?.of("anchor"), "is the same as: ");
/// assert_eq!(of("nq")?.of("query"), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a prompt for all texts, a table of columns, or a table of datasets and their prompts"
)]
pub enum RunPrompts {
    /// For every text.
    All(String),
    /// For columns, or for datasets, or for columns of datasets: a name decides by being that of a dataset.
    Table(BTreeMap<String, Prompts>),
}

/// No prompt.
impl Default for RunPrompts {
    fn default() -> Self {
        Self::Table(BTreeMap::new())
    }
}

impl From<&str> for RunPrompts {
    fn from(prompt: &str) -> Self {
        Self::All(prompt.to_owned())
    }
}

impl RunPrompts {
    /// The prompts of a dataset, `name` being its name if it has one and `known` the names of all datasets of the run, those of evaluation
    /// among them.
    ///
    /// # Errors
    /// [`Error::Argument`] when a table has names of datasets and others.
    pub fn for_dataset(&self, name: Option<&str>, known: &[&str]) -> Result<Prompts> {
        let table = match self {
            Self::All(prompt) => return Ok(Prompts::All(prompt.clone())),
            Self::Table(table) => table,
        };
        let is_known = |key: &str| known.contains(&key);
        let by_dataset = table.iter().any(|(key, prompts)| is_known(key) || matches!(prompts, Prompts::Columns(_)));
        if !by_dataset {
            let text = |prompts: &Prompts| prompts.of("").to_owned();
            return Ok(Prompts::Columns(
                table.iter().map(|(column, prompts)| (column.clone(), text(prompts))).collect(),
            ));
        }
        match table.iter().find(|(key, _)| !is_known(key)) {
            None => Ok(name.and_then(|name| table.get(name)).cloned().unwrap_or_default()),
            Some((key, prompts)) => {
                let expected = match known {
                    [] => "a table of columns and their prompts is expected, because no dataset has a name".to_owned(),
                    known => format!("{key:?} is no dataset; they are {}", known.join(", ")),
                };
                Err(Error::Argument {
                    key: "prompts",
                    value: json!({key: prompts}).to_string(),
                    expected: expected.into(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn prompts(value: Value) -> RunPrompts {
        let prompts: RunPrompts = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&prompts).unwrap(), value);
        prompts
    }

    // for each form: collator = SentenceTransformerDataCollator(tokenize, prompts=…); collator([{"query": "a", "dataset_name": name}])
    #[test]
    fn the_four_forms_of_sentence_transformers() {
        let names = ["a", "b"];
        let of = |prompts: &RunPrompts, name: Option<&str>, column: &str| {
            let known: &[&str] = if name.is_some() { &names } else { &[] };
            prompts.for_dataset(name, known).unwrap().of(column).to_owned()
        };
        let all = prompts(json!("x: "));
        assert_eq!([of(&all, None, "query"), of(&all, Some("a"), "positive")], ["x: ", "x: "]);
        let columns = prompts(json!({"query": "q: "}));
        assert_eq!([of(&columns, None, "query"), of(&columns, Some("b"), "query")], ["q: ", "q: "]);
        assert_eq!(of(&columns, None, "positive"), "");
        let datasets = prompts(json!({"a": "x: "}));
        assert_eq!([of(&datasets, Some("a"), "query"), of(&datasets, Some("b"), "query")], ["x: ", ""]);
        let nested = prompts(json!({"a": {"query": "q: "}, "b": {"positive": "p: "}}));
        assert_eq!([of(&nested, Some("a"), "query"), of(&nested, Some("b"), "query")], ["q: ", ""]);
        assert_eq!(of(&nested, Some("b"), "positive"), "p: ");
        assert_eq!(of(&RunPrompts::default(), Some("a"), "query"), "");
    }

    #[test]
    fn a_name_that_is_no_dataset_is_named() {
        let nested = prompts(json!({"a": {"query": "q: "}}));
        let message = nested.for_dataset(None, &[]).unwrap_err().to_string();
        assert!(message.contains(r#"`prompts` is {"a":{"query":"q: "}}; a table of columns"#), "{message}");
        let message = nested.for_dataset(Some("b"), &["b", "c"]).unwrap_err().to_string();
        assert!(message.ends_with(r#"; "a" is no dataset; they are b, c"#), "{message}");
        let mixed = prompts(json!({"a": "x", "query": "q"}));
        assert!(mixed.for_dataset(Some("a"), &["a"]).is_err());
        let message = serde_json::from_value::<RunPrompts>(json!(3)).unwrap_err().to_string();
        assert!(message.contains("expected a prompt for all texts"), "{message}");
    }
}
