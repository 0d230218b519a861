//! The rows of a data set, written to a file of any format.

use std::path::Path;

use super::convert::{WriteOptions, chosen};
use super::layout::Layout;
use super::output::Output;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::table::value::Value;

impl Dataset {
    /// Writes all rows and columns to a file, whose name decides the format: `.parquet`, `.arrow`, `.jsonl`, `.csv` or `.tsv`, the last
    /// three also with `.gz` or `.zst`. [`convert`](crate::convert) says how values are written. The file appears whole or not at all, and
    /// takes the place of an older one.
    ///
    /// ```
    /// use colburn_data::{Dataset, Value};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("rows.parquet");
    /// let rows = [["what is rust", "a language"], ["what is colbert", "a retrieval model"]];
    /// let data = Dataset::from_rows(&["query", "positive"], rows.map(|row| row.map(String::from).to_vec()))?;
    /// data.select(&[1])?.write(&path)?;
    /// assert_eq!(Dataset::load(&path)?.text(0, 0)?, "what is colbert");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the name tells no format, when a column has several types and the format allows one, and when the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let output = Output::new(path.as_ref(), true)?;
        let names = self.columns();
        let mut layout = Layout::default();
        names.iter().for_each(|name| layout.name(name));
        let row =
            |row: usize| (0..names.len()).map(move |column| self.value(row, column)).collect::<Result<Vec<Value>>>();
        for at in 0..self.len() {
            layout.add(names.iter().copied().zip(row(at)?));
        }
        let columns = chosen(layout, &output, &WriteOptions::default())?;
        let mut file = output.start(&columns)?;
        for at in 0..self.len() {
            file.push(&row(at)?)?;
        }
        file.finish().map(|_rows| ())
    }
}
