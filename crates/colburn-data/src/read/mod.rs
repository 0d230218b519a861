//! The readers of all file formats. Each is a row at a time, so a file may be larger than memory, and its errors name the place
//! in the file.

mod arrow;
mod arrow_blocks;
mod arrow_lengths;
mod arrow_values;
mod content;
mod csv;
mod decoded;
mod fields;
mod folder_columns;
mod in_place;
mod input;
mod json;
mod lines;
pub(crate) mod listing;
mod panics;
pub(crate) mod parquet;
pub(crate) mod records;
mod rows;
mod text;

pub(crate) use self::fields::named_twice;
use self::fields::{CommonFields, check_names};
use self::folder_columns::WithFolderColumns;
use self::input::Input;
use self::rows::Rows;
use crate::error::Result;
use crate::source::find::{DataFile, find};
use crate::source::{Format, Source};
use crate::table::Table;
use crate::table::builder::TableBuilder;
use crate::table::spool::SpoolWriter;
use crate::table::value::Value;

/// All rows of a source: in their files where these can be read from any row, else copied to a table.
pub(crate) fn table(source: &Source) -> Result<Table> {
    let files = find(source)?;
    let mut first = files.first().map(|file| Input::open(&file.path, source.format)).transpose()?;
    if let Some(first) = &first
        && let Some(table) = in_place::table(&files, first, source)?
    {
        return Ok(table);
    }
    let mut table = TableBuilder::new(SpoolWriter::temporary()?);
    let mut common = CommonFields::default();
    for file in files {
        let input = first.take().map_or_else(|| Input::open(&file.path, source.format), Ok)?;
        let mut rows = open(input, &file, source)?;
        table.start(&file.path);
        // The column of the table for each field of the file, and the reverse.
        let (mut columns, mut fields): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
        loop {
            let more = rows.advance()?;
            for (at, field) in rows.fields().iter().enumerate().skip(columns.len()) {
                let column = table.column(&field.name, field.kind.as_ref());
                fields.resize(table.names().len(), None);
                fields[column] = Some(at);
                columns.push(column);
            }
            fields.resize(table.names().len(), None);
            if !more {
                break;
            }
            common.check_row(&file.path, rows.as_ref())?;
            table.push(|column| fields[column].map_or(Value::Null, |field| rows.value(field)), || rows.place())?;
        }
        common.check_file(&file.path, rows.fields())?;
    }
    table.finish()
}

/// The rows of one file, one after the other.
fn open(input: Input, file: &DataFile, source: &Source) -> Result<Box<dyn Rows>> {
    let rows: Box<dyn Rows> = match input.format {
        Format::Parquet => Box::new(parquet::ParquetRows::open(input)?),
        Format::Arrow => Box::new(arrow::ArrowRows::open(input)?),
        Format::Json => Box::new(json::JsonRows::open(input)?),
        Format::Csv => Box::new(csv::CsvRows::open(input, source)?),
        Format::Text => Box::new(text::TextRows::open(input, source)?),
    };
    check_names(&file.path, rows.fields())?;
    Ok(WithFolderColumns::around(rows, &file.columns))
}
