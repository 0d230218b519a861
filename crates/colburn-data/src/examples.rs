//! The rows that a model can be trained on: rows that hold their texts, and rows of a distillation that name them by ids.
//! Collator, samplers and fingerprint work on either.

use std::path::PathBuf;

use crate::dataset::Dataset;
use crate::distillation::KdProcessing;
use crate::error::{Error, Result};
use crate::hash::hash;
use crate::roles::rows::TextRows;
use crate::roles::texts::RowTexts;
use crate::stream::StreamRows;

/// The length limit of a text in bytes: about 500 tokens of English, where most encoders truncate.
const LONGEST: usize = 2048;

/// The rows of batches.
///
/// ```
/// use colburn_data::{Dataset, Examples};
///
/// let rows = [["what is rust", "a language"], ["what is colbert", "a retrieval model"]];
/// let data = Dataset::from_rows(&["query", "positive"], rows.map(|row| row.map(String::from).to_vec()))?;
/// let examples = Examples::from(data);
/// assert_eq!(examples.len(), 2);
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Examples {
    /// Rows with a query and its documents.
    Texts(TextRows),
    /// Rows with the ids of a query and of documents, and a teacher's scores.
    Distillation(KdProcessing),
    /// Rows with a query and its documents that are read while they are trained on.
    Stream(StreamRows),
}

/// The rows of [`Examples`] that can be read by their number.
#[derive(Clone, Copy, Debug)]
pub enum KnownRows<'a> {
    /// Rows with a query and its documents; of a stream those of its head.
    Texts(&'a TextRows),
    /// Rows with the ids of a query and of documents, and a teacher's scores.
    Distillation(&'a KdProcessing),
}

impl From<Dataset> for Examples {
    fn from(dataset: Dataset) -> Self {
        Examples::Texts(dataset.into())
    }
}

impl From<TextRows> for Examples {
    fn from(rows: TextRows) -> Self {
        Examples::Texts(rows)
    }
}

/// A clone, which is cheap.
impl From<&Dataset> for Examples {
    fn from(dataset: &Dataset) -> Self {
        Examples::Texts(dataset.into())
    }
}

impl From<KdProcessing> for Examples {
    fn from(data: KdProcessing) -> Self {
        Examples::Distillation(data)
    }
}

/// A clone, which is cheap.
impl From<&KdProcessing> for Examples {
    fn from(data: &KdProcessing) -> Self {
        Examples::Distillation(data.clone())
    }
}

impl From<StreamRows> for Examples {
    fn from(rows: StreamRows) -> Self {
        Examples::Stream(rows)
    }
}

impl Examples {
    /// Number of rows that are known: of a stream those of its head.
    pub fn len(&self) -> usize {
        match self {
            Examples::Texts(rows) => rows.len(),
            Examples::Distillation(data) => data.len(),
            Examples::Stream(rows) => rows.head().len(),
        }
    }

    /// The rows that can be read by their number.
    pub fn known(&self) -> KnownRows<'_> {
        match self {
            Examples::Texts(rows) => KnownRows::Texts(rows),
            Examples::Distillation(data) => KnownRows::Distillation(data),
            Examples::Stream(rows) => KnownRows::Texts(rows.head()),
        }
    }

    /// Number of rows; none of a stream, which does not know it.
    pub fn rows(&self) -> Option<usize> {
        (!matches!(self, Examples::Stream(_))).then(|| self.len())
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One line for reports and messages: where the rows come from, how many there are, and the columns.
    pub fn description(&self) -> String {
        match self {
            Examples::Texts(rows) => rows.description(),
            Examples::Distillation(data) => data.description(),
            Examples::Stream(rows) => rows.description(),
        }
    }

    /// The files that the rows and their texts come from; none for rows in memory.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Examples::Texts(rows) => rows.dataset().files().to_vec(),
            Examples::Distillation(data) => data.tables().iter().flat_map(|table| table.files()).cloned().collect(),
            Examples::Stream(rows) => rows.files().to_vec(),
        }
    }

    /// The length of each row: the bytes of its query and documents together, each text counted up to [`LONGEST`] bytes. Where some
    /// negatives are drawn, all of them count.
    pub(crate) fn lengths(&self) -> Result<Vec<u32>> {
        match self {
            Examples::Texts(rows) => {
                let columns = rows.columns()?;
                let length = |row| {
                    let found = RowTexts::read(rows.dataset(), row, &columns)?;
                    let documents = found.all(rows.pick(row)).into_iter().map(|at| found.documents[at].text.len());
                    Ok(total(std::iter::once(found.query.len()).chain(documents)))
                };
                (0..rows.len()).map(length).collect()
            }
            Examples::Distillation(data) => {
                (0..data.len()).map(|row| data.text_lengths(row).map(|lengths| total(lengths.into_iter()))).collect()
            }
            Examples::Stream(rows) => Err(Error::Streamed { data: rows.description() }),
        }
    }

    /// A hash of each text of each row. Of a distillation the ids are hashed in place of the texts; of rows whose negatives are drawn,
    /// all negatives.
    pub(crate) fn hashes(&self) -> Result<RowHashes> {
        let mut hashes = RowHashes { hashes: Vec::new(), ends: Vec::with_capacity(self.len()) };
        match self {
            Examples::Texts(rows) => {
                let columns = rows.columns()?;
                for row in 0..rows.len() {
                    let found = RowTexts::read(rows.dataset(), row, &columns)?;
                    hashes.push(hash(found.query.as_bytes()));
                    let documents = found.all(rows.pick(row)).into_iter().map(|at| &found.documents[at].text);
                    documents.for_each(|text| hashes.push(hash(text.as_bytes())));
                    hashes.end_row();
                }
            }
            Examples::Distillation(data) => {
                for row in 0..data.len() {
                    let (query, documents) = data.row_ids(row)?;
                    // A query and a document may share an id without being the same.
                    hashes.push(!query.hash());
                    documents.iter().for_each(|document| hashes.push(document.hash()));
                    hashes.end_row();
                }
            }
            Examples::Stream(rows) => return Err(Error::Streamed { data: rows.description() }),
        }
        Ok(hashes)
    }
}

