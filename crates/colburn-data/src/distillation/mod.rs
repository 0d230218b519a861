//! Distillation data: rows with the id of a query, the ids of documents and a teacher's scores, beside two tables with the
//! texts. This is PyLate's `KDProcessing`. The texts of a row are looked up when the row is read, so a corpus of millions of
//! documents costs a few bytes of memory a document.

pub(crate) mod ids;
mod lookup;
mod named_rows;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use self::lookup::Lookup;
use self::named_rows::NamedRows;
use crate::dataset::Dataset;
use crate::distillation::ids::Id;
use crate::error::{Error, Result};

/// PyLate's default of `n_ways`.
const N_WAYS: usize = 32;

/// Rows of a query, documents and a teacher's scores (PyLate's `KDProcessing`).
///
/// Three tables make such a data set: the train rows with `query_id`, `document_ids` and `scores`, the queries with
/// `query_id` and `text`, the documents with `document_id` and `text`. Further columns are ignored. Ids are integers or
/// texts, and an integer is the same id as the text of its digits; `document_ids` and `scores` are lists, or texts that
/// hold lists (`"[1, 2]"`). Where a table has an id twice, its last row counts.
///
/// The first `n_ways` documents of a row are kept, in their order. [`n_ways`](Self::n_ways) sets this number, and every row needs at least
/// as many. Where it is not given, all rows need the same number of documents, of which the first 32 are kept, as in PyLate.
///
/// Rows without a teacher are triples of ids: `query_id`, `positive_id` and `negative_id` (or `qid`, `pid`, `nid`), with any number of negatives
/// in columns `negative_id_1`, `negative_id_2`, …. So MS MARCO's `qidpidtriples.train.full.2.tsv` goes with its `queries.train.tsv` and
/// `collection.tsv`.
///
/// Clones and selections of rows are cheap: they share the tables.
///
/// ```
/// use colburn_data::{Dataset, KdProcessing};
///
/// let table = |names: &[&str], rows: &[&[&str]]| {
///     Dataset::from_rows(names, rows.iter().map(|row| row.iter().map(|text| text.to_string()).collect()))
/// };
/// let train = table(&["query_id", "document_ids", "scores"], &[&["1", "[20, 30, 10]", "[0.5, -1.5, 0.25]"]])?;
/// let queries = table(&["query_id", "text"], &[&["1", "what is rust"]])?;
/// let documents = table(&["document_id", "text"], &[&["10", "a corpus"], &["20", "a language"], &["30", "iron oxide"]])?;
///
/// let data = KdProcessing::new(train, queries, documents)?.n_ways(2)?;
/// assert_eq!(data.query(0)?, "what is rust");
/// assert_eq!(data.documents(0)?, ["a language", "iron oxide"]);
/// assert_eq!(data.scores(0)?, [0.5, -1.5]);
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone)]
pub struct KdProcessing {
    train: Dataset,
    columns: NamedRows,
    queries: Arc<Lookup>,
    documents: Arc<Lookup>,
    n_ways: usize,
    /// True if `n_ways` was given.
    is_given: bool,
}

impl KdProcessing {
    /// The name that PyLate gives the column of query texts, for prompts.
    pub const QUERY: &str = "query";
    /// The name that PyLate gives the column of document texts, for prompts.
    pub const DOCUMENTS: &str = "documents";

    /// Joins the three tables, and indexes the ids of the two with texts.
    ///
    /// # Errors
    /// When a table lacks a column, or has it with another type; the message has the table, its columns and the expected
    /// ones. When an id is missing, or is a number but not an integer of 64 bits. When the first row has no list of at least
    /// 2 documents.
    pub fn new(train: Dataset, queries: Dataset, documents: Dataset) -> Result<Self> {
        let columns = NamedRows::find(&train)?;
        let queries = Lookup::queries(queries)?;
        let documents = Lookup::documents(documents)?;
        let (queries, documents) = (Arc::new(queries), Arc::new(documents));
        let mut data = Self { train, columns, queries, documents, n_ways: N_WAYS, is_given: false };
        if !data.is_empty() {
            let ids = data.ids(0)?.len();
            data.n_ways = if data.has_scores() { ids.min(N_WAYS) } else { ids };
            if data.has_scores() && data.n_ways < 2 {
                let problem = format!("{} document_ids; expected at least 2 to compare", data.n_ways);
                return Err(data.problem(0, problem));
            }
        }
        Ok(data)
    }

