//! The readers of file formats. Each streams its file into a [`TableBuilder`], a row at a time, and its errors name the place
//! in the file.

mod arrays;
mod csv;
pub(crate) mod files;
mod json_lines;
mod panics;
pub(crate) mod parquet;

use self::files::{DataFiles, Format};
use crate::error::Result;
use crate::table::Table;
use crate::table::builder::TableBuilder;
use crate::table::texts::TextWriter;

/// Reads all files of a data set, in order.
pub(crate) fn read(files: &DataFiles) -> Result<Table> {
    let mut table = TableBuilder::new(TextWriter::spooled()?);
    for path in &files.paths {
        match files.format {
            Format::Parquet => parquet::read(path, &mut table)?,
            Format::JsonLines => json_lines::read(path, &mut table)?,
            Format::Csv => csv::read(path, &mut table)?,
        }
    }
    table.finish()
}
