//! Judgements ("qrels"): which document is how relevant for which query.

use std::collections::BTreeMap;

use colburn_data::{Dataset, List, Value};

use super::{
    ids::IdIndex,
    table::{self, TextTable, column, missing, place},
};
use crate::error::{Error, Result};

/// One judgement as it was read.
pub(super) struct Judgement {
    /// The file and the row, for messages.
    pub place: String,
    /// The query's id.
    pub query: String,
    /// The document's id.
    pub document: String,
    /// Its relevance; 0 and less: not relevant.
    pub grade: f64,
}

impl Judgement {
    /// The rows of its query and its document.
    ///
    /// # Errors
    /// When there is no such row: a document that cannot be found would keep recall below 1 whatever a model does.
    pub fn rows(&self, queries: (&TextTable, &IdIndex), corpus: (&TextTable, &IdIndex)) -> Result<(usize, usize)> {
        let find = |what: &str, id: &str, (table, ids): (&TextTable, &IdIndex)| {
            let unknown = || self.error(format!("there is no {what} with the id \"{id}\" in {}", table.files()));
            ids.find(table, id)?.ok_or_else(unknown)
        };
        Ok((find("query", &self.query, queries)?, find("document", &self.document, corpus)?))
    }

    /// Adds the document to those of its query; one that is there already is passed over.
    ///
    /// # Errors
    /// When the grade is no number, or another one than before.
    pub fn add_to(&self, judged: &mut BTreeMap<usize, f64>, document: usize) -> Result<()> {
        if !self.grade.is_finite() {
            return Err(self.error(format!("the grade is {}; a finite number is expected", self.grade)));
        }
        let before = *judged.entry(document).or_insert(self.grade);
        if before == self.grade {
            return Ok(());
        }
        let Self { query, document, grade, .. } = self;
        Err(self.error(format!(
            "query \"{query}\" and document \"{document}\" are graded {grade} here, but {before} before"
        )))
    }

    fn error(&self, message: String) -> Error {
        Error::Collection { place: self.place.clone(), message }
    }
}

/// The relevant documents of one query.
#[derive(Clone, Debug)]
pub(super) struct Relevance {
    /// Positions of the relevant documents, in order.
    documents: Vec<usize>,
    /// Their grades, then those of relevant documents that are not in the corpus.
    grades: Vec<f64>,
}

impl Relevance {
    /// The relevant ones among the documents that were judged, given by their rows, of which `positions` says where they are now.
    pub fn new(judged: BTreeMap<usize, f64>, positions: &[Option<usize>]) -> Self {
        let relevant = judged.into_iter().filter(|(_, grade)| *grade > 0.0);
        let (found, left_out): (Vec<_>, Vec<_>) = relevant.partition(|(row, _)| positions[*row].is_some());
        let documents = found.iter().filter_map(|(row, _)| positions[*row]).collect();
        Self { documents, grades: found.into_iter().chain(left_out).map(|(_, grade)| grade).collect() }
    }

    pub fn grade(&self, document: usize) -> f64 {
        self.documents.binary_search(&document).map_or(0.0, |at| self.grades[at])
    }

    pub fn grades(&self) -> &[f64] {
        &self.grades
    }
}

/// The names of the column of query ids.
pub(super) const QUERIES: [&str; 4] = ["query-id", "query_id", "qid", "topic"];

/// The names of the column of document ids.
pub(super) const DOCUMENTS: [&str; 8] =
    ["corpus-id", "corpus_id", "document_id", "document-id", "doc_id", "docid", "docno", "pid"];

/// The names of the column of grades.
pub(super) const SCORES: [&str; 4] = ["score", "relevance", "rel", "label"];

/// The judgements of a table with the columns `query-id`, `corpus-id` (a list where several documents share a row) and, if they are
/// graded, `score`, or other names of these.
///
/// # Errors
/// When a column is missing. Rows are read, and refused, as they are asked for.
pub(super) fn of_table(data: &Dataset) -> Result<impl Iterator<Item = Result<Judgement>>> {
    let query = column(data, &QUERIES).ok_or_else(|| missing(data, "query-id", "texts or integers"))?;
    let documents = column(data, &DOCUMENTS);
    let documents = documents.ok_or_else(|| missing(data, "corpus-id", "texts, integers or lists of them"))?;
    let score = column(data, &SCORES);
    Ok((0..data.len()).flat_map(move |row| match of_row(data, row, query, documents, score) {
        Ok(judgements) => judgements.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }))
}

fn of_row(data: &Dataset, row: usize, query: usize, documents: usize, score: Option<usize>) -> Result<Vec<Judgement>> {
    let wrong = |message: String| Error::Collection { place: place(data, row), message };
    let query = table::id(data, query, row)?;
    let documents = match data.value(row, documents)? {
        Value::List(ids) => {
            of_list(ids).ok_or_else(|| wrong("corpus-id holds numbers with fractions; ids are expected".to_owned()))?
        }
        _ => vec![table::id(data, documents, row)?.into_owned()],
    };
    let no_grade = |found: &dyn std::fmt::Display| wrong(format!("the score is {found}; a number is expected"));
    let grades = match score.map(|score| data.value(row, score)).transpose()? {
        None => vec![1.0; documents.len()],
        Some(Value::Integer(grade)) => vec![grade as f64; documents.len()],
        Some(Value::Float(grade)) if !grade.is_nan() => vec![grade; documents.len()],
        Some(Value::Null | Value::Float(_)) => return Err(no_grade(&"null or NaN")),
        Some(Value::Text(text)) => {
            vec![text.trim().parse().map_err(|_| no_grade(&format!("{text:?}")))?; documents.len()]
        }
        Some(Value::List(grades)) => {
            let grades = grades.into_floats().ok_or_else(|| no_grade(&"a list of texts"))?;
            if grades.len() != documents.len() {
                let (found, expected) = (grades.len(), documents.len());
                return Err(wrong(format!("{found} scores of {expected} documents; one for each is expected")));
            }
            grades
        }
        Some(Value::Other(kind)) => return Err(no_grade(&kind)),
    };
    let judgement =
        |(document, grade)| Judgement { place: place(data, row), query: query.clone().into_owned(), document, grade };
    Ok(documents.into_iter().zip(grades).map(judgement).collect())
}

/// The ids in a list; none if one of them is no whole number.
fn of_list(ids: List<'_>) -> Option<Vec<String>> {
    match ids {
        List::Texts(ids) => Some(ids.into_iter().map(String::from).collect()),
        List::Integers(ids) => Some(ids.iter().map(i64::to_string).collect()),
        List::Floats(ids) => ids.iter().map(|id| Some(Value::Float(*id).id()?.into_owned())).collect(),
    }
}
