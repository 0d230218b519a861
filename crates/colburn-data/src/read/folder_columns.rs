//! Rows with the columns that the names of their folders make (`lang=en/part-0.parquet`).

use crate::error::{Place, Result};
use crate::read::rows::{Field, Rows};
use crate::source::folders::FolderColumn;
use crate::table::value::Value;

/// Rows of a file with columns that are the same in all of them.
pub(super) struct WithFolderColumns {
    rows: Box<dyn Rows>,
    fields: Vec<Field>,
    /// The values of the first fields.
    values: Vec<Option<String>>,
}

impl WithFolderColumns {
    /// The rows, with the columns that the file does not have itself.
    pub(super) fn around(rows: Box<dyn Rows>, columns: &[FolderColumn]) -> Box<dyn Rows> {
        let added = added_to(rows.fields(), columns);
        if added.is_empty() {
            return rows;
        }
        let fields = added.iter().map(|(name, _)| Field::untyped(name)).collect();
        let values = added.iter().map(|(_, value)| value.clone()).collect();
        let mut rows = Self { rows, fields, values };
        rows.take_fields();
        Box::new(rows)
    }

    fn take_fields(&mut self) {
        let known = self.fields.len() - self.values.len();
        self.fields.extend(self.rows.fields().iter().skip(known).cloned());
    }
}

/// The columns that a file with these fields does not have itself.
pub(super) fn added_to<'a>(fields: &[Field], columns: &'a [FolderColumn]) -> Vec<&'a FolderColumn> {
    columns.iter().filter(|(name, _)| !fields.iter().any(|field| field.name == *name)).collect()
}

impl Rows for WithFolderColumns {
    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn fields_grow(&self) -> bool {
        self.rows.fields_grow()
    }

    fn advance(&mut self) -> Result<bool> {
        let more = self.rows.advance()?;
        self.take_fields();
        Ok(more)
    }

    fn value(&self, field: usize) -> Value<'_> {
        match self.values.get(field) {
            Some(Some(text)) => Value::Text(text.into()),
            Some(None) => Value::Null,
            None => self.rows.value(field - self.values.len()),
        }
    }

    fn has(&self, field: usize) -> bool {
        field < self.values.len() || self.rows.has(field - self.values.len())
    }

    fn place(&self) -> Place {
        self.rows.place()
    }
}
