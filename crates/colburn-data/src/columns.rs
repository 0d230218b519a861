//! The roles of the columns: query, documents, label. PyLate's collator decides by names and order, and so does this file.
//! But PyLate accepts columns that cannot be intended (documents as queries, a negative in place of the positive, numbers
//! as texts); here they are errors or warnings, because a model trained on them looks healthy and is useless.

use crate::dataset::Dataset;
use crate::error::{Error, Result, quoted};
use crate::table::{ColumnKind, ListItems};

/// PyLate's `valid_label_columns`: the first of these that exists is the label.
const LABELS: [&str; 2] = ["label", "scores"];
/// The columns of the train rows of a distillation data set.
const DISTILLATION: [&str; 3] = ["query_id", "document_ids", "scores"];
/// A column that PyLate's collator removes: it names the data set that a row comes from.
const DATASET_NAME: &str = "dataset_name";
/// Words that mark a column as a document; most are from PyLate's table of common column names, in which they never come
/// first.
const DOCUMENT_WORDS: [&str; 7] =
    ["positive", "negative", "document", "answer", "response", "entailment", "contradiction"];

/// The roles of the columns of a data set, by PyLate's rules:
///
/// - `label` or else `scores` is the label; no column of these names is a text, nor is `dataset_name`;
/// - a column with `_id` in its name is no text;
/// - a text column with `query` or `anchor` in its name is the query; when no name says so, the first text column is;
/// - the other text columns are documents, in their order: the positive, then any number of negatives;
/// - a column of lists of texts is documents too, those of a row one after the other in the place of the column.
///
/// Columns of numbers, or of lists of numbers, without a role are ignored with a warning.
///
/// ```
/// use colburn_data::{Columns, Dataset};
///
/// let names = ["query_id", "question", "positive", "hard_negative"];
/// let data = Dataset::from_rows(&names, [["7", "what is rust", "a language", "iron oxide"].map(String::from).to_vec()])?;
/// let columns = Columns::of(&data)?;
/// assert_eq!((columns.query(), columns.documents()), (1, &[2, 3][..]));
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    query: usize,
    documents: Vec<usize>,
    lists: Vec<usize>,
    label: Option<usize>,
}

impl Columns {
    /// Finds the roles of the columns of `dataset`, and logs a warning about odd ones.
    ///
    /// # Errors
    /// When there is no query or no document, more than one query, a query that is a list, or a negative before the
    /// positive. The message lists the columns that exist and those expected.
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let columns = Self::find(dataset)?;
        columns.warn(dataset);
        Ok(columns)
    }

    /// As [`of`](Self::of), without warnings.
    pub(crate) fn find(dataset: &Dataset) -> Result<Self> {
        let table = dataset.table();
        let problem = |problem: String| Error::Roles { data: dataset.origin(), problem, found: table.column_list() };
        let name = |column: usize| table.columns()[column].name.as_str();
        let is_list = |column: usize| matches!(table.columns()[column].kind, ColumnKind::List(_));

        let texts: Vec<usize> = texts(dataset).collect();
        let queries: Vec<usize> = texts.iter().copied().filter(|&column| is_query(name(column))).collect();
        let query = match (&queries[..], texts.first()) {
            (_, None)
                if DISTILLATION.iter().all(|known| table.columns().iter().any(|column| column.name == *known)) =>
            {
                let missing = "no text column; to distil, give the tables of queries and documents with these rows";
                return Err(problem(missing.to_owned()));
            }
            (_, None) => return Err(problem("no text column".to_owned())),
            (&[query], _) => query,
            ([], Some(&first)) if DOCUMENT_WORDS.iter().any(|word| name(first).contains(word)) => {
                return Err(problem("no query column".to_owned()));
            }
            ([], Some(&first)) => first,
            (several, _) => {
                let names = quoted(several.iter().map(|&column| name(column)));
                return Err(problem(format!("several query columns ({names})")));
            }
        };
        if is_list(query) {
            return Err(problem(format!("the query \"{}\" holds lists, but a row has one query", name(query))));
        }
        let documents: Vec<usize> = texts.iter().copied().filter(|&column| column != query).collect();
        let Some(&positive) = documents.first() else {
            return Err(problem(format!("no document column beside the query \"{}\"", name(query))));
        };
        if name(positive).contains("negative") && documents.iter().any(|&column| name(column).contains("positive")) {
            let first = name(positive);
            return Err(problem(format!("\"{first}\" would be the positive, because it is the first document")));
        }
        let label = LABELS.iter().find_map(|label| (0..table.columns().len()).find(|&column| name(column) == *label));
        let lists = documents.iter().copied().filter(|&column| is_list(column)).collect();
        Ok(Self { query, documents, lists, label })
    }

    fn warn(&self, dataset: &Dataset) {
        let (data, table) = (dataset.origin(), dataset.table());
        let name = |column: usize| table.columns()[column].name.as_str();
        let query = name(self.query);
        let first = self.documents.first().copied().filter(|first| *first < self.query);
        if !is_query(query) {
            tracing::warn!(
                "{data}: no column is named query or anchor; the first text column, \"{query}\", is the query"
            );
        } else if let Some(first) = first {
            tracing::warn!("{data}: \"{query}\" is the query although \"{}\" stands before it", name(first));
        }
        let has_role = |column: usize| column == self.query || self.documents.contains(&column);
        let ignored: Vec<&str> = (0..table.columns().len())
            .filter(|&column| !has_role(column))
            .map(name)
            .chain(table.left_out().iter().map(|column| column.name.as_str()))
            .filter(|name| !is_reserved(name))
            .collect();
        if !ignored.is_empty() {
            tracing::warn!("{data}: columns that are neither text nor label are ignored: {}", quoted(ignored));
        }
    }

    /// The number of the query column.
    pub fn query(&self) -> usize {
        self.query
    }

    /// The numbers of the document columns, at least one: the positive, then the negatives.
    pub fn documents(&self) -> &[usize] {
        &self.documents
    }

    /// True if this document column holds lists of documents.
    pub fn is_list(&self, document: usize) -> bool {
        self.lists.contains(&document)
    }

    /// The number of the label column, if there is one: of numbers, of lists of numbers, or of texts.
    pub fn label(&self) -> Option<usize> {
        self.label
    }
}