fn total(lengths: impl Iterator<Item = usize>) -> u32 {
    lengths.fold(0, |total, length| total.saturating_add(length.min(LONGEST) as u32))
}

/// The hashes of the texts of each row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowHashes {
    hashes: Vec<u64>,
    ends: Vec<usize>,
}

impl RowHashes {
    /// The distinct hashes of a row.
    pub(crate) fn row(&self, row: usize) -> &[u64] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.hashes[start..self.ends[row]]
    }

    fn push(&mut self, hash: u64) {
        let start = self.ends.last().copied().unwrap_or(0);
        if !self.hashes[start..].contains(&hash) {
            self.hashes.push(hash);
        }
    }

    fn end_row(&mut self) {
        self.ends.push(self.hashes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], rows: &[&[&str]]) -> Dataset {
        let rows = rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect());
        Dataset::from_rows(columns, rows).unwrap()
    }

    fn distillation() -> KdProcessing {
        let train = rows(
            &["query_id", "document_ids", "scores"],
            &[&["1", "[1, 2]", "[1, 2]"], &["2", "['3', '2']", "[1, 2]"]],
        );
        let queries = rows(&["query_id", "text"], &[&["1", "four"], &["2", "seven.."]]);
        let long = "x".repeat(10_000);
        let documents = rows(&["document_id", "text"], &[&["1", "é"], &["2", &long]]);
        KdProcessing::new(train, queries, documents).unwrap()
    }

    #[test]
    fn lengths_are_bytes_of_all_texts_up_to_a_cap() {
        let long = "x".repeat(3000);
        let data = rows(
            &["query_id", "query", "positive", "negative"],
            &[&["1234567", "abc", "é", ""], &["1", "", &long, &long]],
        );
        assert_eq!(Examples::from(data).lengths().unwrap(), [5, 4096]);
        assert_eq!(Examples::from(distillation()).lengths().unwrap(), [4 + 2 + 2048, 7 + 2048]);
    }

    #[test]
    fn hashes_are_of_texts_or_ids_each_once() {
        let data = rows(&["query", "positive", "negative"], &[&["a", "b", "a"], &["b", "c", "d"]]);
        let hashes = Examples::from(data).hashes().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|text| hash(text.as_bytes()));
        assert_eq!((hashes.row(0), hashes.row(1)), (&[a, b][..], &[b, c, d][..]));

        let hashes = Examples::from(distillation()).hashes().unwrap();
        assert_eq!((hashes.row(0).len(), hashes.row(1).len()), (3, 3), "query 1 is not document 1");
        assert_eq!(hashes.row(0)[2], hashes.row(1)[2]);
        assert_ne!(hashes.row(0)[0], hashes.row(1)[0]);
    }

    #[test]
    fn lists_of_documents_count_text_by_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, "{\"query\": \"ab\", \"documents\": [\"c\", \"ab\", \"defg\"]}\n").unwrap();
        let examples = Examples::from(Dataset::load(&path).unwrap());
        assert_eq!(examples.lengths().unwrap(), [9]);
        let [ab, c, defg] = ["ab", "c", "defg"].map(|text| hash(text.as_bytes()));
        assert_eq!(examples.hashes().unwrap().row(0), [ab, c, defg]);
        assert_eq!(examples.files(), [path]);
    }

    #[test]
    fn a_distillation_names_all_its_tables() {
        let examples = Examples::from(distillation());
        assert_eq!((examples.len(), examples.is_empty()), (2, false));
        assert!(examples.files().is_empty());
        assert_eq!(
            examples.description(),
            "rows in memory: 2 rows; query_id (text), document_ids (text), scores (text); queries rows in memory: 2 rows; \
             query_id (text), text (text); documents rows in memory: 2 rows; document_id (text), text (text); n_ways = 2"
        );
    }
}
