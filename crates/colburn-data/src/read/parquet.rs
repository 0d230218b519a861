//! Parquet, in slices: a row group can be larger than memory, so only about [`SLICE_BYTES`] of decoded values exist at
//! a time. Only columns of texts, numbers and lists of either are decoded.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::{
    ArrowDataType, ArrowSchema, Column, DataFrame, DataType, FileMetadata, Float64Chunked, Int64Chunked,
    ParallelStrategy, ParquetReader, PolarsError, PolarsResult, SerReader, StringChunked, UInt64Chunked,
};
use polars_parquet::parquet::metadata::SchemaDescriptor;
use polars_parquet::parquet::schema::types::{
    IntegerType, ParquetType, PhysicalType, PrimitiveConvertedType, PrimitiveLogicalType,
};

use super::files::open;
use super::panics::caught;
use crate::error::{Error, Place, Result};
use crate::table::builder::{Cell, TableBuilder};
use crate::table::lists::{Item, List};
use crate::table::{ColumnKind, ListItems};

const SLICE_BYTES: usize = 32 << 20;

pub(super) fn read(path: &Path, table: &mut TableBuilder) -> Result<()> {
    let file = open(path)?;
    let (metadata, schema) = read_footer(path, &file)?;
    let fields = schema.iter_values().map(|field| (field.name.to_string(), kind_of(&field.dtype)));
    let order = table.start(Some(path), fields.collect())?;
    let columns: Vec<(String, ColumnKind)> = table.columns().iter().map(|c| (c.name.clone(), c.kind.clone())).collect();
    let wanted: Vec<usize> = order.into_iter().zip(&columns).filter(|(_, c)| c.1.is_kept()).map(|(at, _)| at).collect();
    if wanted.is_empty() {
        let reason = "no column of texts, numbers or lists of either".to_owned();
        return Err(Error::Parquet { path: path.to_owned(), reason });
    }
    for (start, rows) in slices(&metadata, SLICE_BYTES) {
        let values = guarded(|| {
            let reader = reader(&file, &metadata)?.with_projection(Some(wanted.clone()));
            columns_of(&reader.with_slice(Some((start, rows))).finish()?, &columns, rows)
        })
        .map_err(|reason| undecodable(path, &reason))?;
        for row in 0..rows {
            let place = || Place::Row { path: path.to_owned(), row: start + row };
            table.push(values.iter().map(|values| values.cell(row)), place)?;
        }
    }
    Ok(())
}

/// The footer, checked against the length of the file, and the columns.
fn read_footer(path: &Path, file: &File) -> Result<(Arc<FileMetadata>, Arc<ArrowSchema>)> {
    let incomplete = |reason: &str| Error::Parquet {
        path: path.to_owned(),
        reason: format!("not a complete Parquet file ({reason}); copy or write it again"),
    };
    let length = file.metadata().map_err(|source| Error::Io { path: path.to_owned(), source })?.len();
    let mut metadata = guarded(|| Ok(FileMetadata::clone(ParquetReader::new(file.try_clone()?).get_metadata()?)))
        .map_err(|reason| incomplete(&reason))?;
    let mut chunks = metadata.row_groups.iter().flat_map(|group| group.parquet_columns());
    if chunks.any(|chunk| chunk.byte_range().end > length) {
        return Err(incomplete("its footer names bytes beyond its end"));
    }
    // Some writers store types of their own beside Parquet's. Without those a category is a plain text, as it is here.
    metadata.key_value_metadata = None;
    metadata.schema_descr = widened(&metadata.schema_descr);
    let metadata = Arc::new(metadata);
    let schema = guarded(|| reader(file, &metadata)?.schema()).map_err(|reason| undecodable(path, &reason))?;
    Ok((metadata, schema))
}

fn reader(file: &File, metadata: &Arc<FileMetadata>) -> PolarsResult<ParquetReader<File>> {
    let mut reader = ParquetReader::new(file.try_clone()?);
    reader.set_metadata(metadata.clone());
    // The other strategies visit every row group before a slice.
    Ok(reader.read_parallel(ParallelStrategy::RowGroups))
}

/// Runs polars, which panics on some damaged files: a bad file must not end a program that can report it.
fn guarded<T>(decode: impl FnOnce() -> PolarsResult<T>) -> std::result::Result<T, String> {
    match caught(decode) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
        None => Err("the decoder failed".to_owned()),
    }
}

fn undecodable(path: &Path, reason: &str) -> Error {
    let reason = format!("cannot be decoded ({reason}); if the file is damaged, copy or write it again");
    Error::Parquet { path: path.to_owned(), reason }
}

