//! Writes a Parquet file of as many short rows as asked for, a query and a positive each, to try a training set that is larger than memory:
//!
//! ```text
//! cargo run --release -p colburn-data --example many_rows -- rows.parquet 50000000
//! ```

use std::fs::File;
use std::sync::Arc;

use polars_arrow::array::{Array, MutableBinaryViewArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, FileWriter, StatisticsOptions, Version, WriteOptions, get_dtype_encoding, row_group_iter,
};

/// The rows of a row group, as many as pyarrow writes by default.
const GROUP: usize = 1 << 20;
const USAGE: &str = "usage: many_rows FILE.parquet ROWS";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or(USAGE)?;
    let rows: usize = arguments.next().ok_or(USAGE)?.parse()?;
    let field = |name: &str| Field::new(name.into(), ArrowDataType::Utf8View, false);
    let schema: ArrowSchema = ["query", "positive"].map(|name| (name.into(), field(name))).into_iter().collect();
    let options = WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Snappy,
        data_page_size: None,
    };
    let mut writer = FileWriter::try_new(File::create(path)?, schema.clone(), options)?;
    let schema = Arc::new(schema);
    for start in (0..rows).step_by(GROUP) {
        let group = start..(start + GROUP).min(rows);
        let texts = |text: fn(usize) -> String| -> Box<dyn Array> {
            let mut texts = MutableBinaryViewArray::<str>::with_capacity(group.len());
            group.clone().for_each(|row| texts.push_value(text(row)));
            Box::new(Utf8ViewArray::from(texts))
        };
        let queries = texts(|row| format!("what is the number {row} good for"));
        let positives = texts(|row| format!("the number {row} is good for counting to {row}, and for nothing else"));
        let batch = RecordBatchT::try_new(group.len(), schema.clone(), vec![queries, positives])?;
        let encodings = schema.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
        let fields = writer.parquet_schema().fields().to_vec();
        writer.write(group.len() as u64, row_group_iter(batch, encodings, fields, options))?;
    }
    writer.end(None)?;
    Ok(())
}
