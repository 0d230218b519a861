//! Signs in a sample of rows that a model cannot learn from them. Each is a warning before a run, because such a run ends without an error, and
//! its model looks healthy.

use std::collections::HashSet;

use crate::error::Result;
use crate::examples::{Examples, KnownRows};
use crate::roles::finder::Scores;
use crate::roles::rows::TextRows;
use crate::roles::texts::Document;

/// The most rows that are looked at.
const SAMPLES: usize = 200;

impl Examples {
    /// One line for each sign that nothing can be learned from these rows: all documents are the same, each query is its own positive, all
    /// rows have one positive, labels of 0 stand beside positives, or a teacher gives all documents of a row one score. Up to 200 evenly
    /// spaced rows are looked at, of a stream those of its head.
    ///
    /// ```
    /// use colburn_data::{Dataset, Examples};
    ///
    /// let rows = [["what is rust", "a language"], ["what is colbert", "a language"]];
    /// let data = Dataset::from_rows(&["query", "positive"], rows.map(|row| row.map(String::from).to_vec()))?;
    /// let doubts = Examples::from(data).doubts()?;
    /// assert_eq!(doubts, ["rows in memory: all documents of 2 rows are the same text, so there is nothing to tell apart"]);
    /// # Ok::<(), colburn_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the columns have no roles, or a row cannot be read.
    pub fn doubts(&self) -> Result<Vec<String>> {
        // One row is no sample.
        if self.len() < 2 {
            return Ok(Vec::new());
        }
        let rows: Vec<usize> = (0..self.len()).step_by(self.len().div_ceil(SAMPLES)).collect();
        let (origin, doubts) = match self.known() {
            KnownRows::Texts(data) => (data.dataset().origin(), of_texts(data, &rows)?),
            KnownRows::Distillation(data) => {
                let scores = rows.iter().map(|&row| data.scores(row)).collect::<Result<Vec<_>>>()?;
                (data.tables()[0].origin(), of_scores(&scores).into_iter().collect())
            }
        };
        Ok(doubts.into_iter().map(|doubt: String| format!("{origin}: {doubt}")).collect())
    }
}

fn of_texts(data: &TextRows, rows: &[usize]) -> Result<Vec<String>> {
    let columns = data.columns()?;
    let (mut documents, mut positives) = (HashSet::new(), HashSet::new());
    let (mut own_positive, mut scores) = (0, Vec::new());
    for &row in rows {
        let texts = data.texts(row, &columns, 0, 0)?;
        let positive = texts.documents.first().map(|document| document.text.clone());
        own_positive += usize::from(positive.as_ref() == Some(&texts.query));
        positives.extend(positive);
        scores.push(texts.documents.iter().filter_map(|document| document.score).collect::<Vec<f32>>());
        documents.extend(texts.documents.into_iter().map(|Document { text, .. }| text));
    }
    let count = rows.len();
    let mut doubts = Vec::new();
    if documents.len() == 1 {
        doubts.push(format!("all documents of {count} rows are the same text, so there is nothing to tell apart"));
    } else if positives.len() == 1 && *columns.scores() == Scores::None {
        doubts.push(format!(
            "{count} rows have the same positive, so the documents of other rows in a batch are no negatives"
        ));
    }
    if own_positive == count {
        doubts.push(format!("the query is its own positive in {count} rows, so there is nothing to learn"));
    }
    doubts.extend(of_scores(&scores));
    if let (Some(label), Scores::None) = (columns.label(), columns.scores()) {
        let labels: Vec<f64> = rows.iter().filter_map(|&row| data.dataset().number(row, label).ok()).collect();
        let zeros = labels.iter().filter(|label| **label == 0.0).count();
        if zeros > 0 && labels.iter().all(|label| [0.0, 1.0].contains(label)) {
            let name = data.dataset().columns()[label];
            doubts.push(format!(
                "column \"{name}\" is 0 in {zeros} of {count} rows, but labels play no part in training, and their documents are trained as \
                 positives"
            ));
        }
    }
    Ok(doubts)
}