/// Slices of rows as (first row, rows), each within a row group and of about `bytes` decoded bytes.
fn slices(metadata: &FileMetadata, bytes: usize) -> Vec<(usize, usize)> {
    let mut slices = Vec::new();
    let mut start = 0;
    for group in &metadata.row_groups {
        let end = start + group.num_rows();
        let step = (group.num_rows().saturating_mul(bytes) / group.total_byte_size().max(1)).max(1);
        while start < end {
            let rows = step.min(end - start);
            slices.push((start, rows));
            start += rows;
        }
    }
    slices
}

fn columns_of(frame: &DataFrame, columns: &[(String, ColumnKind)], rows: usize) -> PolarsResult<Vec<Values>> {
    let column = |name: &str| {
        let column = frame.column(name)?;
        if column.len() != rows {
            let reason = format!("column {name} has {} rows where the footer says {rows}", column.len());
            return Err(PolarsError::ComputeError(reason.into()));
        }
        Ok(column)
    };
    columns
        .iter()
        .map(|(name, kind)| match kind {
            ColumnKind::Other(other) => Ok(Values::Other(other.clone())),
            kept => Values::of(column(name)?, kept),
        })
        .collect()
}

/// The values of one column.
enum Values {
    Flat(Flat),
    /// The values of all lists, and the range of each row in them; `None` for a row without a list.
    Lists {
        values: Flat,
        ranges: Vec<Option<(usize, usize)>>,
    },
    /// A column that is not kept, by the name of its type.
    Other(String),
}

impl Values {
    fn of(column: &Column, kind: &ColumnKind) -> PolarsResult<Self> {
        Ok(match kind {
            ColumnKind::List(_) => {
                let lists = column.list()?.rechunk();
                let mut ranges = Vec::with_capacity(lists.len());
                for chunk in lists.downcast_iter() {
                    let valid = |row| chunk.validity().is_none_or(|valid| valid.get_bit(row));
                    ranges.extend(
                        (0..chunk.offsets().len_proxy()).map(|row| valid(row).then(|| chunk.offsets().start_end(row))),
                    );
                }
                Values::Lists { values: Flat::of(&lists.get_inner().into())?, ranges }
            }
            _ => Values::Flat(Flat::of(column)?),
        })
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Values::Flat(values) => match values.item(row) {
                Some(Value::Text(text)) => Cell::Text(text),
                Some(Value::Integer(integer)) => Cell::Integer(integer),
                Some(Value::Float(float)) => Cell::Float(float),
                None => Cell::Null,
            },
            Values::Lists { values, ranges } => match ranges.get(row).copied().flatten() {
                Some((start, end)) => Cell::List(List::collect((start..end).map(|at| match values.item(at) {
                    Some(Value::Text(text)) => Item::Text(text.into()),
                    Some(Value::Integer(integer)) => Item::Integer(integer),
                    Some(Value::Float(float)) => Item::Float(float),
                    None => Item::Null,
                }))),
                None => Cell::Null,
            },
            Values::Other(name) => Cell::Other(name),
        }
    }
}

/// Values that are not lists.
enum Flat {
    Text(StringChunked),
    Integer(Int64Chunked),
    /// Integers that may need 64 bits.
    Unsigned(UInt64Chunked),
    Float(Float64Chunked),
}

enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
}

impl Flat {
    fn of(column: &Column) -> PolarsResult<Self> {
        Ok(match column.dtype() {
            DataType::String => Flat::Text(column.str()?.rechunk().into_owned()),
            DataType::UInt64 => Flat::Unsigned(column.u64()?.rechunk().into_owned()),
            DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::UInt32 => {
                Flat::Integer(column.cast(&DataType::Int64)?.i64()?.rechunk().into_owned())
            }
            _ => Flat::Float(column.cast(&DataType::Float64)?.f64()?.rechunk().into_owned()),
        })
    }

    fn item(&self, at: usize) -> Option<Value<'_>> {
        match self {
            Flat::Text(texts) => texts.get(at).map(Value::Text),
            Flat::Integer(integers) => integers.get(at).map(Value::Integer),
            Flat::Unsigned(unsigned) => {
                unsigned.get(at).map(|number| i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer))
            }
            Flat::Float(floats) => floats.get(at).map(Value::Float),
        }
    }
}

/// The kind of a column of this type.
fn kind_of(dtype: &ArrowDataType) -> ColumnKind {
    use ArrowDataType as Type;
    match dtype {
        Type::Utf8View | Type::Utf8 | Type::LargeUtf8 => ColumnKind::Text,
        Type::Boolean | Type::Int32 | Type::Int64 | Type::UInt32 | Type::UInt64 | Type::Float32 | Type::Float64 => {
            ColumnKind::Number
        }
        Type::List(items) | Type::LargeList(items) => match kind_of(&items.dtype) {
            ColumnKind::Text => ColumnKind::List(ListItems::Texts),
            ColumnKind::Number => ColumnKind::List(ListItems::Numbers),
            other => ColumnKind::Other(format!("list of {}", other.name())),
        },
        Type::Struct(_) => ColumnKind::Other("struct".to_owned()),
        other => ColumnKind::Other(format!("{other:?}").to_lowercase()),
    }
}

