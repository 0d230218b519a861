//! Distillation data: rows that name a query and documents by their ids and say what a teacher thinks of each pair, beside
//! two tables with the texts. This is PyLate's `KDProcessing`: the texts of a row are looked up when the row is asked for,
//! so a corpus of millions of documents costs a few bytes of memory a document.

mod lookup;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use self::lookup::{Lookup, Role};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ids::Id;
use crate::lists::List;
use crate::numbers::whole;
use crate::table::{Items, Kind};

/// PyLate's default of `n_ways`.
const N_WAYS: usize = 32;

/// Rows of a query, its documents and a teacher's scores of them (PyLate's `KDProcessing`).
///
/// Three tables make such a data set: the train rows with `query_id`, `document_ids` and `scores`, the queries with
/// `query_id` and `text`, the documents with `document_id` and `text`. Further columns are ignored. Ids are integers or
/// texts, and an integer is the same id as the text of its digits; `document_ids` and `scores` are lists, or texts that
/// hold lists (`"[1, 2]"`). Where a table has an id twice, its last row counts.
///
/// The first `n_ways` documents of a row are kept, in their order: as [`n_ways`](Self::n_ways) says, or else 32, PyLate's
/// default, or what the first row has if that is fewer. Every row must have as many.
///
/// A clone is cheap, and so is a part of the rows: they share the tables.
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
    columns: TrainColumns,
    queries: Arc<Lookup>,
    documents: Arc<Lookup>,
    n_ways: usize,
}

#[derive(Clone, Copy)]
struct TrainColumns {
    query_id: usize,
    document_ids: usize,
    scores: usize,
}

impl KdProcessing {
    /// The name that PyLate gives the column of query texts, for prompts.
    pub const QUERY: &str = "query";
    /// The name that PyLate gives the column of document texts, for prompts.
    pub const DOCUMENTS: &str = "documents";

