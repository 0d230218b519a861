//! The roles of the columns of a data set: query, positive, negatives, label. Names decide where they say enough, as their users mean them;
//! the order decides otherwise, as in PyLate and sentence-transformers. Both accept columns that cannot be intended (a title in place of
//! the positive, a negative as the positive, numbers as texts); here they are left out, or errors or warnings, because a model trained
//! on them looks healthy and is useless.

use crate::dataset::Dataset;
use crate::error::{Result, quoted};
use crate::roles::finder::{Documents, Finder, Scores};

/// The roles of the columns of a data set.
///
/// - The query is a column named `query`, `anchor`, `question` or alike. The positive is one named `positive`, `pos`, or else `answer`,
///   `response`, `passage`, `document`, `context`, `text` or alike. Where both exist, roles go by name: the negatives are the columns with
///   `negative` or `neg` in their names, a list named `documents` holds the positive first, and all other columns play no part.
/// - Where no name says which column is the query, it is the first column of texts; where none says which is the positive, all further
///   columns of texts are documents, in their order: the positive, then any number of negatives. A warning says so.
/// - `label` or else `scores`, `score` or alike is the label; `score_1`, `score_2`, … are a teacher's scores of the documents.
/// - Ids, addresses and `dataset_name` are no texts.
/// - A column of lists of texts is documents too, those of a row one after the other in the place of the column.
///
/// [`Dataset::with_columns`] gives roles to columns of other names.
///
/// ```
/// use colburn_data::{Columns, Dataset};
///
/// let names = ["query_id", "title", "question", "positive", "hard_negative"];
/// let row = ["7", "Rust", "what is rust", "a language", "iron oxide"];
/// let data = Dataset::from_rows(&names, [row.map(String::from).to_vec()])?;
/// let columns = Columns::of(&data)?;
/// assert_eq!((columns.query(), columns.positives(), columns.negatives()), (2, &[3][..], &[4][..]));
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    query: usize,
    /// All documents in their order.
    documents: Vec<usize>,
    positives: Vec<usize>,
    negatives: Vec<usize>,
    lists: Vec<usize>,
    /// Columns of texts that hold lists.
    literals: Vec<usize>,
    label: Option<usize>,
    scores: Scores,
    order: Order,
}

/// The roles that no name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    query: bool,
    documents: bool,
}

