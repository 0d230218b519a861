//! The file formats. Each reader streams its file into a [`TableBuilder`](crate::builder::TableBuilder), a row at a time,
//! and says in its errors where in the file it stopped.

mod csv;
mod json_lines;
mod panics;
mod parquet;

use std::fs::File;
use std::path::Path;

use crate::builder::TableBuilder;
use crate::error::{Error, Result};
use crate::source::{Format, Source};
use crate::table::Table;
use crate::texts::TextWriter;

/// Reads all files of a data set, in order.
pub(crate) fn read(source: &Source) -> Result<Table> {
    let mut table = TableBuilder::new(TextWriter::spooled()?);
    for path in &source.files {
        match source.format {
            Format::Parquet => parquet::read(path, &mut table)?,
            Format::JsonLines => json_lines::read(path, &mut table)?,
            Format::Csv => csv::read(path, &mut table)?,
        }
    }
    table.finish()
}

/// Opens a file that must not be empty: a file of no bytes is an interrupted copy more often than an empty data set.
fn open(path: &Path) -> Result<File> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() == 0 {
        return Err(Error::Empty { path: path.to_owned(), reason: "an empty file (0 bytes)" });
    }
    Ok(file)
}
