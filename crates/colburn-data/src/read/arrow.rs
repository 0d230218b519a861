//! Arrow IPC, as a file (Feather) or a stream (`Dataset.save_to_disk`), one record batch at a time.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use polars_arrow::array::Array;
use polars_arrow::datatypes::ArrowSchema;
use polars_arrow::io::ipc::read::{FileReader, StreamReader, StreamState, read_file_metadata, read_stream_metadata};
use polars_arrow::record_batch::RecordBatchT;
use polars_error::PolarsResult;

use super::arrow_lengths::{check, check_stream};
use super::arrow_values::{Values, kind_of};
use super::input::Input;
use super::panics::guarded;
use super::rows::{Field, Rows};
use crate::error::{Error, Place, Result};
use crate::table::ColumnKind;
use crate::table::value::Value;

const FILE: &[u8] = b"ARROW1";

/// The rows of an Arrow file or stream.
pub(super) struct ArrowRows {
    path: PathBuf,
    batches: Batches,
    fields: Vec<Field>,
    /// The values of the batch by column; none for a column that is not kept.
    values: Vec<Option<Values>>,
    /// The first row of the batch, its rows, and the row in it.
    start: usize,
    rows: usize,
    row: Option<usize>,
}

enum Batches {
    File(Box<FileReader<BufReader<File>>>),
    Stream(Box<StreamReader<BufReader<File>>>),
}

impl ArrowRows {
    pub(super) fn open(input: Input) -> Result<Self> {
        let Input { path, mut file, head, .. } = input;
        file.seek(SeekFrom::Start(0)).map_err(|source| Error::Io { path: path.clone(), source })?;
        let length = file.metadata().map_err(|source| Error::Io { path: path.clone(), source })?.len();
        let reader = BufReader::new(file);
        let opened =
            guarded(|| if head.starts_with(FILE) { of_file(reader, length) } else { of_stream(reader, length) });
        let (batches, schema) = opened.map_err(|reason| incomplete(&path, &reason))?;
        let field = |name: &str, kind| Field { name: name.to_owned(), kind: Some(kind) };
        let fields: Vec<Field> = schema.iter_values().map(|of| field(&of.name, kind_of(&of.dtype))).collect();
        if fields.is_empty() {
            return Err(Error::Empty { path, reason: "no columns" });
        }
        if !fields.iter().any(is_kept) {
            return Err(Error::Empty { path, reason: "no column of texts, numbers or lists of either" });
        }
        Ok(Self { path, batches, fields, values: Vec::new(), start: 0, rows: 0, row: None })
    }

    fn values(&self, batch: &RecordBatchT<Box<dyn Array>>) -> std::result::Result<Vec<Option<Values>>, String> {
        let arrays = batch.arrays();
        if arrays.len() != self.fields.len() {
            return Err(format!("a batch of {} columns, where the schema has {}", arrays.len(), self.fields.len()));
        }
        let values = |(field, array): (&Field, &dyn Array)| {
            if !is_kept(field) {
                return Ok(None);
            }
            let unfit = || format!("column {} has no values of its type", field.name);
            Values::of(array).map(Some).ok_or_else(unfit)
        };
        self.fields.iter().zip(arrays.iter().map(AsRef::as_ref)).map(values).collect()
    }
}

fn is_kept(field: &Field) -> bool {
    field.kind.as_ref().is_some_and(ColumnKind::is_kept)
}

fn of_file(mut reader: BufReader<File>, length: u64) -> PolarsResult<(Batches, ArrowSchema)> {
    let metadata = read_file_metadata(&mut reader)?;
    let mut message = Vec::new();
    for block in metadata.blocks.iter().chain(metadata.dictionaries.iter().flatten()) {
        // An offset below 0 is beyond any file.
        check(&mut reader, u64::try_from(block.offset).unwrap_or(u64::MAX), length, &mut message)?;
    }
    let schema = ArrowSchema::clone(&metadata.schema);
    let mut reader = FileReader::new(reader, metadata, None, None);
    reader.read_dictionaries()?;
    Ok((Batches::File(Box::new(reader)), schema))
}

fn of_stream(mut reader: BufReader<File>, length: u64) -> PolarsResult<(Batches, ArrowSchema)> {
    check_stream(&mut reader, length)?;
    reader.seek(SeekFrom::Start(0))?;
    let metadata = read_stream_metadata(&mut reader)?;
    let schema = metadata.schema.clone();
    Ok((Batches::Stream(Box::new(StreamReader::new(reader, metadata, None))), schema))
}

impl Batches {
    fn next(&mut self) -> PolarsResult<Option<RecordBatchT<Box<dyn Array>>>> {
        match self {
            Batches::File(reader) => reader.next().transpose(),
            Batches::Stream(reader) => match reader.next().transpose()? {
                Some(StreamState::Some(batch)) => Ok(Some(batch)),
                Some(StreamState::Waiting) | None => Ok(None),
            },
        }
    }
}

impl Rows for ArrowRows {
    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn advance(&mut self) -> Result<bool> {
        let next = self.row.map_or(0, |row| row + 1);
        if next < self.rows {
            self.row = Some(next);
            return Ok(true);
        }
        self.values = Vec::new();
        self.start += self.rows;
        (self.row, self.rows) = (None, 0);
        loop {
            let batch = guarded(|| self.batches.next()).map_err(|reason| incomplete(&self.path, &reason))?;
            let Some(batch) = batch else { return Ok(false) };
            if batch.is_empty() {
                continue;
            }
            self.values = self.values(&batch).map_err(|reason| incomplete(&self.path, &reason))?;
            (self.rows, self.row) = (batch.len(), Some(0));
            return Ok(true);
        }
    }

    fn value(&self, field: usize) -> Value<'_> {
        match (self.values.get(field), self.row) {
            (Some(Some(values)), Some(row)) => values.value(row),
            _ => self
                .fields
                .get(field)
                .and_then(|field| field.kind.as_ref())
                .map_or(Value::Null, |kind| Value::Other(kind.name())),
        }
    }

    fn place(&self) -> Place {
        Place::Row { path: self.path.clone(), row: self.start + self.row.unwrap_or(0) }
    }
}

fn incomplete(path: &Path, reason: &str) -> Error {
    let reason = format!("not a complete Arrow file ({reason}); copy or write it again");
    Error::Unreadable { path: path.to_owned(), reason }
}
