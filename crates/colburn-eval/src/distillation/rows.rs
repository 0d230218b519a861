//! The rows of a distillation evaluation: those of a distillation data set, or lists in memory.

use std::sync::Arc;

use colburn_data::KdProcessing;

use crate::error::{Error, Result};

/// The name of the evaluator in messages.
const EVALUATOR: &str = "distillation evaluator";

/// Rows of a query, documents, and a teacher's scores of them; all have equally many documents.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    Data(KdProcessing),
    Memory(Arc<[Row]>),
}

#[derive(Debug)]
pub(super) struct Row {
    query: String,
    documents: Vec<String>,
    scores: Vec<f32>,
}

impl Rows {
    pub(super) fn of_data(data: &KdProcessing) -> Result<Self> {
        if data.is_empty() {
            return Err(problem(format!("{} has no rows", data.description())));
        }
        if !data.has_scores() {
            let data = data.description();
            return Err(problem(format!("{data} has no scores; a teacher's scores of the documents are expected")));
        }
        data.check()?;
        Ok(Rows::Data(data.clone()))
    }

    pub(super) fn in_memory(queries: Vec<String>, documents: Vec<Vec<String>>, scores: Vec<Vec<f32>>) -> Result<Self> {
        if queries.is_empty() {
            return Err(problem("no query; at least one is expected".to_owned()));
        }
        for (what, found) in [("lists of documents", documents.len()), ("lists of scores", scores.len())] {
            if found != queries.len() {
                return Err(problem(format!("{} queries but {found} {what}; one for each is expected", queries.len())));
            }
        }
        let rows = queries.into_iter().zip(documents).zip(scores);
        let rows: Arc<[Row]> = rows.map(|((query, documents), scores)| Row { query, documents, scores }).collect();
        let ways = rows[0].documents.len();
        for (number, row) in rows.iter().enumerate() {
            row.check(ways).map_err(|message| problem(format!("query {number} (counted from 0) has {message}")))?;
        }
        Ok(Rows::Memory(rows))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Rows::Data(data) => data.len(),
            Rows::Memory(rows) => rows.len(),
        }
    }

    /// The number of documents of a row.
    pub(super) fn ways(&self) -> usize {
        match self {
            Rows::Data(data) => data.ways(),
            Rows::Memory(rows) => rows[0].documents.len(),
        }
    }

    pub(super) fn query(&self, row: usize) -> Result<&str> {
        match self {
            Rows::Data(data) => Ok(data.query(row)?),
            Rows::Memory(rows) => Ok(&rows[row].query),
        }
    }

    pub(super) fn documents(&self, row: usize) -> Result<Vec<&str>> {
        match self {
            Rows::Data(data) => Ok(data.documents(row)?),
            Rows::Memory(rows) => Ok(rows[row].documents.iter().map(String::as_str).collect()),
        }
    }

    pub(super) fn scores(&self, row: usize) -> Result<Vec<f32>> {
        match self {
            Rows::Data(data) => Ok(data.scores(row)?),
            Rows::Memory(rows) => Ok(rows[row].scores.clone()),
        }
    }
}

impl Row {
    /// The problem with it, if any, where rows have `ways` documents.
    fn check(&self, ways: usize) -> std::result::Result<(), String> {
        let (documents, scores) = (self.documents.len(), self.scores.len());
        if documents != ways {
            return Err(format!("{documents} documents where the first query has {ways}; equally many are expected"));
        }
        if documents < 2 {
            return Err(format!("{documents} documents; at least 2 to compare are expected"));
        }
        if documents != scores {
            return Err(format!("{documents} documents but {scores} scores; a score for each is expected"));
        }
        match self.scores.iter().position(|score| !score.is_finite()) {
            Some(at) => Err(format!(
                "a score of {} for document {at} (counted from 0); a finite number is expected",
                self.scores[at]
            )),
            None => Ok(()),
        }
    }
}

fn problem(message: String) -> Error {
    Error::Data { evaluator: EVALUATOR, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(queries: usize, documents: &[usize], scores: &[&[f32]]) -> String {
        let texts = |count: usize| vec!["text".to_owned(); count];
        let documents = documents.iter().map(|&count| texts(count)).collect();
        let scores = scores.iter().map(|scores| scores.to_vec()).collect();
        Rows::in_memory(texts(queries), documents, scores).unwrap_err().to_string()
    }

    #[test]
    fn lists_in_memory_are_checked() {
        for (found, expected) in [
            (error(0, &[], &[]), "no query; at least one is expected"),
            (
                error(2, &[2], &[&[0.0, 0.0], &[0.0, 0.0]]),
                "2 queries but 1 lists of documents; one for each is expected",
            ),
            (error(1, &[2], &[]), "1 queries but 0 lists of scores; one for each is expected"),
            (
                error(2, &[2, 3], &[&[0.0, 0.0], &[0.0, 0.0, 0.0]]),
                "query 1 (counted from 0) has 3 documents where the first query has 2; equally many are expected",
            ),
            (error(1, &[1], &[&[0.0]]), "query 0 (counted from 0) has 1 documents; at least 2 to compare are expected"),
            (
                error(1, &[2], &[&[0.0]]),
                "query 0 (counted from 0) has 2 documents but 1 scores; a score for each is expected",
            ),
            (
                error(2, &[2, 2], &[&[0.0, 0.0], &[0.0, f32::NAN]]),
                "query 1 (counted from 0) has a score of NaN for document 1 (counted from 0); a finite number is expected",
            ),
        ] {
            assert_eq!(found, format!("distillation evaluator: {expected}"));
        }
    }
}
