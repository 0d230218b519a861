//! From rows to the tokens of a batch. Each column is tokenized in one call, in parallel inside the tokenizer; nothing
//! is padded and no tensor is made, so batches can be prepared on any thread.

use colburn_model::{Kind, TextTokenizer, TokenBatch};

use crate::columns::Columns;
use crate::dataset::Dataset;
use crate::error::{Error, Result, quoted};

/// The tokens of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// One query a row.
    pub queries: TokenBatch,
    /// The documents of the first row (its positive, then its negatives), then those of the second row, and so on.
    pub documents: TokenBatch,
    /// A teacher's score of each document, in the order of the documents, where the data has such scores.
    pub scores: Option<Vec<f32>>,
}

/// Turns rows of a data set into batches: PyLate's `ColBERTCollator`.
#[derive(Clone)]
pub struct Collator {
    tokenizer: TextTokenizer,
    columns: Columns,
    names: Vec<String>,
}

impl Collator {
    /// A collator for `dataset` and every data set with the same columns.
    ///
    /// # Errors
    /// When the columns have no roles, see [`Columns::of`].
    pub fn new(tokenizer: TextTokenizer, dataset: &Dataset) -> Result<Self> {
        let columns = Columns::of(dataset)?;
        Ok(Self { tokenizer, columns, names: dataset.columns().into_iter().map(str::to_owned).collect() })
    }

    /// The roles of the columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Tokenizes the given rows of `dataset`, in the given order.
    ///
    /// # Errors
    /// When there is no such row, the columns are not those that the collator was made for, or the tokenizer fails.
    pub fn collate(&self, dataset: &Dataset, rows: &[usize]) -> Result<Batch> {
        if dataset.columns() != self.names {
            let found = quoted(dataset.columns());
            return Err(Error::OtherColumns { expected: quoted(&self.names), found });
        }
        let queries = texts(dataset, rows, &[self.columns.query()])?;
        let documents = texts(dataset, rows, self.columns.documents())?;
        Ok(Batch {
            queries: self.tokenizer.tokenize(&queries, Kind::Query)?,
            documents: self.tokenizer.tokenize(&documents, Kind::Document)?,
            scores: None,
        })
    }
}

fn texts<'a>(dataset: &'a Dataset, rows: &[usize], columns: &[usize]) -> Result<Vec<&'a str>> {
    rows.iter().flat_map(|&row| columns.iter().map(move |&column| dataset.text(row, column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triplets() -> Dataset {
        let rows =
            (0..4).map(|i| ["a query", "its positive", "a negative", "one more"].map(|t| format!("{t} {i}")).to_vec());
        Dataset::from_rows(&["query", "positive", "negative_1", "negative_2"], rows).unwrap()
    }

    #[test]
    fn documents_come_row_by_row() {
        let data = triplets();
        let columns = Columns::of(&data).unwrap();
        assert_eq!(texts(&data, &[2, 0], &[columns.query()]).unwrap(), ["a query 2", "a query 0"]);
        let documents = texts(&data, &[2, 0], columns.documents()).unwrap();
        let expected = ["its positive 2", "a negative 2", "one more 2", "its positive 0", "a negative 0", "one more 0"];
        assert_eq!(documents, expected);
        assert!(texts(&data, &[0, 4], columns.documents()).is_err());
        assert!(texts(&data, &[], columns.documents()).unwrap().is_empty());
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_batch_holds_the_tokens_of_queries_and_documents() {
        use colburn_model::{ColBert, ColBertOptions};

        let device = colburn_ops::device::by_name(Some("flex")).unwrap();
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/bert-small");
        let model = ColBert::from_config(directory, &ColBertOptions::default(), &device).unwrap();
        let tokenizer = model.tokenizer();
        let data = triplets();
        let collator = Collator::new(tokenizer.clone(), &data).unwrap();
        assert_eq!(collator.columns().documents(), [1, 2, 3]);

        let batch = collator.collate(&data, &[2, 0]).unwrap();
        assert_eq!((batch.queries.len(), batch.documents.len()), (2, 6));
        assert_eq!(batch.queries, tokenizer.tokenize(&["a query 2", "a query 0"], Kind::Query).unwrap());
        let fourth = tokenizer.tokenize(&["its positive 0"], Kind::Document).unwrap();
        assert_eq!(batch.documents.ids[batch.documents.spans.range(3)], fourth.ids);
        assert_eq!(collator.collate(&data.select(&[2, 0]).unwrap(), &[0, 1]).unwrap(), batch);

        assert!(collator.collate(&data, &[4]).unwrap_err().to_string().starts_with("row 4 of a data set of 4 rows"));
        let other = Dataset::from_rows(&["query", "positive"], [vec!["a".to_owned(), "b".to_owned()]]).unwrap();
        let message = collator.collate(&other, &[0]).unwrap_err().to_string();
        assert!(message.ends_with("the data set has: \"query\", \"positive\""), "{message}");
    }
}
