//! An Arrow IPC file, also named Feather, that is written one record batch at a time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowSchema, Field};
use polars_arrow::io::ipc::write::{FileWriter, WriteOptions};
use polars_arrow::record_batch::RecordBatchT;

use super::row_groups::GroupWriter;
use crate::one_line::one_line;

/// The writer of a file, which can be mapped to memory because it is not compressed.
pub(super) struct ArrowWriter {
    writer: FileWriter<BufWriter<File>>,
    schema: Arc<ArrowSchema>,
}

impl ArrowWriter {
    /// Starts a file of these columns.
    pub(super) fn new(file: File, fields: Vec<Field>) -> Result<Self, String> {
        let schema: ArrowSchema = fields.into_iter().map(|field| (field.name.clone(), field)).collect();
        let schema = Arc::new(schema);
        let options = WriteOptions { compression: None };
        let writer = FileWriter::try_new(BufWriter::new(file), schema.clone(), None, options).map_err(one_line)?;
        Ok(Self { writer, schema })
    }
}

impl GroupWriter for ArrowWriter {
    // A reader holds one batch in memory.
    const BYTES: usize = 8 << 20;
    const ROWS: usize = 1 << 16;

    fn write(&mut self, columns: Vec<Box<dyn Array>>, rows: usize) -> Result<(), String> {
        let batch = RecordBatchT::try_new(rows, self.schema.clone(), columns).map_err(one_line)?;
        self.writer.write(&batch, None).map_err(one_line)
    }

    fn finish(mut self) -> Result<(), String> {
        self.writer.finish().map_err(one_line)?;
        self.writer.into_inner().flush().map_err(one_line)
    }
}
