//! An open Parquet file, mapped into memory: its footer, and the values of a column in a range of rows. All calls of the
//! decoder are here.

use std::fs::File;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use polars_arrow::array::Array;
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::{ArrowSchema, Field};
use polars_buffer::Buffer;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, Filter, PageReader, RowGroupMetadata, column_iter_to_arrays,
    infer_schema, read_metadata,
};

use crate::error::{Error, Result};
use crate::one_line::one_line;
use crate::read::arrow_values::Values;
use crate::read::panics::guarded;

/// An open file. Reading a file that somebody shortens at the same time ends the process, as with every mapped file.
pub(crate) struct ParquetFile {
    path: PathBuf,
    bytes: Buffer<u8>,
    metadata: FileMetadata,
    schema: ArrowSchema,
}

impl ParquetFile {
    /// The file at a path, of which the footer is read and checked against the length of the file.
    pub(crate) fn of(path: PathBuf, file: &File) -> Result<Self> {
        let io = |source| Error::Io { path: path.clone(), source };
        let incomplete = |reason: &str| Error::Unreadable {
            path: path.clone(),
            reason: format!("not a complete Parquet file ({reason}); copy or write it again"),
        };
        let bytes = map(file).map_err(io)?;
        let mut metadata =
            guarded(|| read_metadata(&mut Cursor::new(bytes.as_slice()))).map_err(|reason| incomplete(&reason))?;
        let length = bytes.len() as u64;
        let mut chunks = metadata.row_groups.iter().flat_map(|group| group.parquet_columns());
        if chunks.any(|chunk| chunk.byte_range().end > length) {
            return Err(incomplete("its footer names bytes beyond its end"));
        }
        // Some writers store types of their own beside Parquet's. Without those a category is a plain text, as it is here.
        metadata.key_value_metadata = None;
        let schema = guarded(|| infer_schema(&metadata)).map_err(|reason| undecodable(&path, &reason))?;
        Ok(Self { path, bytes, metadata, schema })
    }

    pub(in crate::read) fn path(&self) -> &Path {
        &self.path
    }

    /// The columns.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.schema.iter_values()
    }

    pub(crate) fn row_groups(&self) -> &[RowGroupMetadata] {
        &self.metadata.row_groups
    }

    /// The values of a column in these rows of a row group.
    pub(in crate::read) fn values(&self, group: usize, column: usize, rows: Range<usize>) -> Result<Values> {
        let unfit = || {
            let name = self.schema.get_at_index(column).map_or("", |(name, _)| name.as_str());
            format!("column {name} has no values of its type")
        };
        guarded(|| Values::of(self.decode(group, column, rows)?.as_ref()).ok_or_else(unfit))
            .map_err(|reason| undecodable(&self.path, &reason))
    }

    /// The array of a column in these rows of a row group, or the reason why there is none.
    pub(crate) fn decode(
        &self,
        group: usize,
        column: usize,
        rows: Range<usize>,
    ) -> std::result::Result<Box<dyn Array>, String> {
        let (name, field) = self.schema.get_at_index(column).ok_or("no such column")?;
        let chunks = self.metadata.row_groups.get(group).and_then(|group| group.columns_under_root_iter(name));
        let chunks: Vec<&ColumnChunkMetadata> = chunks.ok_or_else(|| format!("column {name} is missing"))?.collect();
        let pages = |chunk: &&ColumnChunkMetadata| {
            let range = chunk.byte_range();
            let bytes = self.bytes.clone().sliced(range.start as usize..range.end as usize);
            BasicDecompressor::new(PageReader::new(Cursor::new(bytes), chunk, Vec::new(), usize::MAX), Vec::new())
        };
        let types = chunks.iter().map(|chunk| &chunk.descriptor().descriptor.primitive_type).collect();
        let filter = Filter::new_ranged(rows.start, rows.end);
        let (arrays, _) = column_iter_to_arrays(chunks.iter().map(pages).collect(), types, field.clone(), Some(filter))
            .map_err(one_line)?;
        let array = match <[_; 1]>::try_from(arrays) {
            Ok([array]) => array,
            Err(arrays) => concatenate(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>()).map_err(one_line)?,
        };
        if array.len() != rows.len() {
            return Err(format!("column {name} has {} rows where the footer says {}", array.len(), rows.len()));
        }
        Ok(array)
    }
}

fn map(file: &File) -> std::io::Result<Buffer<u8>> {
    // SAFETY: the mapping is only read, as bytes that the decoder checks. Another process that writes to the file meanwhile
    // changes values, or ends this process where it shortens the file.
    let map = unsafe { Mmap::map(file) }?;
    Ok(Buffer::from_owner(map))
}

fn undecodable(path: &Path, reason: &str) -> Error {
    let reason = format!("cannot be decoded ({reason}); if the file is damaged, copy or write it again");
    Error::Unreadable { path: path.to_owned(), reason }
}