impl Columns {
    /// Finds the roles of the columns of `dataset`, and logs a warning where their order decides.
    ///
    /// # Errors
    /// When there is no query or no document, several columns could be the query or the positive, the query is a list, or a negative
    /// would be the positive. The message lists the columns that exist and those expected.
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let columns = Self::find(dataset)?;
        if columns.is_by_order() {
            tracing::warn!("{}", columns.line(dataset));
        }
        Ok(columns)
    }

    /// As [`of`](Self::of), without a warning.
    pub(crate) fn find(dataset: &Dataset) -> Result<Self> {
        let finder = Finder::new(dataset);
        let (query, query_by_order) = finder.query()?;
        if finder.is_list(query) {
            let name = finder.name(query);
            return Err(finder.problem(format!("the query \"{name}\" holds lists, but a row has one query")));
        }
        let Documents { positives, listed, negatives, by_order } = finder.documents(query)?;
        let mut others = [&listed[..], &negatives].concat();
        if !finder.has_documents() {
            others.sort_unstable();
        }
        let mut documents = [&positives[..], &others].concat();
        if documents.is_empty() {
            let name = finder.name(query);
            return Err(finder.problem(format!("no document column beside the query \"{name}\"")));
        }
        let label = finder.label();
        let scores = finder.scores(label);
        if scores != Scores::None && !finder.has_documents() {
            documents.sort_unstable();
            if negatives.contains(&documents[0]) {
                let names = quoted(documents.iter().map(|&column| finder.name(column)));
                let problem =
                    "the scores of documents are in the order of the columns, so the positive has to be the first of";
                return Err(finder.problem(format!("{problem} {names}")));
            }
        }
        let all = || documents.iter().copied();
        let literals: Vec<usize> = all().filter(|&column| finder.is_literal(column)).collect();
        let lists: Vec<usize> = all().filter(|column| finder.is_list(*column) || literals.contains(column)).collect();
        let order = Order { query: query_by_order, documents: by_order };
        Ok(Self { query, documents, positives, negatives, lists, literals, label, scores, order })
    }

    /// True if the order of the columns says which is the query or the positive.
    pub(crate) fn is_by_order(&self) -> bool {
        self.order != Order::default()
    }

    /// One line that says which column plays which role.
    pub(crate) fn line(&self, dataset: &Dataset) -> String {
        let (data, table) = (dataset.origin(), dataset.table());
        let name = |column: usize| table.columns()[column].name.as_str();
        let names = |columns: &[usize]| quoted(columns.iter().map(|&column| name(column)));
        let mut parts = vec![format!("query \"{}\"", name(self.query))];
        let others = self.documents.iter().copied();
        let listed = others.filter(|column| !self.positives.contains(column) && !self.negatives.contains(column));
        let listed: Vec<usize> = listed.collect();
        let scores = match &self.scores {
            Scores::Columns(columns) => &columns[..],
            _ => &[],
        };
        let label = self.label.as_slice();
        for (role, columns) in [
            ("positive", self.positives()),
            ("positive, then negatives", &listed[..]),
            ("negatives", self.negatives()),
            ("label", label),
            ("scores", scores),
        ] {
            if !columns.is_empty() {
                parts.push(format!("{role} {}", names(columns)));
            }
        }
        let has_role = |column: usize| {
            column == self.query
                || self.documents.contains(&column)
                || label.contains(&column)
                || scores.contains(&column)
        };
        let kept = (0..table.columns().len()).filter(|&column| !has_role(column)).map(name);
        let ignored: Vec<&str> = kept.chain(table.left_out().iter().map(|column| column.name.as_str())).collect();
        if !ignored.is_empty() {
            parts.push(format!("ignored {}", quoted(ignored)));
        }
        if !self.literals.is_empty() {
            parts.push(format!("texts that hold lists {}", names(&self.literals)));
        }
        let parts = parts.join("; ");
        match self.order {
            Order { query: false, documents: false } => format!("{data}: columns by role: {parts}"),
            Order { query, documents } => {
                let unnamed = match (query, documents) {
                    (true, false) => "the query",
                    (false, _) => "the positive",
                    (true, true) => "the query or the positive",
                };
                format!(
                    "{data}: no name says which column is {unnamed}, so their order decides: {parts}; [data.columns] gives other roles"
                )
            }
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

    /// The numbers of the columns of positives; none where a column of documents holds the positive first, then negatives.
    pub fn positives(&self) -> &[usize] {
        &self.positives
    }

    /// The numbers of the columns that hold negatives alone.
    pub fn negatives(&self) -> &[usize] {
        &self.negatives
    }

    /// True if this document column holds lists of documents.
    pub fn is_list(&self, document: usize) -> bool {
        self.lists.contains(&document)
    }

    /// The number of the label column, if there is one: of numbers, of lists of numbers, or of texts.
    pub fn label(&self) -> Option<usize> {
        self.label
    }

    /// True if this column holds lists that are written as texts.
    pub(crate) fn is_literal(&self, document: usize) -> bool {
        self.literals.contains(&document)
    }

    pub(crate) fn scores(&self) -> &Scores {
        &self.scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::mapping::Roles;

    fn file(name: &str, text: &str) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Dataset::load(path).unwrap()
    }

    fn csv(header: &str, row: &str) -> Dataset {
        file("rows.csv", &format!("{header}\n{row}\n"))
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
            (&["sentence2", "sentence1", "score"], (1, vec![0], Some(2))),
            (&["positive", "negative", "query"], (2, vec![0, 1], None)),
            // FlagEmbedding, Tevatron, sentence-transformers in other spellings.
            (&["query", "pos", "neg"], (0, vec![1, 2], None)),
            (&["Query", "Positive Passage", "Hard-Negative 1", "hardNegative2"], (0, vec![1, 2, 3], None)),
            (&["question", "context", "neg_0", "neg_1"], (0, vec![1, 2, 3], None)),
            (&["query", "passage_1", "passage_2", "passage_3"], (0, vec![1, 2, 3], None)),
            // Roles go by name wherever the columns stand.
            (&["query", "negative", "positive"], (0, vec![2, 1], None)),
            (&["query", "question", "answer", "positive"], (0, vec![3], None)),
            (&["query", "query_expanded", "positive"], (0, vec![2], None)),
            // The order decides.
            (&["a", "b", "c"], (0, vec![1, 2], None)),
            (&["title", "body"], (0, vec![1], None)),
            (&["claim", "url", "positive", "negative"], (0, vec![2, 3], None)),
            (&["query", "a", "b"], (0, vec![1, 2], None)),
        ] {
            assert_eq!(roles(columns).unwrap(), expected, "{columns:?}");
        }
    }

    /// sentence-transformers issue 2791: a column of facts about a text beside the texts.
    #[test]
    fn other_columns_play_no_part() {
        let plain = ["query", "positive", "negative"];
        for other in
            ["title", "id", "url", "source", "tags", "prompt", "__index_level_0__", "answer", "positive_title", "x"]
        {
            for at in 0..4 {
                let mut columns = plain.to_vec();
                columns.insert(at, other);
                let (query, documents, _) = roles(&columns).unwrap();
                let names: Vec<&str> = documents.iter().map(|&column| columns[column]).collect();
                assert_eq!((columns[query], &names[..]), ("query", &["positive", "negative"][..]), "{columns:?}");
            }
        }
    }

    #[test]
    fn columns_that_cannot_be_meant_are_errors() {
        for (columns, expected) in [
            (
                &["body", "label"][..],
                "rows in memory: no document column beside the query \"body\"; found: body (text), label (text); expected ",
            ),
            (&["query"], "no document column beside the query \"query\""),
            (
                &["query_id", "document_ids", "scores"],
                "no text column; to distil, give the tables of queries and documents with these rows; found: query_id (text), document_ids (text), scores (text)",
            ),
            (&["positive", "negative"], "no query column"),
            (&["query", "anchor", "positive"], "several query columns (\"query\", \"anchor\")"),
            (&["question", "context", "answer"], "several columns could be the positive (\"context\", \"answer\")"),
            (&["query", "negative", "other"], "\"negative\" would be the positive, because it is the first document"),
        ] {
            let message = roles(columns).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
            assert!(!message.contains('\n'));
        }
        let message =
            Columns::of(&file("rows.jsonl", "{\"query\": 1999, \"positive\": \"a\"}\n")).unwrap_err().to_string();
        assert!(
            message.contains("the query \"query\" holds numbers; expected texts; found: query (number)"),
            "{message}"
        );
    }

    #[test]
    fn numbers_are_texts_where_a_name_says_so() {
        let columns = Columns::of(&csv("query,score,positive,label", "1999,0.5,0007,1")).unwrap();
        assert_eq!((columns.query(), columns.documents(), columns.label()), (0, &[2][..], Some(3)));
        let message = Columns::of(&csv("query,score", "a,0.5")).unwrap_err().to_string();
        assert!(message.contains("found: query (text), score (text)"), "{message}");
        // Without a name, a column of numbers is no document.
        let columns = Columns::of(&csv("number,body,views,summary", "1,a,17,b")).unwrap();
        assert_eq!((columns.query(), columns.documents()), (1, &[3][..]));
    }

    #[test]
    fn lists_of_texts_are_documents() {
        let load = |row: &str| Columns::of(&file("rows.jsonl", row));
        let columns = load(r#"{"query": "a", "positive": "d", "documents": ["b", "c"], "scores": [1, 2, 3]}"#).unwrap();
        assert_eq!((columns.query(), columns.documents(), columns.label()), (0, &[1, 2][..], Some(3)));
        assert_eq!([1, 2].map(|document| columns.is_list(document)), [false, true]);
        assert_eq!(columns.scores(), &Scores::List(3));
        let columns = load(r#"{"query": "a", "documents": ["b", "c"]}"#).unwrap();
        assert_eq!((columns.positives(), columns.documents(), columns.negatives()), (&[][..], &[1][..], &[][..]));
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
        // pandas writes lists to CSV as Python does.
        let columns = Columns::of(&csv("query,positive,neg", "a,[1] b,\"['c', 'd']\"")).unwrap();
        assert_eq!([1, 2].map(|document| columns.is_list(document)), [false, true]);
    }

    #[test]
    fn a_teachers_scores_are_a_list_or_columns() {
        let columns = Columns::of(&csv("query,doc_1,doc_2,score_1,score_2", "a,b,c,0.5,1")).unwrap();
        assert_eq!((columns.documents(), columns.scores()), (&[1, 2][..], &Scores::Columns(vec![3, 4])));
        let columns = Columns::of(&csv("query,positive,negative,scores", "a,b,c,\"[1, 0.5]\"")).unwrap();
        assert_eq!(columns.scores(), &Scores::List(3));
        let message =
            Columns::of(&csv("query,negative,positive,scores", "a,b,c,\"[1, 0.5]\"")).unwrap_err().to_string();
        assert!(message.contains("the positive has to be the first of \"negative\", \"positive\";"), "{message}");
    }

    #[test]
    fn roles_that_are_given_go_first() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let of = |columns: &[&str], roles: Roles| {
            let row = columns.iter().map(|_| "text".to_owned()).collect();
            let data = Dataset::from_rows(columns, [row]).unwrap().with_columns(roles).unwrap();
            let columns = Columns::of(&data).unwrap();
            (columns.query(), columns.documents().to_vec(), columns.label())
        };
        let columns = ["q", "n2", "p", "n1", "score", "title"];
        let all = Roles {
            query: Some("q".into()),
            positive: names(&["p"]),
            negatives: names(&["n1", "n2"]),
            label: Some("score".into()),
            drop: names(&["title"]),
            ..Roles::default()
        };
        assert_eq!(of(&columns, all), (0, vec![2, 3, 1], Some(4)));
        let swapped = Roles { query: Some("positive".into()), positive: names(&["query"]), ..Roles::default() };
        assert_eq!(of(&["query", "positive", "negative"], swapped), (1, vec![0, 2], None));
        let dropped = Roles { drop: names(&["title"]), ..Roles::default() };
        assert_eq!(of(&["title", "a", "b"], dropped), (1, vec![2], None));
        let id = Roles { positive: names(&["doc_id"]), ..Roles::default() };
        assert_eq!(of(&["query", "doc_id"], id), (0, vec![1], None), "a name that is given is a text");
    }

    #[test]
    fn one_line_says_all_roles() {
        let line = |columns: &[&str]| {
            let row = columns.iter().map(|_| "text".to_owned()).collect();
            let data = Dataset::from_rows(columns, [row]).unwrap();
            Columns::find(&data).unwrap().line(&data)
        };
        assert_eq!(
            line(&["id", "query", "title", "pos", "neg_1", "neg_2", "label"]),
            "rows in memory: columns by role: query \"query\"; positive \"pos\"; negatives \"neg_1\", \"neg_2\"; label \"label\"; ignored \"id\", \"title\""
        );
        assert_eq!(
            line(&["a", "b", "c"]),
            "rows in memory: no name says which column is the query or the positive, so their order decides: query \"a\"; positive \"b\"; negatives \"c\"; [data.columns] gives other roles"
        );
    }
}