    /// Loads the three tables, each as [`Dataset::load`] does, and joins them.
    ///
    /// # Errors
    /// As [`Dataset::load`] and [`KdProcessing::new`].
    pub fn load(train: impl AsRef<Path>, queries: impl AsRef<Path>, documents: impl AsRef<Path>) -> Result<Self> {
        Self::new(Dataset::load(train)?, Dataset::load(queries)?, Dataset::load(documents)?)
    }

    /// Keeps the first `n_ways` documents and scores of each row; a row that has fewer is an error when it is read.
    ///
    /// # Errors
    /// When `n_ways` is below 2.
    pub fn n_ways(mut self, n_ways: usize) -> Result<Self> {
        if n_ways < 2 {
            return Err(Error::NWays { n_ways });
        }
        self.n_ways = n_ways;
        self.is_given = true;
        Ok(self)
    }

    /// True if a teacher scored the documents; false for triples of ids.
    pub fn has_scores(&self) -> bool {
        self.columns.has_scores()
    }

    /// The number of documents of a row.
    pub fn ways(&self) -> usize {
        self.n_ways
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.train.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.train.is_empty()
    }

    /// The text of the row's query.
    ///
    /// # Errors
    /// When there is no such row, or its query is not among the queries.
    pub fn query(&self, row: usize) -> Result<&str> {
        self.queries.text(self.query_row(row)?)
    }

    /// The texts of the row's documents, `n_ways` of them. A document that is not in the documents table is an empty text, as
    /// in PyLate; [`check`](Self::check) returns the number of such documents.
    ///
    /// # Errors
    /// When there is no such row, or it has no list of ids, or one of fewer than `n_ways`.
    pub fn documents(&self, row: usize) -> Result<Vec<&str>> {
        let text = |found: Option<usize>| found.map_or(Ok(""), |found| self.documents.text(found));
        self.document_rows(row)?.into_iter().map(text).collect()
    }

    /// The teacher's scores of the row's documents, `n_ways` of them; none without a teacher.
    ///
    /// # Errors
    /// When there is no such row, or it has no list of scores, not one for each document, or a score is NaN or infinite.
    pub fn scores(&self, row: usize) -> Result<Vec<f32>> {
        self.columns.scores(&self.train, row, self.ids(row)?.len(), self.n_ways)
    }

    /// Checks that every row has a query that exists, enough documents, as many as the others unless `n_ways` is given, and a finite score
    /// for each, and that the texts of queries and documents are not empty. A new [`Collator`](crate::Collator) calls it, because a bad row
    /// would otherwise stop a run after hours. Returns the number of document ids that are not in the documents table, and logs one
    /// warning about them.
    ///
    /// # Errors
    /// At the first bad row, and when none of the documents exists.
    pub fn check(&self) -> Result<usize> {
        let (mut named, mut missing) = (0, 0);
        for row in 0..self.len() {
            self.queries.check_text(self.query_row(row)?)?;
            let count = self.ids(row)?.len();
            self.columns.scores(&self.train, row, count, self.n_ways)?;
            if !self.is_given && count != self.n_ways && !(self.has_scores() && count.min(N_WAYS) == self.n_ways) {
                return Err(self.unlike(row, count));
            }
            let documents = self.document_rows(row)?;
            named += documents.len();
            missing += documents.iter().filter(|found| found.is_none()).count();
            documents.into_iter().flatten().try_for_each(|found| self.documents.check_text(found))?;
        }
        let (train, documents) = (self.train.origin(), self.documents.data.origin());
        if missing == named && named > 0 {
            return Err(Error::NoDocument { documents, train, count: named });
        }
        if missing > 0 {
            tracing::warn!(
                "{train}: {missing} of the {named} document_ids are not in {documents}; their documents are empty texts"
            );
        }
        Ok(missing)
    }

