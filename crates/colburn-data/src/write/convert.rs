//! Rows of any source, written to a file of any format.

use std::path::Path;

use super::layout::{Column, Layout};
use super::output::Output;
use crate::error::Result;
use crate::read::records::Records;
use crate::source::Source;
use crate::table::value::Value;

/// The rows and columns to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// The columns, in this order; all if none are given.
    pub columns: Option<Vec<String>>,
    /// Columns with other names in the file: the old name, then the new one.
    pub rename: Vec<(String, String)>,
    /// The first so many rows; all if no number is given.
    pub rows: Option<usize>,
    /// True if a file may be replaced.
    pub overwrite: bool,
}

/// The contents of a file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The number of rows.
    pub rows: usize,
    /// The names of the columns in the file.
    pub columns: Vec<String>,
}

/// Writes the rows of a source to a file. The name decides the format: `.parquet` (zstd), `.arrow` (IPC file), `.jsonl`, `.csv` and `.tsv`,
/// the last three also with `.gz` or `.zst`.
///
/// The source is read twice: a late row may have a further column, or a float in a column of integers. Neither source nor file is held in
/// memory. The file appears whole or not at all.
///
/// Texts, numbers, lists of either and nulls are written as they are. A boolean is 0 or 1. CSV and TSV write a list as JSON, and a null as
/// an empty cell. JSON has no NaN; a null stands in its place, with a warning, and a list with a NaN is an error. Other values, such as
/// objects, cannot be written: their columns are left out with a warning, unless they are asked for by name.
///
/// ```
/// use colburn_data::{Dataset, Source, WriteOptions, convert};
///
/// let folder = tempfile::tempdir()?;
/// let (csv, parquet) = (folder.path().join("rows.csv"), folder.path().join("rows.parquet"));
/// std::fs::write(&csv, "id,question,answer\n0007,what is rust,a language\n")?;
/// let rename = vec![("question".to_owned(), "query".to_owned()), ("answer".to_owned(), "positive".to_owned())];
/// let options = WriteOptions { rename, ..WriteOptions::default() };
/// let written = convert(&Source::new(&csv), &parquet, &options)?;
/// assert_eq!((written.rows, written.columns.join(" ")), (1, "id query positive".to_owned()));
/// assert_eq!(Dataset::load(&parquet)?.text(0, 0)?, "0007");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Dataset::from_source`](crate::Dataset::from_source), and when the name tells no format, the file exists and may not be replaced, a
/// column does not exist or has several types in a format that allows one, or the file cannot be written.
pub fn convert(source: &Source, path: impl AsRef<Path>, options: &WriteOptions) -> Result<Written> {
    let output = Output::new(path.as_ref(), options.overwrite)?;
    let rows = options.rows.unwrap_or(usize::MAX);
    let mut layout = Layout::default();
    let mut records = Records::open(source)?;
    for _ in 0..rows {
        let Some(record) = records.next()? else { break };
        layout.add(record.names().map(|name| (name, record.value(name))));
    }
    let columns = chosen(layout, &output, options)?;
    // The files are found before there is a new one.
    let mut records = Records::open(source)?;
    let mut file = output.start(&columns)?;
    for _ in 0..rows {
        let Some(record) = records.next()? else { break };
        let values: Vec<Value> = columns.iter().map(|column| record.value(&column.from)).collect();
        file.push(&values)?;
    }
    let rows = file.finish()?;
    Ok(Written { rows, columns: columns.into_iter().map(|column| column.name).collect() })
}

/// The columns to be written.
pub(super) fn chosen(layout: Layout, output: &Output, options: &WriteOptions) -> Result<Vec<Column>> {
    let picked = options.columns.as_deref();
    let columns = layout.chosen(picked, &options.rename).map_err(|reason| output.refused(reason))?;
    let (left_out, kept): (Vec<Column>, Vec<Column>) =
        columns.into_iter().partition(|column| column.of.other().is_some());
    let values = |column: &Column| format!("\"{}\" ({})", column.from, column.of.other().unwrap_or_default());
    if let (Some(column), Some(_)) = (left_out.first(), picked) {
        let reason = "its values are neither texts nor numbers nor lists of these";
        return Err(output.refused(format!("column {}: {reason}", values(column))));
    }
    if kept.is_empty() {
        return Err(output.refused("there is no column of texts, numbers, or lists of these".to_owned()));
    }
    if !left_out.is_empty() {
        let names = left_out.iter().map(values).collect::<Vec<_>>().join(", ");
        tracing::warn!("columns left out, because they hold neither texts nor numbers nor lists of these: {names}");
    }
    Ok(kept)
}
