//! The rows of one file, one after the other: what the readers of all formats have in common.

use crate::error::{Place, Result};
use crate::table::ColumnKind;
use crate::table::value::Value;

/// A column of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The kind of its values, where the file says it beforehand.
    pub(crate) kind: Option<ColumnKind>,
}

impl Field {
    pub(crate) fn untyped(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: None }
    }
}

/// The rows of one file. There is no row before the first `advance`.
pub(crate) trait Rows: Send {
    /// The columns, as far as they are known.
    fn fields(&self) -> &[Field];

    /// True if later rows may have columns that the rows so far lack.
    fn fields_grow(&self) -> bool {
        false
    }

    /// Goes to the next row; `false` after the last one.
    fn advance(&mut self) -> Result<bool>;

    /// The value of a column in this row.
    fn value(&self, field: usize) -> Value<'_>;

    /// True if this row has the column.
    fn has(&self, _field: usize) -> bool {
        true
    }

    /// The place of this row.
    fn place(&self) -> Place;
}