    /// Joins the three tables, and indexes the ids of the two with texts.
    ///
    /// # Errors
    /// When a table lacks a column, or has one of another type; the message names the table, what is there and what is
    /// expected. When an id is missing, or a number that is no integer of 64 bits. When the first row has no list of at
    /// least 2 documents.
    pub fn new(train: Dataset, queries: Dataset, documents: Dataset) -> Result<Self> {
        let table = Role {
            name: "train rows",
            data: &train,
            expected: "query_id (integer or text), document_ids (list of integers or texts) and scores (list of numbers), where a list may be a text such as \"[1, 2]\"",
        };
        let columns = TrainColumns {
            query_id: table.column("query_id", Role::is_id)?,
            document_ids: table.column("document_ids", |kind| matches!(kind, Kind::List(_) | Kind::Text))?,
            scores: table
                .column("scores", |kind| matches!(kind, Kind::List(Items::Numbers | Items::Unknown) | Kind::Text))?,
        };
        let queries = Lookup::new("queries", "query_id", "query_id (integer or text) and text (text)", queries)?;
        let documents =
            Lookup::new("documents", "document_id", "document_id (integer or text) and text (text)", documents)?;
        let (queries, documents) = (Arc::new(queries), Arc::new(documents));
        let mut data = Self { train, columns, queries, documents, n_ways: N_WAYS };
        if !data.is_empty() {
            data.n_ways = data.ids(0)?.len().min(N_WAYS);
            if data.n_ways < 2 {
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
        Ok(self)
    }

    /// How many documents a row has.
    pub fn ways(&self) -> usize {
        self.n_ways
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.train.len()
    }

    /// Whether there is no row.
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

    /// The texts of the row's documents, `n_ways` of them. A document that is not among the documents is an empty text,
    /// as in PyLate, which warns of each; [`check`](Self::check) says how many there are.
    ///
    /// # Errors
    /// When there is no such row, or it has no list of ids, or one of fewer than `n_ways`.
    pub fn documents(&self, row: usize) -> Result<Vec<&str>> {
        let text = |found: Option<usize>| found.map_or(Ok(""), |found| self.documents.text(found));
        self.document_rows(row)?.into_iter().map(text).collect()
    }

    /// The teacher's scores of the row's documents, `n_ways` of them.
    ///
    /// # Errors
    /// When there is no such row, or it has no list of scores, not one for each document, or a score is NaN or infinite.
    pub fn scores(&self, row: usize) -> Result<Vec<f32>> {
        self.scores_of(row, self.ids(row)?.len())
    }

    /// Reads all rows, but no text: whether each has a query that exists, enough documents, and a finite score for each. A
    /// [`Collator`](crate::Collator) does it when it is made, because the row that stops a run may come hours into it.
    /// Returns how many of the documents named are not among the documents, and warns of them once.
    ///
    /// # Errors
    /// At the first such row, and when not one of the documents exists.
    pub fn check(&self) -> Result<usize> {
        let (mut named, mut missing) = (0, 0);
        for row in 0..self.len() {
            self.query_row(row)?;
            self.scores_of(row, self.ids(row)?.len())?;
            let documents = self.document_rows(row)?;
            named += documents.len();
            missing += documents.iter().filter(|found| found.is_none()).count();
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

    /// The given rows in the given order; a row may occur more than once.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        Ok(self.with_train(self.train.select(rows)?))
    }

    /// A run of rows.
    ///
    /// # Errors
    /// When the run does not lie within the data set.
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

    /// How many bytes the texts of a row have, the query first.
    pub(crate) fn text_lengths(&self, row: usize) -> Result<Vec<usize>> {
        let query = self.queries.length(self.query_row(row)?);
        let length = |found: Option<usize>| found.map_or(Ok(0), |found| self.documents.length(found));
        std::iter::once(query).chain(self.document_rows(row)?.into_iter().map(length)).collect()
    }

    fn with_train(&self, train: Dataset) -> Self {
        Self { train, ..self.clone() }
    }

    fn query_id(&self, row: usize) -> Result<Id<'_>> {
        Id::of(&self.train, row, self.columns.query_id)
    }

    fn query_row(&self, row: usize) -> Result<usize> {
        let id = self.query_id(row)?;
        let found = self.queries.find(&id)?;
        found.ok_or_else(|| self.problem(row, format!("not a query_id of {}", self.queries.data.origin())))
    }

    /// Where the row's documents are, `n_ways` of them.
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
        match self.train.list(row, self.columns.document_ids)? {
            List::Integers(ids) => Ok(ids.into_iter().map(Id::Integer).collect()),
            List::Texts(ids) => Ok(ids.into_iter().map(Id::text).collect()),
            List::Floats(ids) => ids
                .into_iter()
                .map(|id| {
                    whole(id).map(Id::Integer).ok_or_else(|| {
                        self.problem(row, format!("document_ids holds {id}; expected integers or texts"))
                    })
                })
                .collect(),
        }
    }

    fn scores_of(&self, row: usize, documents: usize) -> Result<Vec<f32>> {
        let scores = self.train.list(row, self.columns.scores)?.into_floats();
        let scores = scores.ok_or_else(|| self.problem(row, "scores holds texts; expected numbers".to_owned()))?;
        if scores.len() != documents {
            let found = scores.len();
            let problem = format!("{documents} document_ids but {found} scores; expected a score for each document");
            return Err(self.problem(row, problem));
        }
        let scores: Vec<f32> = scores.into_iter().take(self.n_ways).map(|score| score as f32).collect();
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            let problem = format!("score {at} (counted from 0) is {}; expected a finite number", scores[at]);
            return Err(self.problem(row, problem));
        }
        Ok(scores)
    }

    fn problem(&self, row: usize, problem: String) -> Error {
        let id = self.query_id(row).map_or_else(|error| error.to_string(), |id| id.to_string());
        Error::Example { place: self.train.place(row), problem: format!("query_id {id}: {problem}") }
    }
}

impl fmt::Debug for KdProcessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KdProcessing").field(&self.description()).finish()
    }
}

#[cfg(test)]
mod tests;
