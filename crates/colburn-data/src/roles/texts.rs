//! The texts of one row and their teacher's scores, as the roles of the columns say.

use std::borrow::Cow;
use std::ops::Range;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::roles::columns::Columns;
use crate::roles::finder::Scores;
use crate::table::lists::List;
use crate::table::value::Value;

/// The texts of a row.
#[derive(Debug)]
pub(crate) struct RowTexts<'a> {
    pub(crate) query: Cow<'a, str>,
    pub(crate) documents: Vec<Document<'a>>,
    /// The number of positives among the documents, which stand first; none where all documents have a teacher's score.
    pub(crate) positives: usize,
    /// The first column without a text, if there is one.
    pub(crate) missing: Option<usize>,
}

/// A document of a row.
#[derive(Clone, Debug)]
pub(crate) struct Document<'a> {
    pub(crate) column: usize,
    pub(crate) text: Cow<'a, str>,
    /// A teacher's score.
    pub(crate) score: Option<f32>,
}

impl Document<'_> {
    pub(crate) fn is_missing(&self) -> bool {
        self.text.trim().is_empty()
    }
}

impl<'a> RowTexts<'a> {
    /// Reads all texts and scores of a row.
    ///
    /// # Errors
    /// When there is no such row, a value is neither a text nor missing, or there is not a score for each document.
    pub(crate) fn read(data: &'a Dataset, row: usize, columns: &Columns) -> Result<Self> {
        let mut missing = None;
        let query = match data.value(row, columns.query())? {
            Value::Text(text) => text,
            Value::Null => "".into(),
            other => return Err(no_text(data, row, columns.query(), other.name())),
        };
        if query.trim().is_empty() {
            missing = Some(columns.query());
        }
        let mut documents = Vec::with_capacity(columns.documents().len());
        let mut positives = 0;
        for &column in columns.documents() {
            let before = documents.len();
            texts_of(data, row, column, columns, &mut documents)?;
            let found = &documents[before..];
            let is_positive = columns.positives().contains(&column);
            if (found.is_empty() && is_positive) || found.iter().any(Document::is_missing) {
                missing.get_or_insert(column);
            }
            positives += if is_positive { found.len() } else { 0 };
        }
        let scores = match scores_of(data, row, columns.scores()) {
            // A row without a text is an error of its own.
            Err(_) if missing.is_some() => None,
            scores => scores?,
        };
        if let Some(scores) = scores.filter(|scores| scores.len() == documents.len() || missing.is_none()) {
            if scores.len() != documents.len() {
                let (count, found, name) = (documents.len(), scores.len(), name_of(data, columns.scores()));
                let problem = format!("{count} documents but {found} {name}; expected a number for each document");
                return Err(Error::Example { place: data.place(row), problem });
            }
            documents.iter_mut().zip(scores).for_each(|(document, score)| document.score = Some(score));
            positives = 0;
        }
        Ok(Self { query, documents, positives, missing })
    }

    /// The place of the positive among the documents, and those of the negatives.
    pub(crate) fn split(&self, pick: usize) -> (Option<usize>, Range<usize>) {
        let count = self.documents.len();
        ((pick < count).then_some(pick), self.positives.max(1).min(count)..count)
    }

    /// The places of the positive and of all negatives.
    pub(crate) fn all(&self, pick: usize) -> Vec<usize> {
        let (positive, negatives) = self.split(pick);
        positive.into_iter().chain(negatives).collect()
    }
}

/// Adds the texts of a column; none where the value is missing from a list.
fn texts_of<'a>(
    data: &'a Dataset,
    row: usize,
    column: usize,
    columns: &Columns,
    texts: &mut Vec<Document<'a>>,
) -> Result<()> {
    let mut push = |text: Cow<'a, str>| texts.push(Document { column, text, score: None });
    match data.value(row, column)? {
        Value::Text(text) if columns.is_literal(column) && !text.trim().is_empty() => match data.list(row, column)? {
            List::Texts(list) => list.into_iter().for_each(&mut push),
            list if list.is_empty() => {}
            _ => return Err(no_text(data, row, column, "list of numbers")),
        },
        Value::Text(text) => push(text),
        Value::List(List::Texts(list)) => list.into_iter().for_each(&mut push),
        Value::List(list) if list.is_empty() => {}
        Value::Null => push("".into()),
        other => return Err(no_text(data, row, column, other.name())),
    }
    Ok(())
}

fn no_text(data: &Dataset, row: usize, column: usize, found: &str) -> Error {
    let problem = format!("column \"{}\" holds a {found}; expected texts", data.columns()[column]);
    Error::Example { place: data.place(row), problem }
}

/// The teacher's scores of a row.
fn scores_of(data: &Dataset, row: usize, scores: &Scores) -> Result<Option<Vec<f32>>> {
    let found = match scores {
        Scores::None => return Ok(None),
        Scores::List(column) => data.list(row, *column)?.into_floats().unwrap_or_default(),
        Scores::Columns(columns) => columns.iter().map(|&column| data.number(row, column)).collect::<Result<_>>()?,
    };
    if let Some(at) = found.iter().position(|score| !(*score as f32).is_finite()) {
        let name = match scores {
            Scores::Columns(columns) => data.columns()[columns[at]].to_owned(),
            scores => name_of(data, scores),
        };
        let problem = format!("column \"{name}\" holds {:e}; expected finite numbers of 32 bits", found[at]);
        return Err(Error::Example { place: data.place(row), problem });
    }
    Ok(Some(found.into_iter().map(|score| score as f32).collect()))
}

/// The name of the scores in messages.
fn name_of(data: &Dataset, scores: &Scores) -> String {
    match scores {
        Scores::List(column) => data.columns()[*column].to_owned(),
        Scores::None | Scores::Columns(_) => "columns of scores".to_owned(),
    }
}
