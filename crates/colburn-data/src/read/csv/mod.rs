//! CSV and TSV: a line a row, quoted as in RFC 4180, so a cell may span lines. A cell is a text as it is written; an empty one is an
//! empty text. The first lines decide the separator, see [`dialect`], and the first line names the columns, except in files that are
//! known to have no such line, see [`headerless`].

mod dialect;
mod headerless;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};

use self::dialect::Dialect;
use crate::error::{Error, Place, Result};
use crate::read::input::{Input, unreadable};
use crate::read::lines::{LONGEST, too_long};
use crate::read::rows::{Field, Rows};
use crate::source::Source;
use crate::source::format::Compression;
use crate::table::ColumnKind;
use crate::table::value::Value;

/// The rows of a CSV file.
pub(super) struct CsvRows {
    path: PathBuf,
    compression: Option<Compression>,
    reader: Reader<Watched>,
    watch: Arc<Watch>,
    separator: String,
    fields: Vec<Field>,
    record: StringRecord,
    line: u64,
    /// True if the last cell of the row spans lines.
    spans_lines: bool,
}

impl CsvRows {
    pub(super) fn open(input: Input, source: &Source) -> Result<Self> {
        let dialect = Dialect::of(&input, source)?;
        let (path, compression, watch) = (input.path.clone(), input.compression, Arc::new(Watch::default()));
        let mut reader = ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .quoting(dialect.quoting)
            .has_headers(false)
            .flexible(true)
            .from_reader(Watched { reader: Box::new(input.reader()?), watch: watch.clone() });
        let names = match dialect.names {
            Some(names) => names,
            None => {
                let mut header = StringRecord::new();
                reader.read_record(&mut header).map_err(|error| line_error(&path, compression, error))?;
                header.iter().map(str::to_owned).collect()
            }
        };
        if names.is_empty() {
            return Err(Error::Empty { path, reason: "no columns" });
        }
        let text = |name: String| Field { name, kind: Some(ColumnKind::Text) };
        Ok(Self {
            path,
            compression,
            reader,
            watch,
            separator: dialect::name(dialect.delimiter),
            fields: names.into_iter().map(text).collect(),
            record: StringRecord::new(),
            line: 0,
            spans_lines: false,
        })
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Line { place: self.place(), reason }
    }
}

impl Rows for CsvRows {
    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn advance(&mut self) -> Result<bool> {
        self.watch.read.store(0, Ordering::Relaxed);
        let more = self.reader.read_record(&mut self.record);
        if !more.map_err(|error| line_error(&self.path, self.compression, error))? {
            // A quote that is never closed takes all that follows into one cell.
            if self.spans_lines && self.watch.last.load(Ordering::Relaxed) != usize::from(b'"') {
                return Err(self.wrong("a quote that is not closed before the end of the file".to_owned()));
            }
            return Ok(false);
        }
        self.line = self.record.position().map_or(0, Position::line);
        if self.record.len() != self.fields.len() {
            let (found, expected) = (self.record.len(), self.fields.len());
            return Err(self.wrong(format!(
                "{found} fields; expected {expected}, as in the header (separated by {}; a field with it, a quote or a line break needs double \
                 quotes around it)",
                self.separator
            )));
        }
        self.spans_lines = self.record.iter().next_back().is_some_and(|cell| cell.contains('\n'));
        Ok(true)
    }

    fn value(&self, field: usize) -> Value<'_> {
        self.record.get(field).map_or(Value::Null, |cell| Value::Text(cell.into()))
    }

    fn place(&self) -> Place {
        Place::Line { path: self.path.clone(), line: self.line }
    }
}

/// The bytes that the reader has read: the parser has no limit for a row, and does not say that a quote is open at the end.
#[derive(Default)]
struct Watch {
    /// The bytes since the row began.
    read: AtomicUsize,
    /// The last byte that is no line end.
    last: AtomicUsize,
}

struct Watched {
    reader: Box<dyn Read + Send>,
    watch: Arc<Watch>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if self.watch.read.fetch_add(read, Ordering::Relaxed) > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(last) = buffer[..read].iter().rev().find(|byte| !matches!(byte, b'\n' | b'\r')) {
            self.watch.last.store(usize::from(*last), Ordering::Relaxed);
        }
        Ok(read)
    }
}

fn line_error(path: &Path, compression: Option<Compression>, error: csv::Error) -> Error {
    let line = error.position().map_or(1, Position::line);
    let place = Place::Line { path: path.to_owned(), line };
    match error.into_kind() {
        ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => too_long(place),
        ErrorKind::Io(source) => unreadable(path, compression, source),
        ErrorKind::Utf8 { err, .. } => {
            Error::Line { place, reason: format!("field {} is not UTF-8; expected text in UTF-8", err.field() + 1) }
        }
        other => Error::Line { place, reason: format!("not CSV ({other:?})") },
    }
}

#[cfg(test)]
mod tests;
