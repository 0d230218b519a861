//! Roles that are given by name, in place of those that the names and the order of the columns say.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result, quoted};
use crate::nearest::nearest;

/// The columns of a data set by their roles, for [`Dataset::with_columns`](crate::Dataset::with_columns). A role that is not given goes by the
/// names of the other columns.
///
/// ```
/// use colburn_data::{Columns, Dataset, Roles};
///
/// let names = ["q", "title", "p", "n"];
/// let data = Dataset::from_rows(&names, [["what is rust", "Rust", "a language", "iron oxide"].map(String::from).to_vec()])?;
/// let roles = Roles { query: Some("q".into()), positive: vec!["p".into()], negatives: vec!["n".into()], ..Roles::default() };
/// let columns = Columns::of(&data.with_columns(roles)?)?;
/// assert_eq!((columns.query(), columns.documents()), (0, &[2, 3][..]));
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// The column of queries.
    pub query: Option<String>,
    /// The columns of positives; one, as a rule.
    #[serde(deserialize_with = "one_or_many")]
    pub positive: Vec<String>,
    /// The columns of negatives, of texts or of lists.
    #[serde(deserialize_with = "one_or_many")]
    pub negatives: Vec<String>,
    /// Columns of documents, texts or lists, that hold the positive first, then negatives.
    #[serde(deserialize_with = "one_or_many")]
    pub documents: Vec<String>,
    /// The column of labels: numbers, or lists with a teacher's score of each document.
    pub label: Option<String>,
    /// Columns with a teacher's score of one document each, in the order of the documents.
    #[serde(deserialize_with = "one_or_many")]
    pub scores: Vec<String>,
    /// Columns that play no part.
    #[serde(deserialize_with = "one_or_many")]
    pub drop: Vec<String>,
}

impl Roles {
    /// All names, each with its role.
    fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let single = [("query", &self.query), ("label", &self.label)];
        let several = [
            ("positive", &self.positive),
            ("negatives", &self.negatives),
            ("documents", &self.documents),
            ("scores", &self.scores),
            ("drop", &self.drop),
        ];
        let single = single.into_iter().filter_map(|(role, name)| Some((role, name.as_deref()?)));
        single.chain(several.into_iter().flat_map(|(role, names)| names.iter().map(move |name| (role, name.as_str()))))
    }

    /// Checks that the `known` columns of `data` have all names, and each name one role.
    pub(crate) fn check(&self, data: &str, known: &[&str]) -> Result<()> {
        let problem =
            |role: &str, problem: String| Err(Error::Mapping { data: data.to_owned(), role: role.to_owned(), problem });
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (role, name) in self.names() {
            if !known.contains(&name) {
                let near = nearest(name, known).map_or(String::new(), |near| format!("; the nearest is \"{near}\""));
                return problem(role, format!("no column \"{name}\"{near}; found: {}", quoted(known)));
            }
            if let Some((other, _)) = seen.iter().find(|(_, other)| *other == name) {
                return problem(role, format!("the column \"{name}\" is in `{other}` already; a column has one role"));
            }
            seen.push((role, name));
        }
        Ok(())
    }

    /// True if a name has a role, or is dropped.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|(_, other)| other == name)
    }
}

/// A name, or a list of names.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a name of a column or a list of names")
        }

        fn visit_str<E>(self, name: &str) -> std::result::Result<Vec<String>, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = sequence.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    deserializer.deserialize_any(Names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_one_name_or_several() {
        let roles: Roles =
            serde_json::from_str(r#"{"query": "q", "positive": "p", "negatives": ["n1", "n2"], "drop": []}"#).unwrap();
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected = Roles {
            query: Some("q".into()),
            positive: texts(&["p"]),
            negatives: texts(&["n1", "n2"]),
            ..Roles::default()
        };
        assert_eq!(roles, expected);
        let message = serde_json::from_str::<Roles>(r#"{"positive": 3}"#).unwrap_err().to_string();
        assert!(
            message.contains("invalid type: integer `3`, expected a name of a column or a list of names"),
            "{message}"
        );
    }

    #[test]
    fn names_that_do_not_exist_or_stand_twice_are_errors() {
        let known = ["query", "positive", "negative"];
        let check = |roles: Roles| roles.check("rows.csv", &known).map_err(|error| error.to_string());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(check(Roles { negatives: names(&["negative"]), ..Roles::default() }), Ok(()));
        assert_eq!(
            check(Roles { positive: names(&["positiv"]), ..Roles::default() }).unwrap_err(),
            "rows.csv: columns: `positive`: no column \"positiv\"; the nearest is \"positive\"; found: \"query\", \"positive\", \"negative\""
        );
        assert_eq!(
            check(Roles { query: Some("query".into()), drop: names(&["query"]), ..Roles::default() }).unwrap_err(),
            "rows.csv: columns: `drop`: the column \"query\" is in `query` already; a column has one role"
        );
    }
}
