//! Arrow IPC, as a file (Feather) or a stream (`Dataset.save_to_disk`), one record batch at a time.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use polars_arrow::array::Array;
use polars_arrow::datatypes::ArrowSchema;
use polars_arrow::io::ipc::read::{FileReader, StreamReader, StreamState, read_file_metadata, read_stream_metadata};
use polars_arrow::record_batch::RecordBatchT;
use polars_error::PolarsResult;

use super::arrow_lengths::{check, check_stream};
use super::arrow_values::Values;
use super::decoded::Decoded;
use super::input::Input;
use super::panics::guarded;
use super::rows::{Field, Rows};
use crate::error::{Error, Place, Result};
use crate::table::value::Value;

pub(super) const FILE: &[u8] = b"ARROW1";

/// The rows of an Arrow file or stream.
pub(super) struct ArrowRows {
    batches: Batches,
    decoded: Decoded,
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
        Ok(Self { batches, decoded: Decoded::new(&path, schema.iter_values())? })
    }

    fn take(&mut self, batch: &RecordBatchT<Box<dyn Array>>) -> Result<()> {
        let (arrays, columns) = (batch.arrays(), self.decoded.fields().len());
        let path = self.decoded.path().to_owned();
        if arrays.len() != columns {
            let reason = format!("a batch of {} columns, where the schema has {columns}", arrays.len());
            return Err(incomplete(&path, &reason));
        }
        self.decoded.fill(batch.len(), |column, field| {
            let unfit = || incomplete(&path, &format!("column {} has no values of its type", field.name));
            Values::of(arrays[column].as_ref()).ok_or_else(unfit)
        })
    }
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
        self.decoded.fields()
    }

    fn advance(&mut self) -> Result<bool> {
        if self.decoded.advance() {
            return Ok(true);
        }
        self.decoded.clear();
        loop {
            let batch = guarded(|| self.batches.next());
            let Some(batch) = batch.map_err(|reason| incomplete(self.decoded.path(), &reason))? else {
                return Ok(false);
            };
            if !batch.is_empty() {
                self.take(&batch)?;
                return Ok(true);
            }
        }
    }

    fn value(&self, field: usize) -> Value<'_> {
        self.decoded.value(field)
    }

    fn place(&self) -> Place {
        self.decoded.place()
    }
}

pub(super) fn incomplete(path: &Path, reason: &str) -> Error {
    let reason = format!("not a complete Arrow file ({reason}); copy or write it again");
    Error::Unreadable { path: path.to_owned(), reason }
}