    /// The rows whose query and documents have a text. One warning says how many are left out. A document that is not in the documents
    /// table stays an empty text, as in PyLate.
    ///
    /// # Errors
    /// At the first row without a query that exists or without enough documents, and when no row is left.
    pub fn skip_missing(&self) -> Result<Self> {
        let mut kept = Vec::with_capacity(self.len());
        for row in 0..self.len() {
            let mut missing = self.queries.is_missing(self.query_row(row)?)?;
            for document in self.document_rows(row)?.into_iter().flatten() {
                missing |= self.documents.is_missing(document)?;
            }
            if !missing {
                kept.push(row);
            }
        }
        let (train, rows, left_out) = (self.train.origin(), self.len(), self.len() - kept.len());
        if left_out == 0 {
            return Ok(self.clone());
        }
        if kept.is_empty() {
            return Err(Error::NoRows { data: train, problem: format!("none of {rows} rows is left") });
        }
        tracing::warn!("{train}: {left_out} of {rows} rows name a query or document without a text and are left out");
        self.select(&kept)
    }

    /// The given rows in the given order; a row may occur more than once.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        Ok(self.with_train(self.train.select(rows)?))
    }

    /// Consecutive rows.
    ///
    /// # Errors
    /// When the range is not within the data set.
    pub fn slice(&self, rows: Range<usize>) -> Result<Self> {
        Ok(self.with_train(self.train.slice(rows)?))
    }

    /// The first `count` rows, or all of them when there are fewer.
    pub fn take(&self, count: usize) -> Self {
        self.with_train(self.train.take(count))
    }

    /// Splits the rows at random in a training and a test part, as [`Dataset::train_test_split`] does.
    ///
    /// # Errors
    /// When `test_size` is neither a share nor a whole number, or would leave a part without rows.
    pub fn train_test_split(&self, test_size: f64, seed: u64) -> Result<(Self, Self)> {
        let (train, test) = self.train.train_test_split(test_size, seed)?;
        Ok((self.with_train(train), self.with_train(test)))
    }

    /// One line for reports and messages: where the tables come from, how many rows they have, and `n_ways`.
    pub fn description(&self) -> String {
        let (queries, documents) = (self.queries.data.description(), self.documents.data.description());
        format!("{}; queries {queries}; documents {documents}; n_ways = {}", self.train.description(), self.n_ways)
    }

    /// The train rows and the tables of queries and documents.
    pub(crate) fn tables(&self) -> [&Dataset; 3] {
        [&self.train, &self.queries.data, &self.documents.data]
    }

    /// The id of the row's query, then those of its documents.
    pub(crate) fn row_ids(&self, row: usize) -> Result<(Id<'_>, Vec<Id<'_>>)> {
        Ok((self.query_id(row)?, self.kept_ids(row)?))
    }

    /// The lengths of the texts of a row in bytes, the query first.
    pub(crate) fn text_lengths(&self, row: usize) -> Result<Vec<usize>> {
        let query = self.queries.length(self.query_row(row)?);
        let length = |found: Option<usize>| found.map_or(Ok(0), |found| self.documents.length(found));
        std::iter::once(query).chain(self.document_rows(row)?.into_iter().map(length)).collect()
    }

    fn with_train(&self, train: Dataset) -> Self {
        Self { train, ..self.clone() }
    }

    fn query_id(&self, row: usize) -> Result<Id<'_>> {
        self.columns.query(&self.train, row)
    }

    fn query_row(&self, row: usize) -> Result<usize> {
        let id = self.query_id(row)?;
        let found = self.queries.find(&id)?;
        found.ok_or_else(|| self.problem(row, format!("not a query_id of {}", self.queries.data.origin())))
    }

    /// The rows of the row's documents in their table, `n_ways` of them.
    fn document_rows(&self, row: usize) -> Result<Vec<Option<usize>>> {
        self.kept_ids(row)?.iter().map(|id| self.documents.find(id)).collect()
    }

    fn kept_ids(&self, row: usize) -> Result<Vec<Id<'_>>> {
        let mut ids = self.ids(row)?;
        if ids.len() < self.n_ways {
            let (found, n_ways) = (ids.len(), self.n_ways);
            let problem =
                format!("{found} document_ids where n_ways = {n_ways}; expected at least as many in every row");
            return Err(self.problem(row, problem));
        }
        ids.truncate(self.n_ways);
        Ok(ids)
    }

    fn ids(&self, row: usize) -> Result<Vec<Id<'_>>> {
        self.columns.ids(&self.train, row)
    }

    /// The error about a row with another number of documents than the first one.
    fn unlike(&self, row: usize, count: usize) -> Error {
        let first = self.n_ways;
        let at_least = if first == N_WAYS { "at least " } else { "" };
        self.problem(
            row,
            format!(
                "{count} document_ids, but the first row has {at_least}{first}; expected as many in every row, or n_ways = N to keep the first \
                 N of each"
            ),
        )
    }

    fn problem(&self, row: usize, problem: String) -> Error {
        self.columns.problem(&self.train, row, problem)
    }
}

