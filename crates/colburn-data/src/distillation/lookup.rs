//! A table of a distillation data set: the columns that it needs, and its texts by their ids.

use crate::dataset::Dataset;
use crate::distillation::ids::{Id, IdIndex};
use crate::error::{Error, Result};
use crate::table::ColumnKind;

/// A table of texts by id.
pub(super) struct Lookup {
    pub(super) data: Dataset,
    id: usize,
    text: usize,
    index: IdIndex,
}

impl Lookup {
    /// The table of queries.
    pub(super) fn queries(data: Dataset) -> Result<Self> {
        let ids = &["query_id", "qid", "_id", "id"];
        Self::new("queries", ids, &["text", "query"], "query_id (integer or text) and text (text)", data)
    }

    /// The table of documents.
    pub(super) fn documents(data: Dataset) -> Result<Self> {
        let ids = &["document_id", "doc_id", "docid", "pid", "passage_id", "_id", "id"];
        let texts = &["text", "passage", "document", "contents"];
        Self::new("documents", ids, texts, "document_id (integer or text) and text (text)", data)
    }

    /// A table of which the first of these names that there is names the column.
    fn new(
        name: &'static str,
        ids: &[&'static str],
        texts: &[&'static str],
        expected: &'static str,
        data: Dataset,
    ) -> Result<Self> {
        let named = |names: &[&'static str]| {
            let found = names.iter().find(|name| data.columns().contains(name));
            found.or(names.first()).copied().unwrap_or_default()
        };
        let table = TableRole { name, data: &data, expected };
        let (id, text) = (named(ids), named(texts));
        let (column, text) = (table.column(id, TableRole::is_id)?, table.column(text, TableRole::is_text)?);
        let (index, repeated) = IdIndex::new(&data, column)?;
        if repeated > 0 {
            tracing::warn!("{}: {repeated} rows repeat the {id} of another; the last of them counts", data.origin());
        }
        Ok(Self { data, id: column, text, index })
    }

    /// The row with this id.
    pub(super) fn find(&self, id: &Id) -> Result<Option<usize>> {
        self.index.find(&self.data, self.id, id)
    }

    pub(super) fn text(&self, row: usize) -> Result<&str> {
        self.data.text(row, self.text)
    }

    /// True if a row has no text.
    pub(super) fn is_missing(&self, row: usize) -> Result<bool> {
        self.data.is_missing(row, self.text)
    }

    /// Checks that a row has a text.
    pub(super) fn check_text(&self, row: usize) -> Result<()> {
        if self.is_missing(row)? {
            let column = self.data.columns()[self.text];
            let problem =
                format!("column \"{column}\" is empty; expected a text of each query and document that a row names");
            return Err(Error::Example { place: self.data.place(row), problem });
        }
        Ok(())
    }

    /// The length of the text in a row, in bytes.
    pub(super) fn length(&self, row: usize) -> Result<usize> {
        self.data.text_length(row, self.text)
    }
}

/// The role of a table and the columns that it needs.
pub(super) struct TableRole<'a> {
    pub(super) name: &'static str,
    pub(super) data: &'a Dataset,
    pub(super) expected: &'static str,
}

impl TableRole<'_> {
    /// The number of the column with this name, if its values fit.
    pub(super) fn column(&self, name: &str, fits: impl Fn(&ColumnKind) -> bool) -> Result<usize> {
        let table = self.data.table();
        let mut columns = table.columns().iter().chain(table.left_out());
        let problem = match columns.position(|column| column.name == name) {
            Some(at) if table.columns().get(at).is_some_and(|column| fits(&column.kind)) => return Ok(at),
            Some(_) => format!("column \"{name}\" holds other values than expected"),
            None => format!("no column \"{name}\""),
        };
        Err(Error::Table {
            data: self.data.origin(),
            role: self.name,
            problem,
            found: table.column_list(),
            expected: self.expected,
        })
    }

    pub(super) fn is_id(kind: &ColumnKind) -> bool {
        matches!(kind, ColumnKind::Number | ColumnKind::Text | ColumnKind::Mixed)
    }

    pub(super) fn is_text(kind: &ColumnKind) -> bool {
        matches!(kind, ColumnKind::Text | ColumnKind::Mixed)
    }
}
