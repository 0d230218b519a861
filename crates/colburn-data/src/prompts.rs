//! Prompts: texts in front of all texts of a column, such as the instruction that an instruction-tuned encoder expects
//! before a query. A prompt is part of the text, unlike the prefix token; both apply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, quoted};
use crate::nearest;

/// The prompts of the texts, as in the argument `prompts` of sentence-transformers: one prompt for all texts, or one for
/// each named column. A column of lists of documents is a column, and so are `query` and `documents` of a distillation data
/// set.
///
/// ```
/// use colburn_data::Prompts;
///
/// let prompts: Prompts = serde_json::from_str(r#"{"query": "search for: "}"#)?;
/// assert_eq!(prompts.of("query"), "search for: ");
/// assert_eq!(prompts.of("positive"), "");
/// assert_eq!(Prompts::from("text: ").of("positive"), "text: ");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a prompt for all texts, or a table of column names and their prompts")]
pub enum Prompts {
    /// For every text.
    All(String),
    /// For the texts of these columns.
    Columns(BTreeMap<String, String>),
}

/// No prompt.
impl Default for Prompts {
    fn default() -> Self {
        Self::Columns(BTreeMap::new())
    }
}

/// The same prompt for every text.
impl From<&str> for Prompts {
    fn from(prompt: &str) -> Self {
        Self::All(prompt.to_owned())
    }
}

/// A prompt for each of these columns.
impl<const N: usize> From<[(&str, &str); N]> for Prompts {
    fn from(prompts: [(&str, &str); N]) -> Self {
        Self::Columns(prompts.map(|(column, prompt)| (column.to_owned(), prompt.to_owned())).into())
    }
}

impl Prompts {
    /// The prompt for a column; an empty text if it has none.
    pub fn of(&self, column: &str) -> &str {
        match self {
            Prompts::All(prompt) => prompt,
            Prompts::Columns(prompts) => prompts.get(column).map_or("", String::as_str),
        }
    }

    /// Refuses a prompt for a column that is not among the `known` text columns of `data`.
    pub(crate) fn check(&self, data: &str, known: &[&str]) -> Result<()> {
        let Prompts::Columns(prompts) = self else {
            return Ok(());
        };
        match prompts.keys().find(|column| !known.contains(&column.as_str())) {
            None => Ok(()),
            Some(column) => {
                let nearest =
                    nearest(column, known).map_or(String::new(), |near| format!("; the nearest is \"{near}\""));
                Err(Error::Prompts { data: data.to_owned(), column: column.clone(), nearest, known: quoted(known) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_for_all_columns_or_for_some() {
        assert_eq!((Prompts::from("a").of("query"), Prompts::from("a").of("x")), ("a", "a"));
        let some = Prompts::from([("query", "q: "), ("positive", "")]);
        assert_eq!((some.of("query"), some.of("positive"), some.of("negative")), ("q: ", "", ""));
        assert_eq!(Prompts::default().of("query"), "");
    }

    #[test]
    fn both_forms_are_read_and_written() {
        for (json, prompts) in
            [("\"q: \"", Prompts::from("q: ")), ("{\"query\":\"q: \"}", Prompts::from([("query", "q: ")]))]
        {
            assert_eq!(serde_json::from_str::<Prompts>(json).unwrap(), prompts);
            assert_eq!(serde_json::to_string(&prompts).unwrap(), json);
        }
        let message = serde_json::from_str::<Prompts>("{\"set\": {\"query\": \"q: \"}}").unwrap_err().to_string();
        assert!(message.contains("expected a prompt for all texts, or a table of column names"), "{message}");
    }

    #[test]
    fn unknown_columns_are_errors() {
        let known = ["query", "positive"];
        assert!(Prompts::from("for all").check("rows.csv", &known).is_ok());
        assert!(Prompts::from([("query", "q"), ("positive", "d")]).check("rows.csv", &known).is_ok());
        for (column, nearest) in [("querry", "; the nearest is \"query\""), ("documents", "")] {
            let message = Prompts::from([(column, "q")]).check("rows.csv", &known).unwrap_err().to_string();
            let expected = format!(
                "prompts: rows.csv has no text column \"{column}\"{nearest}; expected one of \"query\", \"positive\""
            );
            assert_eq!(message, expected);
        }
    }
}
