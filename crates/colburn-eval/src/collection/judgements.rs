//! Judgements ("qrels"): which document is how relevant for which query.

use std::collections::BTreeMap;

use colburn_data::{Dataset, List};

use super::{
    ids::IdIndex,
    table::{self, Column, TextTable, column, missing, place},
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

/// The judgements of a table with the columns `query-id`, `corpus-id` (a list where several documents share a row) and, if they are
/// graded, `score`.
///
/// # Errors
/// When a column is missing or holds something else. Rows are read, and refused, as they are asked for.
pub(super) fn of_table(data: &Dataset) -> Result<impl Iterator<Item = Result<Judgement>>> {
    let query = match column(data, &["query-id", "query_id"])? {
        Some(query @ (Column::Text(_) | Column::Number(_))) => query,
        _ => return Err(missing(data, "query-id", "texts or integers")),
    };
    let documents = column(data, &["corpus-id", "corpus_id", "document_id"])?;
    let documents = documents.ok_or_else(|| missing(data, "corpus-id", "texts, integers or lists of them"))?;
    let score = column(data, &["score"])?;
    Ok((0..data.len()).flat_map(move |row| match of_row(data, row, query, documents, score) {
        Ok(judgements) => judgements.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }))
}

fn of_row(
    data: &Dataset,
    row: usize,
    query: Column,
    documents: Column,
    score: Option<Column>,
) -> Result<Vec<Judgement>> {
    let wrong = |message: String| Error::Collection { place: place(data, row), message };
    let query = table::id(data, query, row)?;
    let documents = match documents {
        Column::List(documents) => match data.list(row, documents)? {
            List::Texts(ids) => ids.into_iter().map(String::from).collect(),
            List::Integers(ids) => ids.iter().map(i64::to_string).collect(),
            List::Floats(_) => {
                return Err(wrong("corpus-id holds numbers with fractions; ids are expected".to_owned()));
            }
        },
        one => vec![table::id(data, one, row)?.into_owned()],
    };
    let no_grade = |found: &dyn std::fmt::Display| wrong(format!("the score is {found}; a number is expected"));
    let grades = match score {
        None => vec![1.0; documents.len()],
        Some(Column::Number(score)) => {
            let grade = data.number(row, score).map_err(|_| no_grade(&"null or NaN"))?;
            vec![grade; documents.len()]
        }
        Some(Column::Text(score)) => {
            let text = data.text(row, score)?;
            let grade = text.trim().parse().map_err(|_| no_grade(&format!("{text:?}")))?;
            vec![grade; documents.len()]
        }
        Some(Column::List(score)) => {
            let grades = data.list(row, score)?.into_floats().ok_or_else(|| no_grade(&"a list of texts"))?;
            if grades.len() != documents.len() {
                let (found, expected) = (grades.len(), documents.len());
                return Err(wrong(format!("{found} scores of {expected} documents; one for each is expected")));
            }
            grades
        }
    };
    let judgement =
        |(document, grade)| Judgement { place: place(data, row), query: query.clone().into_owned(), document, grade };
    Ok(documents.into_iter().zip(grades).map(judgement).collect())
}
