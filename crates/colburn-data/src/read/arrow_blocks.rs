//! An Arrow file or stream, mapped into memory, whose record batches are decoded in any order, a column at a time.

use std::fs::File;
use std::io::{BufReader, Cursor, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use polars_arrow::datatypes::{ArrowSchema, Field as ArrowField};
use polars_arrow::io::ipc::format::ipc::MetadataVersion;
use polars_arrow::io::ipc::read::{
    StreamMetadata, StreamReader, StreamState, read_file_metadata, read_stream_metadata,
};
use polars_error::{PolarsResult, polars_bail};

use super::arrow::{FILE, incomplete};
use super::arrow_lengths::{MessageKind, check, check_stream};
use super::arrow_values::Values;
use super::input::Input;
use super::panics::guarded;
use crate::error::{Error, Result};

/// An open file.
pub(super) struct ArrowBlocks {
    path: PathBuf,
    bytes: Mmap,
    metadata: StreamMetadata,
    /// The offset of each record batch, and its number of rows.
    batches: Vec<(usize, usize)>,
}

impl ArrowBlocks {
    /// The batches of a file; none if it has dictionaries, which have to be read in their order.
    ///
    /// # Errors
    /// When the file is not complete.
    pub(super) fn open(input: &Input) -> Result<Option<Self>> {
        let Input { path, file, head, .. } = input;
        let io = |source| Error::Io { path: path.clone(), source };
        let mut file = file.try_clone().map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let opened = guarded(|| if head.starts_with(FILE) { of_file(&file) } else { of_stream(&file) });
        let (metadata, messages) = opened.map_err(|reason| incomplete(path, &reason))?;
        if messages.iter().any(|(_, kind)| *kind == MessageKind::Dictionary) {
            return Ok(None);
        }
        let batch = |(start, kind): (u64, MessageKind)| match kind {
            MessageKind::Rows(rows) if rows > 0 => Some((usize::try_from(start).ok()?, rows)),
            _ => None,
        };
        let batches = messages.into_iter().filter_map(batch).collect();
        // SAFETY: the mapping is only read, as bytes that the decoder checks. Another process that writes to the file meanwhile
        // changes values, or ends this process where it shortens the file.
        let bytes = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Some(Self { path: path.clone(), bytes, metadata, batches }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The columns.
    pub(super) fn fields(&self) -> impl Iterator<Item = &ArrowField> {
        self.metadata.schema.iter_values()
    }

    /// The number of rows of each batch, none of which is empty.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.batches.iter().map(|&(_, rows)| rows)
    }

    /// The values of a column in a batch.
    ///
    /// # Errors
    /// When the batch cannot be decoded.
    pub(super) fn values(&self, batch: usize, column: usize) -> Result<Values> {
        let (start, rows) = self.batches[batch];
        let decoded = guarded(|| {
            let bytes = self.bytes.get(start..).unwrap_or_default();
            let mut reader = StreamReader::new(Cursor::new(bytes), self.metadata.clone(), Some(vec![column]));
            match reader.next().transpose()? {
                Some(StreamState::Some(batch)) if batch.len() == rows => Ok(batch),
                _ => polars_bail!(ComputeError: "a record batch was changed"),
            }
        });
        let batch = decoded.map_err(|reason| incomplete(&self.path, &reason))?;
        let unfit = || incomplete(&self.path, &format!("column {column} has no values of its type"));
        batch.arrays().first().and_then(|array| Values::of(array.as_ref())).ok_or_else(unfit)
    }
}

type Messages = Vec<(u64, MessageKind)>;

fn of_file(file: &File) -> PolarsResult<(StreamMetadata, Messages)> {
    let (mut reader, length) = (BufReader::new(file), file.metadata()?.len());
    let found = read_file_metadata(&mut reader)?;
    let (mut buffer, mut messages) = (Vec::new(), Vec::new());
    for block in found.blocks.iter().chain(found.dictionaries.iter().flatten()) {
        // An offset below 0 is beyond any file.
        let message = check(&mut reader, u64::try_from(block.offset).unwrap_or(u64::MAX), length, &mut buffer)?;
        messages.push((message.start, message.kind));
    }
    let metadata = StreamMetadata {
        schema: ArrowSchema::clone(&found.schema),
        custom_schema_metadata: None,
        version: MetadataVersion::V5,
        ipc_schema: found.ipc_schema,
    };
    Ok((metadata, messages))
}

fn of_stream(file: &File) -> PolarsResult<(StreamMetadata, Messages)> {
    let (mut reader, length) = (BufReader::new(file), file.metadata()?.len());
    let messages = check_stream(&mut reader, length)?;
    reader.seek(SeekFrom::Start(0))?;
    let metadata = read_stream_metadata(&mut reader)?;
    Ok((metadata, messages.into_iter().map(|message| (message.start, message.kind)).collect()))
}