/// The columns of texts, and of lists of texts, that can have a role.
fn texts(dataset: &Dataset) -> impl Iterator<Item = usize> {
    dataset.table().columns().iter().enumerate().filter_map(|(at, column)| {
        let is_text = matches!(column.kind, ColumnKind::Text | ColumnKind::List(ListItems::Texts));
        (is_text && !is_reserved(&column.name)).then_some(at)
    })
}

fn is_query(name: &str) -> bool {
    name.contains("query") || name.contains("anchor")
}

fn is_reserved(name: &str) -> bool {
    name.contains("_id") || name == DATASET_NAME || LABELS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(header: &str, row: &str) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, format!("{header}\n{row}\n")).unwrap();
        Dataset::load(path).unwrap()
    }

    fn roles(columns: &[&str]) -> Result<(usize, Vec<usize>, Option<usize>)> {
        let row = columns.iter().map(|_| "text".to_owned()).collect();
        let columns = Columns::of(&Dataset::from_rows(columns, [row])?)?;
        Ok((columns.query(), columns.documents().to_vec(), columns.label()))
    }

    #[test]
    fn roles_follow_names_and_order() {
        for (columns, expected) in [
            (&["query", "positive"][..], (0, vec![1], None)),
            (&["anchor", "positive", "negative"], (0, vec![1, 2], None)),
            (&["query", "document", "hard_negative_1", "hard_negative_2"], (0, vec![1, 2, 3], None)),
            (&["query_id", "query_text", "positive_id", "a", "b", "c"], (1, vec![3, 4, 5], None)),
            (&["label", "query", "positive"], (1, vec![2], Some(0))),
            (&["scores", "label", "query", "positive"], (2, vec![3], Some(1))),
            (&["dataset_name", "query", "positive", "scores"], (1, vec![2], Some(3))),
            (&["question", "answer"], (0, vec![1], None)),
            (&["sentence_0", "sentence_1", "sentence_2"], (0, vec![1, 2], None)),
            (&["positive", "negative", "query"], (2, vec![0, 1], None)),
        ] {
            assert_eq!(roles(columns).unwrap(), expected, "{columns:?}");
        }
    }

    #[test]
    fn columns_that_cannot_be_meant_are_errors() {
        for (columns, expected) in [
            (
                &["text", "label"][..],
                "rows in memory: no document column beside the query \"text\"; found: text (text), label (text); expected a query or anchor column, then positive, negative, … (text",
            ),
            (&["query"], "no document column beside the query \"query\""),
            (
                &["query_id", "document_ids", "scores"],
                "no text column; to distil, give the tables of queries and documents with these rows; found: query_id (text), document_ids (text), scores (text)",
            ),
            (&["positive", "negative"], "no query column"),
            (&["query", "query_expanded", "positive"], "several query columns (\"query\", \"query_expanded\")"),
            (
                &["query", "negative", "positive"],
                "\"negative\" would be the positive, because it is the first document",
            ),
        ] {
            let message = roles(columns).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
            assert!(!message.contains('\n'));
        }
    }

    #[test]
    fn numbers_are_no_texts() {
        let columns = Columns::of(&csv("query,score,positive,label", "a,0.5,b,1")).unwrap();
        assert_eq!((columns.query(), columns.documents(), columns.label()), (0, &[2][..], Some(3)));
        let message = Columns::of(&csv("query,score", "a,0.5")).unwrap_err().to_string();
        assert!(message.contains("found: query (text), score (number)"), "{message}");
    }

    #[test]
    fn lists_of_texts_are_documents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let load = |row: &str| {
            std::fs::write(&path, row).unwrap();
            Columns::of(&Dataset::load(&path).unwrap())
        };
        let columns = load(r#"{"query": "a", "positive": "d", "documents": ["b", "c"], "scores": [1, 2, 3]}"#).unwrap();
        assert_eq!((columns.query(), columns.documents(), columns.label()), (0, &[1, 2][..], Some(3)));
        assert_eq!([1, 2].map(|document| columns.is_list(document)), [false, true]);
        // Lists of numbers, and columns of empty lists only, are not texts.
        let columns =
            load(r#"{"query": "a", "document_ids": [1], "positive": "b", "numbers": [0.5], "meta": {}, "empty": []}"#)
                .unwrap();
        assert_eq!((columns.query(), columns.documents(), columns.label()), (0, &[2][..], None));
        for (row, expected) in [
            (r#"{"queries": ["a"], "positive": "b"}"#, "the query \"queries\" holds lists, but a row has one query"),
            (r#"{"first": ["a"], "second": "b"}"#, "the query \"first\" holds lists"),
            (
                r#"{"query": "a", "documents": [1, 2]}"#,
                "no document column beside the query \"query\"; found: query (text), documents (list of numbers)",
            ),
        ] {
            let message = load(row).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
