//! Rows collected to groups of bounded size, for the formats that keep columns together.

use polars_arrow::array::Array;
use polars_arrow::datatypes::Field;

use super::arrays::{ArrayBuilder, field};
use super::column_type::OneType;
use super::parquet::ParquetWriter;
use super::row_writer::RowWriter;
use crate::table::value::Value;

/// A writer of groups of rows. Its errors are reasons in one line.
pub(super) trait GroupWriter {
    /// The size of a group in memory, after which it is written.
    const BYTES: usize;
    /// The most rows of a group.
    const ROWS: usize;

    /// Adds a group: an array for each column, all of `rows` values.
    fn write(&mut self, columns: Vec<Box<dyn Array>>, rows: usize) -> Result<(), String>;

    /// Writes the end of the file.
    fn finish(self) -> Result<(), String>;
}

impl GroupWriter for ParquetWriter {
    const BYTES: usize = 64 << 20;
    const ROWS: usize = 1 << 20;

    fn write(&mut self, columns: Vec<Box<dyn Array>>, _rows: usize) -> Result<(), String> {
        ParquetWriter::write(self, columns)
    }

    fn finish(self) -> Result<(), String> {
        ParquetWriter::finish(self)
    }
}

/// Collects rows to groups.
pub(super) struct RowGroups<W> {
    writer: W,
    columns: Vec<ArrayBuilder>,
    rows: usize,
    bytes: usize,
}

impl<W: GroupWriter> RowGroups<W> {
    /// Starts with the writer that `start` makes of the columns' description.
    pub(super) fn new(
        columns: &[(&str, OneType)],
        start: impl FnOnce(Vec<Field>) -> Result<W, String>,
    ) -> Result<Self, String> {
        let writer = start(columns.iter().map(|(name, of)| field(name, *of)).collect())?;
        let columns = columns.iter().map(|(_, of)| ArrayBuilder::new(*of)).collect();
        Ok(Self { writer, columns, rows: 0, bytes: 0 })
    }

    fn write_group(&mut self) -> Result<(), String> {
        let arrays = self.columns.iter_mut().map(ArrayBuilder::take).collect();
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        self.writer.write(arrays, rows)
    }
}

impl<W: GroupWriter> RowWriter for RowGroups<W> {
    fn push(&mut self, values: &[Value]) -> Result<(), String> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            self.bytes += column.push(value)?;
        }
        self.rows += 1;
        if self.bytes >= W::BYTES || self.rows >= W::ROWS { self.write_group() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// Notes the rows of each group.
    struct Notes(Rc<RefCell<Vec<usize>>>);

    impl GroupWriter for Notes {
        const BYTES: usize = 100;
        const ROWS: usize = 5;

        fn write(&mut self, columns: Vec<Box<dyn Array>>, rows: usize) -> Result<(), String> {
            assert!(columns.iter().all(|column| column.len() == rows));
            self.0.borrow_mut().push(rows);
            Ok(())
        }

        fn finish(self) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn groups_are_bounded_by_bytes_and_by_rows() {
        // A text has an offset of 8 bytes beside it.
        for (length, expected) in [(0, vec![5, 5, 2]), (42, vec![2; 6]), (92, vec![1; 12]), (1000, vec![1; 12])] {
            let groups = Rc::new(RefCell::new(Vec::new()));
            let columns = [("text", OneType::Text)];
            let mut rows = RowGroups::new(&columns, |_fields| Ok(Notes(groups.clone()))).unwrap();
            let text = "a".repeat(length);
            (0..12).for_each(|_| rows.push(&[Value::Text(text.as_str().into())]).unwrap());
            Box::new(rows).finish().unwrap();
            assert_eq!(*groups.borrow(), expected, "{length}");
        }
    }
}
