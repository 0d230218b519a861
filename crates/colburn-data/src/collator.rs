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
        })
    }
}

fn texts<'a>(dataset: &'a Dataset, rows: &[usize], columns: &[usize]) -> Result<Vec<&'a str>> {
    rows.iter().flat_map(|&row| columns.iter().map(move |&column| dataset.text(row, column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_row_by_row() {
        let rows = (0..4).map(|i| ["q", "p", "n", "m"].map(|column| format!("{column}{i}")).to_vec());
        let data = Dataset::from_rows(&["query", "positive", "negative_1", "negative_2"], rows).unwrap();
        let columns = Columns::of(&data).unwrap();
        assert_eq!(texts(&data, &[2, 0], &[columns.query()]).unwrap(), ["q2", "q0"]);
        assert_eq!(texts(&data, &[2, 0], columns.documents()).unwrap(), ["p2", "n2", "m2", "p0", "n0", "m0"]);
        assert!(texts(&data, &[0, 4], columns.documents()).is_err());
        assert!(texts(&data, &[], columns.documents()).unwrap().is_empty());
    }
}