/// The same columns with integers of 8 and 16 bits as ones of 32, which is how Parquet stores them. Without this, polars
/// needs a feature for each type.
fn widened(schema: &SchemaDescriptor) -> SchemaDescriptor {
    SchemaDescriptor::new(schema.name().into(), schema.fields().iter().cloned().map(widened_type).collect())
}

fn widened_type(mut column: ParquetType) -> ParquetType {
    use PrimitiveConvertedType as Converted;
    match &mut column {
        ParquetType::GroupType { fields, .. } => {
            *fields = std::mem::take(fields).into_iter().map(widened_type).collect();
        }
        ParquetType::PrimitiveType(primitive) if primitive.physical_type == PhysicalType::Int32 => {
            let narrow = matches!(
                primitive.logical_type,
                Some(PrimitiveLogicalType::Integer(
                    IntegerType::Int8 | IntegerType::Int16 | IntegerType::UInt8 | IntegerType::UInt16
                ))
            ) || matches!(
                primitive.converted_type,
                Some(Converted::Int8 | Converted::Int16 | Converted::Uint8 | Converted::Uint16)
            );
            if narrow {
                primitive.logical_type = None;
                primitive.converted_type = None;
            }
        }
        ParquetType::PrimitiveType(_) => {}
    }
    column
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use polars::prelude::{DataFrame, NamedFrom, ParquetCompression, ParquetWriter, Series, df};

    use super::*;
    use crate::dataset::Dataset;

    fn write(path: &Path, mut frame: DataFrame, row_group: usize) {
        let writer = ParquetWriter::new(File::create(path).unwrap()).with_row_group_size(Some(row_group));
        writer.with_compression(ParquetCompression::Snappy).finish(&mut frame).unwrap();
    }

    fn frame(rows: std::ops::Range<i64>) -> DataFrame {
        let text = |name: &str| rows.clone().map(|i| format!("{name} {i} é🦀")).collect::<Vec<_>>();
        df!(
            "query" => text("query"),
            "positive" => text("positive"),
            "label" => rows.clone().collect::<Vec<_>>(),
            "score" => rows.clone().map(|i| i as f32 / 2.0).collect::<Vec<_>>(),
            "easy" => rows.clone().map(|i| i % 2 == 0).collect::<Vec<_>>(),
        )
        .unwrap()
    }

    fn in_folder(test: impl FnOnce(PathBuf)) {
        let folder = tempfile::tempdir().unwrap();
        test(folder.path().to_owned());
    }

    fn check_rows(data: &Dataset, rows: usize) {
        assert_eq!(data.columns(), ["query", "positive", "label", "score", "easy"]);
        assert_eq!(data.len(), rows);
        for row in 0..rows {
            assert_eq!(data.text(row, 0).unwrap(), format!("query {row} é🦀"));
            assert_eq!(data.text(row, 1).unwrap(), format!("positive {row} é🦀"));
            assert_eq!(data.number(row, 2).unwrap(), row as f64);
            assert_eq!(data.number(row, 3).unwrap(), row as f64 / 2.0);
            assert_eq!(data.number(row, 4).unwrap(), f64::from(u8::from(row % 2 == 0)));
        }
    }

    #[test]
    fn several_row_groups_and_files_keep_their_order() {
        in_folder(|folder| {
            write(&folder.join("train-0.parquet"), frame(0..1000), 64);
            check_rows(&Dataset::load(folder.join("train-0.parquet")).unwrap(), 1000);
            write(&folder.join("train-1.parquet"), frame(1000..1003), 64);
            check_rows(&Dataset::load(folder.join("train-*.parquet")).unwrap(), 1003);
            check_rows(&Dataset::load(&folder).unwrap(), 1003);
        });
    }

    #[test]
    fn files_may_order_their_columns_as_they_like() {
        in_folder(|folder| {
            write(&folder.join("part-0.parquet"), frame(0..10), 4);
            let reversed = frame(10..20).select(["easy", "score", "label", "positive", "query"]).unwrap();
            write(&folder.join("part-1.parquet"), reversed, 4);
            check_rows(&Dataset::load(&folder).unwrap(), 20);
        });
    }

    #[test]
    fn slices_cover_every_row_once() {
        in_folder(|folder| {
            let path = folder.join("rows.parquet");
            write(&path, frame(0..1000), 300);
            let (metadata, _) = read_footer(&path, &File::open(&path).unwrap()).unwrap();
            assert!(metadata.row_groups.len() > 2);
            for bytes in [0, 1, 500, 4000, usize::MAX] {
                let mut next = 0;
                for (start, rows) in slices(&metadata, bytes) {
                    assert_eq!(start, next);
                    assert!(rows > 0);
                    next += rows;
                }
                assert_eq!(next, 1000);
            }
            assert_eq!(slices(&metadata, 0).len(), 1000);
            assert_eq!(slices(&metadata, usize::MAX).len(), metadata.row_groups.len());
        });
    }

    #[test]
    fn a_null_names_file_row_and_column() {
        in_folder(|folder| {
            let path = folder.join("rows.parquet");
            let frame = df!("query" => ["a", "b", "c"], "positive" => [Some("x"), None, Some("y")]).unwrap();
            write(&path, frame, 2);
            let message = Dataset::load(&path).unwrap_err().to_string();
            assert!(
                message.ends_with(
                    "rows.parquet: row 1 (counted from 0): column \"positive\" is null; expected a text in every row"
                ),
                "{message}"
            );
        });
    }

    #[test]
    fn a_cut_or_foreign_file_is_not_complete() {
        in_folder(|folder| {
            let path = folder.join("rows.parquet");
            write(&path, frame(0..200), 100);
            let bytes = fs::read(&path).unwrap();
            for length in [1, 4, 11, 12, 100, bytes.len() / 2, bytes.len() - 1] {
                fs::write(&path, &bytes[..length]).unwrap();
                let message = Dataset::load(&path).unwrap_err().to_string();
                assert!(message.contains("rows.parquet: not a complete Parquet file ("), "{message}");
                assert!(!message.contains('\n'));
            }
            fs::write(&path, "query,positive\na,b\n").unwrap();
            assert!(Dataset::load(&path).unwrap_err().to_string().contains("not a complete Parquet file"));
            fs::write(&path, [&bytes[..20], &bytes[bytes.len() - 1500..]].concat()).unwrap();
            assert!(Dataset::load(&path).unwrap_err().to_string().contains("complete Parquet file"));
            fs::write(&path, "").unwrap();
            assert!(Dataset::load(&path).unwrap_err().to_string().ends_with("rows.parquet: an empty file (0 bytes)"));
        });
    }

    #[test]
    fn a_hole_of_zeros_is_an_error() {
        in_folder(|folder| {
            let path = folder.join("rows.parquet");
            write(&path, frame(0..200), 100);
            let good = fs::read(&path).unwrap();
            let footer = good.len() - 8 - u32::from_le_bytes(good[good.len() - 8..][..4].try_into().unwrap()) as usize;
            for (start, end) in [(4, footer), (4, 64), (footer / 2, footer)] {
                let mut bytes = good.clone();
                bytes[start..end].fill(0);
                fs::write(&path, &bytes).unwrap();
                let message = Dataset::load(&path).unwrap_err().to_string();
                assert!(message.contains("rows.parquet: cannot be decoded ("), "{message}");
                assert!(!message.contains('\n'));
            }
        });
    }

    #[test]
    fn every_common_compression_is_read() {
        use ParquetCompression as Codec;
        for codec in [
            Codec::Uncompressed,
            Codec::Snappy,
            Codec::Zstd(None),
            Codec::Gzip(None),
            Codec::Brotli(None),
            Codec::Lz4Raw,
        ] {
            in_folder(|folder| {
                let path = folder.join("rows.parquet");
                let writer = ParquetWriter::new(File::create(&path).unwrap()).with_compression(codec);
                writer.finish(&mut frame(0..100)).unwrap();
                check_rows(&Dataset::load(&path).unwrap(), 100);
            });
        }
    }

    #[test]
    fn slices_of_lists_keep_their_rows() {
        in_folder(|folder| {
            let lists = |row: i64| Series::new("".into(), (0..row % 5).map(|at| row * 10 + at).collect::<Vec<i64>>());
            let ids = Series::new("ids".into(), (0..300).map(lists).collect::<Vec<_>>());
            let text = Series::new("query".into(), vec!["a"; 300]);
            let frame = DataFrame::new(300, vec![text.into(), ids.into()]).unwrap();
            write(&folder.join("rows.parquet"), frame, 70);
            let data = Dataset::load(&folder).unwrap();
            for row in 0..300 {
                let expected = (0..row % 5).map(|at| row * 10 + at).collect();
                assert_eq!(data.list(row as usize, 1).unwrap(), crate::List::Integers(expected));
            }
        });
    }

    #[test]
    fn no_rows() {
        in_folder(|folder| {
            write(&folder.join("part-0.parquet"), frame(0..0), 10);
            let message = Dataset::load(&folder).unwrap_err().to_string();
            assert!(message.ends_with("part-0.parquet: no rows"), "{message}");
            write(&folder.join("part-1.parquet"), frame(0..5), 10);
            check_rows(&Dataset::load(&folder).unwrap(), 5);
        });
    }
}
