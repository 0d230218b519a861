//! Rows that are decoded some at a time, column by column: those of Parquet and of Arrow files.

use std::path::{Path, PathBuf};

use polars_arrow::datatypes::Field as ArrowField;

use super::arrow_values::{Values, kind_of};
use super::rows::Field;
use crate::error::{Error, Place, Result};
use crate::table::ColumnKind;
use crate::table::value::Value;

/// The columns of a file, and the rows of it that are decoded.
pub(super) struct Decoded {
    path: PathBuf,
    fields: Vec<Field>,
    /// The values by column; none for a column that is not kept.
    values: Vec<Option<Values>>,
    /// The place in the file of the first decoded row, the number of these rows, and the current one among them.
    first: usize,
    rows: usize,
    row: Option<usize>,
}

impl Decoded {
    /// A file of these columns, no row of which is decoded yet.
    ///
    /// # Errors
    /// When there is no column that is kept.
    pub(super) fn new<'a>(path: &Path, fields: impl Iterator<Item = &'a ArrowField>) -> Result<Self> {
        let fields = fields_of(path, fields)?;
        Ok(Self { path: path.to_owned(), fields, values: Vec::new(), first: 0, rows: 0, row: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Goes to the next decoded row; `false` after the last one.
    pub(super) fn advance(&mut self) -> bool {
        let next = self.row.map_or(0, |row| row + 1);
        self.row = (next < self.rows).then_some(next);
        self.row.is_some()
    }

    /// Forgets all decoded rows. The next ones in the file follow them.
    pub(super) fn clear(&mut self) {
        self.values = Vec::new();
        self.first += self.rows;
        (self.rows, self.row) = (0, None);
    }

    /// Takes the next rows of the file, of which the first becomes the current one. `values` decodes a column, by its number, where it is kept.
    ///
    /// # Errors
    /// When a column cannot be decoded.
    pub(super) fn fill(&mut self, rows: usize, mut values: impl FnMut(usize, &Field) -> Result<Values>) -> Result<()> {
        let columns = self.fields.iter().enumerate();
        let values = columns.map(|(at, field)| is_kept(field).then(|| values(at, field)).transpose());
        self.values = values.collect::<Result<_>>()?;
        (self.rows, self.row) = (rows, Some(0));
        Ok(())
    }

    /// The value of a column in the current row.
    pub(super) fn value(&self, field: usize) -> Value<'_> {
        match (self.values.get(field), self.row) {
            (Some(Some(values)), Some(row)) => values.value(row),
            _ => self
                .fields
                .get(field)
                .and_then(|field| field.kind.as_ref())
                .map_or(Value::Null, |kind| Value::Other(kind.name())),
        }
    }

    /// The place of the current row.
    pub(super) fn place(&self) -> Place {
        Place::Row { path: self.path.clone(), row: self.first + self.row.unwrap_or(0) }
    }
}

/// The columns of a file.
///
/// # Errors
/// When there is no column that is kept.
pub(super) fn fields_of<'a>(path: &Path, fields: impl Iterator<Item = &'a ArrowField>) -> Result<Vec<Field>> {
    let field = |of: &ArrowField| Field { name: of.name.to_string(), kind: Some(kind_of(&of.dtype)) };
    let fields: Vec<Field> = fields.map(field).collect();
    let empty = |reason| Err(Error::Empty { path: path.to_owned(), reason });
    if fields.is_empty() {
        return empty("no columns");
    }
    if !fields.iter().any(is_kept) {
        return empty("no column of texts, numbers or lists of either");
    }
    Ok(fields)
}

fn is_kept(field: &Field) -> bool {
    field.kind.as_ref().is_some_and(ColumnKind::is_kept)
}
