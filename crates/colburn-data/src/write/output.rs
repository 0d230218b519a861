//! An output file of rows: written beside its place, brought to the disk, and renamed into its place. Without the last, nothing of it
//! remains.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use polars_parquet::write::CompressionOptions;
use tempfile::NamedTempFile;

use super::arrow::ArrowWriter;
use super::column_type::OneType;
use super::delimited::DelimitedWriter;
use super::file_name::{EXPECTED, FileFormat};
use super::json_lines::JsonLinesWriter;
use super::layout::Column;
use super::parquet::ParquetWriter;
use super::row_groups::RowGroups;
use super::row_writer::RowWriter;
use super::sink::Sink;
use crate::error::{Error, Result};
use crate::one_line::one_line;
use crate::table::value::Value;

/// A place for rows.
pub(super) struct Output {
    path: PathBuf,
    format: FileFormat,
    overwrite: bool,
}

impl Output {
    /// Finds the format, and looks whether the file may be written.
    pub(super) fn new(path: &Path, overwrite: bool) -> Result<Self> {
        let Some(format) = FileFormat::of_name(path) else {
            return Err(refused(path, format!("not a format that can be written; expected {EXPECTED}")));
        };
        let output = Self { path: path.to_owned(), format, overwrite };
        if path.is_dir() {
            return Err(output.refused("it is a folder".to_owned()));
        }
        if !overwrite && path.exists() {
            return Err(output.exists());
        }
        Ok(output)
    }

    /// The error that names the file.
    pub(super) fn refused(&self, reason: String) -> Error {
        refused(&self.path, reason)
    }

    /// Starts the file. Folders on the way to it are made.
    pub(super) fn start(&self, columns: &[Column]) -> Result<Started<'_>> {
        let folder = self.folder();
        let io = |error: io::Error| self.refused(unwritable(error));
        let made = fs::create_dir_all(&folder).and_then(|()| {
            // Made with the permissions of any new file, not with a temporary file's private ones.
            tempfile::Builder::new().prefix(".colburn-").make_in(&folder, |path| File::create_new(path))
        });
        let place = made.map_err(io)?;
        let writer = place.as_file().try_clone().map_err(one_line).and_then(|file| self.writer(file, columns));
        let writer = writer.map_err(|reason| self.refused(reason))?;
        Ok(Started { output: self, place, writer, rows: 0 })
    }

    fn writer(&self, file: File, columns: &[Column]) -> std::result::Result<Box<dyn RowWriter>, String> {
        let names = columns.iter().map(|column| column.name.as_str());
        let sink = |compression| Sink::new(file.try_clone()?, compression);
        let one_types = || {
            let one_type = |column: &Column| {
                let several = |reason| {
                    format!(
                        "column \"{}\": {reason}, but a column of this format has one type; write .jsonl, or leave the column out",
                        column.name
                    )
                };
                column.of.one_type().map_err(several)
            };
            names.clone().zip(columns).map(|(name, column)| Ok((name, one_type(column)?))).collect()
        };
        Ok(match self.format {
            FileFormat::JsonLines(compression) => {
                Box::new(JsonLinesWriter::new(sink(compression).map_err(one_line)?, names)?)
            }
            FileFormat::Delimited(delimiter, compression) => {
                Box::new(DelimitedWriter::new(sink(compression).map_err(one_line)?, delimiter, names)?)
            }
            FileFormat::Parquet => {
                let types: std::result::Result<Vec<(&str, OneType)>, String> = one_types();
                let zstd = CompressionOptions::Zstd(None);
                Box::new(RowGroups::new(&types?, |fields| ParquetWriter::new(file, fields, zstd))?)
            }
            FileFormat::Arrow => {
                let types: std::result::Result<Vec<(&str, OneType)>, String> = one_types();
                Box::new(RowGroups::new(&types?, |fields| ArrowWriter::new(file, fields))?)
            }
        })
    }

    fn folder(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn exists(&self) -> Error {
        self.refused("the file is there already; choose another name, or overwrite it (--overwrite)".to_owned())
    }
}

/// A file that is being written.
pub(super) struct Started<'a> {
    output: &'a Output,
    place: NamedTempFile,
    writer: Box<dyn RowWriter>,
    rows: usize,
}

impl Started<'_> {
    /// Adds a row: a value for each column.
    pub(super) fn push(&mut self, values: &[Value]) -> Result<()> {
        let row = self.rows;
        self.rows += 1;
        self.writer.push(values).map_err(|reason| self.output.refused(format!("row {row} (counted from 0): {reason}")))
    }

    /// Brings the file to the disk and to its place.
    pub(super) fn finish(self) -> Result<usize> {
        let Self { output, place, writer, rows } = self;
        writer.finish().map_err(|reason| output.refused(reason))?;
        let io = |error: io::Error| output.refused(unwritable(error));
        place.as_file().sync_all().map_err(io)?;
        let placed = if output.overwrite { place.persist(&output.path) } else { place.persist_noclobber(&output.path) };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => output.exists(),
            _ => io(error.error),
        })?;
        #[cfg(unix)]
        File::open(output.folder()).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(rows)
    }
}

fn refused(path: &Path, reason: String) -> Error {
    Error::Output { path: path.to_owned(), reason }
}

fn unwritable(error: io::Error) -> String {
    format!("cannot be written ({})", one_line(error))
}