fn of_scores(scores: &[Vec<f32>]) -> Option<String> {
    let has_one = |scores: &Vec<f32>| scores.len() > 1 && scores.iter().all(|score| *score == scores[0]);
    let count = scores.len();
    scores.iter().all(has_one).then(|| {
        format!("the teacher gives all documents of a row the same score in {count} rows, so there is nothing to learn from it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::distillation::KdProcessing;

    fn of(columns: &[&str], rows: &[&[&str]]) -> Vec<String> {
        let rows = rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect());
        Examples::from(Dataset::from_rows(columns, rows).unwrap()).doubts().unwrap()
    }

    #[test]
    fn rows_that_teach_nothing_are_named() {
        let pair = ["query", "positive"];
        let labelled = ["query", "positive", "label"];
        for (columns, rows, expected) in [
            (&pair[..], &[&["a", "b"][..], &["c", "d"]][..], &[][..]),
            (&pair, &[&["a", "a"], &["c", "d"]], &[]),
            (&pair, &[&["a", "b"]], &[]),
            (&pair, &[&["a", "b"], &["c", "b"]], &["all documents of 2 rows are the same text"]),
            (&pair, &[&["a", "a"], &["c", "c"]], &["the query is its own positive in 2 rows"]),
            (
                &["query", "positive", "negative"],
                &[&["a", "b", "c"], &["c", "b", "d"]],
                &["2 rows have the same positive, so the documents of other rows in a batch are no negatives"],
            ),
            (
                &labelled,
                &[&["a", "b", "1"], &["c", "d", "0"]],
                &["column \"label\" is 0 in 1 of 2 rows, but labels play no"],
            ),
            (&labelled, &[&["a", "b", "1"], &["c", "d", "1"]], &[]),
            (&labelled, &[&["a", "b", "3"], &["c", "d", "0"]], &[]),
            (
                &["query", "doc_1", "doc_2", "score_1", "score_2"],
                &[&["a", "b", "c", "1", "1"], &["d", "e", "f", "2", "2"]],
                &["the teacher gives all documents of a row the same score in 2 rows"],
            ),
            (
                &["query", "doc_1", "doc_2", "score_1", "score_2"],
                &[&["a", "b", "c", "1", "1"], &["d", "e", "f", "2", "3"]],
                &[],
            ),
        ] {
            let found = of(columns, rows);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    found.contains(expected) && found.starts_with("rows in memory: "),
                    "{found}\nexpected: {expected}"
                );
            }
        }
    }

    #[test]
    fn a_sample_is_bounded_and_spread() {
        let row = |row: usize| vec![format!("q{row}"), if row == 999 { "other" } else { "same" }.to_owned()];
        let data = Dataset::from_rows(&["query", "positive"], (0..1000).map(row)).unwrap();
        // Every fifth row is looked at, and the last one is not.
        assert!(Examples::from(&data).doubts().unwrap()[0].contains("all documents of 200 rows"));
        assert_eq!(Examples::from(data.slice(995..1000).unwrap()).doubts().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_teacher_has_preferences() {
        let table = |columns: &[&str], rows: &[&[&str]]| {
            let rows = rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect());
            Dataset::from_rows(columns, rows).unwrap()
        };
        let doubts = |scores: [&str; 2]| {
            let rows = scores.map(|scores| ["1", "[1, 2]", scores]);
            let train = table(&["query_id", "document_ids", "scores"], &[&rows[0], &rows[1]]);
            let queries = table(&["query_id", "text"], &[&["1", "a"]]);
            let documents = table(&["document_id", "text"], &[&["1", "b"], &["2", "c"]]);
            Examples::from(KdProcessing::new(train, queries, documents).unwrap()).doubts().unwrap().len()
        };
        assert_eq!((doubts(["[1, 1]", "[2, 2]"]), doubts(["[1, 1]", "[2, 1]"])), (1, 0));
    }
}
