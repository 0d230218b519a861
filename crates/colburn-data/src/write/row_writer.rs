//! A writer of rows in any format.

use crate::table::value::Value;

/// A writer of rows in any format. Its errors are reasons in one line.
pub(super) trait RowWriter {
    /// Adds a row: a value for each column.
    fn push(&mut self, values: &[Value]) -> Result<(), String>;

    /// Writes what is still held, and the end of the file.
    fn finish(self: Box<Self>) -> Result<(), String>;
}
