//! A Parquet file that is written one row group at a time, so that it can be larger than memory.

use std::fs::File;
use std::sync::Arc;

use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, FileWriter, StatisticsOptions, Version, WriteOptions, get_dtype_encoding, row_group_iter,
};

use crate::one_line::one_line;

/// The writer of a file. Its errors are reasons in one line.
pub(crate) struct ParquetWriter {
    writer: FileWriter<File>,
    schema: Arc<ArrowSchema>,
    options: WriteOptions,
}

impl ParquetWriter {
    /// Starts a file of these columns.
    pub(crate) fn new(file: File, fields: Vec<Field>, compression: CompressionOptions) -> Result<Self, String> {
        let schema: ArrowSchema = fields.into_iter().map(|field| (field.name.clone(), field)).collect();
        let statistics = StatisticsOptions::empty();
        let options = WriteOptions { statistics, version: Version::V1, compression, data_page_size: None };
        let writer = FileWriter::try_new(file, schema.clone(), options).map_err(one_line)?;
        Ok(Self { writer, schema: Arc::new(schema), options })
    }

    /// Adds a row group: an array for each column, all of one length.
    pub(crate) fn write(&mut self, columns: Vec<Box<dyn Array>>) -> Result<(), String> {
        let rows = columns.first().map_or(0, |column| column.len());
        let batch = RecordBatchT::try_new(rows, self.schema.clone(), columns).map_err(one_line)?;
        let encodings = self.schema.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
        let fields = self.writer.parquet_schema().fields().to_vec();
        self.writer.write(rows as u64, row_group_iter(batch, encodings, fields, self.options)).map_err(one_line)
    }

    /// Writes the footer, without which the file cannot be read.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        self.writer.end(None).map(|_bytes| ()).map_err(one_line)
    }
}