impl fmt::Debug for KdProcessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KdProcessing").field(&self.description()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const TRAIN: [&str; 3] = ["query_id", "document_ids", "scores"];

    fn table(columns: &[&str], rows: &[&[&str]]) -> Dataset {
        Dataset::from_rows(columns, rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect())).unwrap()
    }

    fn queries() -> Dataset {
        table(&["query_id", "text"], &[&["1", "first"], &["q2", "second"]])
    }

    fn documents() -> Dataset {
        table(&["text", "document_id", "title"], &[&["one", "1", "-"], &["two", "2", "-"], &["three", "d3", "-"]])
    }

    fn rows(rows: &[&[&str]]) -> Result<KdProcessing> {
        KdProcessing::new(table(&TRAIN, rows), queries(), documents())
    }

    fn write(folder: &Path, name: &str, lines: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, lines).unwrap();
        path
    }

    #[test]
    fn lists_and_ids_may_be_texts_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let queries = write(
            folder.path(),
            "queries.jsonl",
            "{\"query_id\": 1, \"text\": \"first\"}\n{\"query_id\": 2, \"text\": \"second\"}\n",
        );
        let documents = write(
            folder.path(),
            "documents.csv",
            "document_id,text\n10,ten\n9007199254740993,big\n9007199254740992,near\n",
        );
        for train in [
            write(
                folder.path(),
                "lists.jsonl",
                "{\"query_id\": 2, \"document_ids\": [9007199254740993, 10], \"scores\": [1, 0.25]}\n",
            ),
            write(
                folder.path(),
                "texts.jsonl",
                "{\"query_id\": \"2\", \"document_ids\": [\"9007199254740993\", \"10\"], \"scores\": \"[1, 0.25]\"}\n",
            ),
            write(
                folder.path(),
                "repr.csv",
                "query_id,document_ids,scores\n2,\"[9007199254740993, 10]\",\"[1, 0.25]\"\n",
            ),
            write(
                folder.path(),
                "quotes.csv",
                "query_id,document_ids,scores\n2,\"['9007199254740993', '10']\",\"(1, 0.25)\"\n",
            ),
            write(
                folder.path(),
                "floats.jsonl",
                "{\"query_id\": 2.0, \"document_ids\": \"[9007199254740993, 10]\", \"scores\": [1, 0.25]}\n",
            ),
        ] {
            let data = KdProcessing::load(&train, &queries, &documents).unwrap();
            assert_eq!((data.len(), data.ways(), data.query(0).unwrap()), (1, 2, "second"), "{}", train.display());
            assert_eq!(data.documents(0).unwrap(), ["big", "ten"]);
            assert_eq!(data.scores(0).unwrap(), [1.0, 0.25]);
            assert_eq!(data.check().unwrap(), 0);
        }
    }

    #[test]
    fn the_first_n_ways_are_kept() {
        let data = rows(&[&["1", "[2, 3, 1]", "[3, 2, 1]"]]).unwrap();
        assert_eq!(data.ways(), 3);
        let two = data.clone().n_ways(2).unwrap();
        assert_eq!((two.documents(0).unwrap(), two.scores(0).unwrap()), (vec!["two", ""], vec![3.0, 2.0]));
        for n_ways in [0, 1] {
            let message = data.clone().n_ways(n_ways).unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "n_ways = {n_ways}; expected at least 2, because the scores are those of documents beside each other"
                )
            );
        }
        let many: Vec<String> = (0..40).map(|i| i.to_string()).collect();
        let list = format!("[{}]", many.join(", "));
        assert_eq!(rows(&[&["1", &list, &list]]).unwrap().ways(), 32);
        let none = rows(&[&["1", "[1, 2]", "[1, 2]"]]).unwrap().take(0);
        assert_eq!((none.is_empty(), none.check().unwrap()), (true, 0));
    }

    #[test]
    fn a_missing_document_is_an_empty_text() {
        let data = rows(&[&["1", "['1', 'd3']", "[1, 2]"], &["q2", "['d4', '2']", "[1, 2]"]]).unwrap();
        assert_eq!(data.documents(0).unwrap(), ["one", "three"]);
        assert_eq!(data.documents(1).unwrap(), ["", "two"]);
        assert_eq!((data.check().unwrap(), data.slice(0..1).unwrap().check().unwrap()), (1, 0));
        let message = rows(&[&["1", "[7, 8]", "[1, 2]"]]).unwrap().check().unwrap_err().to_string();
        assert!(
            message.starts_with("rows in memory: none of the 2 document_ids that rows in memory names"),
            "{message}"
        );
    }

    #[test]
    fn rows_that_cannot_be_used_are_named() {
        let good: &[&str] = &["1", "[1, 2]", "[1, 2]"];
        for (row, expected) in [
            (
                &["q3", "[1, 2]", "[1, 2]"],
                "row 1 in memory (counted from 0): query_id \"q3\": not a query_id of rows in memory",
            ),
            (
                &["q2", "[1]", "[1]"],
                "query_id \"q2\": 1 document_ids, but the first row has 2; expected as many in every row, or n_ways = N to keep the first N of each",
            ),
            (
                &["1", "[1, 2, 3]", "[1, 2]"],
                "query_id 1: 3 document_ids but 2 scores; expected a score for each document",
            ),
            (
                &["1", "[1, 2]", "[1, nan]"],
                "query_id 1: score 1 (counted from 0) is NaN; expected a finite number of 32 bits",
            ),
            (&["1", "[1, 2]", "[1, 1e39]"], "score 1 (counted from 0) is 1e39"),
            (&["1", "[1, 2]", "['1', '2']"], "query_id 1: scores holds texts; expected numbers"),
            (&["1", "[1, 2.5]", "[1, 2]"], "query_id 1: document_ids holds 2.5; expected integers or texts"),
            (
                &["1", "1, 2", "[1, 2]"],
                "row 1 in memory (counted from 0): column \"document_ids\": not a list of numbers or texts ('1' at character 1",
            ),
        ] {
            let data = rows(&[good, row]).unwrap();
            let message = data.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
            assert!(!message.contains('\n'));
            assert_eq!(data.take(1).check().unwrap(), 0);
        }
        assert!(rows(&[good]).unwrap().query(1).unwrap_err().to_string().starts_with("row 1 of a data set of 1 rows"));
    }

    #[test]
    fn a_row_of_a_file_is_named_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "part-0.csv", "query_id,document_ids,scores\n1,\"[1, 2]\",\"[1, 2]\"\n");
        write(
            folder.path(),
            "part-1.csv",
            "query_id,document_ids,scores\n1,\"[1, 2]\",\"[1, 2]\"\nq9,\"[1, 2]\",\"[1, 2]\"\n",
        );
        let train = Dataset::load(folder.path()).unwrap();
        let data = KdProcessing::new(train, queries(), documents()).unwrap();
        let message = data.check().unwrap_err().to_string();
        assert!(
            message.contains("part-1.csv: row 1 (counted from 0): query_id \"q9\": not a query_id of"),
            "{message}"
        );
    }

    #[test]
    fn tables_are_checked_first() {
        let train = || table(&TRAIN, &[&["1", "[1, 2]", "[1, 2]"]]);
        let new = |train, queries, documents| KdProcessing::new(train, queries, documents).unwrap_err().to_string();
        for (message, expected) in [
            (
                new(train(), documents(), queries()),
                "rows in memory: no column \"query_id\"; found: text (text), document_id (text), title (text); expected for the queries of a distillation data set: query_id (integer or text) and text (text)",
            ),
            (
                new(train(), queries(), queries()),
                "no column \"document_id\"; found: query_id (text), text (text); expected for the documents of a",
            ),
            (
                new(queries(), queries(), documents()),
                "no column \"document_ids\"; found: query_id (text), text (text); expected for the train rows of a distillation data set: query_id (integer or text), document_ids (list",
            ),
        ] {
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
        }
        let folder = tempfile::tempdir().unwrap();
        let load = |name: &str, lines: &str| Dataset::load(write(folder.path(), name, lines)).unwrap();
        let numbers = load("numbers.jsonl", "{\"document_id\": 1, \"text\": 2}\n");
        assert!(
            new(train(), queries(), numbers).contains(
                "column \"text\" holds other values than expected; found: document_id (number), text (number)"
            )
        );
        let scores = load("scores.jsonl", "{\"query_id\": 1, \"document_ids\": [1, 2], \"scores\": [\"1\"]}\n");
        assert!(new(scores, queries(), documents()).contains("column \"scores\" holds other values"));
        let fractions = load("fractions.jsonl", "{\"document_id\": 1.5, \"text\": \"a\"}\n");
        assert!(
            new(train(), queries(), fractions).contains("column \"document_id\": 1.5; expected an integer of 64 bits")
        );
        let few = rows(&[&["1", "[1]", "[1]"]]).unwrap_err().to_string();
        assert_eq!(few, "row 0 in memory (counted from 0): query_id 1: 1 document_ids; expected at least 2 to compare");
    }

    #[test]
    fn parts_share_the_tables() {
        let row: &[&str] = &["1", "[1, 2]", "[1, 2]"];
        let data = rows(&[row, &["q2", "[2, 1]", "[3, 4]"], row]).unwrap();
        let (train, test) = data.train_test_split(1.0, 42).unwrap();
        assert_eq!((train.len(), test.len()), (2, 1));
        for part in [data.select(&[1]).unwrap(), data.slice(1..2).unwrap(), data.slice(1..3).unwrap().take(1)] {
            assert_eq!((part.query(0).unwrap(), part.documents(0).unwrap()), ("second", vec!["two", "one"]));
            assert_eq!(part.scores(0).unwrap(), [3.0, 4.0]);
            assert!(Arc::ptr_eq(&part.documents, &data.documents));
        }
        assert!(data.select(&[3]).is_err() && data.slice(2..4).is_err());
        assert!(format!("{data:?}").starts_with("KdProcessing(\"rows in memory: 3 rows;"));
    }
}
