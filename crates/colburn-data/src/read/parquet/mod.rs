//! Parquet, in slices: a row group can be larger than memory, so only about [`SLICE_BYTES`] of decoded values exist at
//! a time. Only columns of texts, numbers and lists of either are decoded.

mod file;

use std::ops::Range;

use polars_parquet::read::RowGroupMetadata;

pub(crate) use self::file::ParquetFile;
use super::decoded::Decoded;
use super::input::Input;
use super::rows::{Field, Rows};
use crate::error::{Place, Result};
use crate::table::value::Value;

const SLICE_BYTES: usize = 32 << 20;
/// The decoded bytes of a block that is read alone, about.
const BLOCK_BYTES: usize = 1 << 20;
/// The most rows of such a block: a column of few different texts takes little room in its file, and much when it is decoded.
const BLOCK_ROWS: usize = 1 << 13;

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    file: ParquetFile,
    decoded: Decoded,
    /// The decoded bytes of a slice, about.
    slice_bytes: usize,
    group: usize,
    /// The rows of the slice, counted in the row group.
    slice: Range<usize>,
}

impl ParquetRows {
    pub(super) fn open(input: Input) -> Result<Self> {
        Self::in_slices(input, SLICE_BYTES)
    }

    fn in_slices(input: Input, slice_bytes: usize) -> Result<Self> {
        let Input { path, file, .. } = input;
        let file = ParquetFile::of(path.clone(), &file)?;
        let decoded = Decoded::new(&path, file.fields())?;
        Ok(Self { file, decoded, slice_bytes, group: 0, slice: 0..0 })
    }

    /// Goes to the next slice that has rows.
    fn next_slice(&mut self) -> bool {
        while let Some(group) = self.file.row_groups().get(self.group) {
            if self.slice.end < group.num_rows() {
                let end = (self.slice.end + rows_of_slice(group, self.slice_bytes)).min(group.num_rows());
                self.slice = self.slice.end..end;
                return true;
            }
            self.group += 1;
            self.slice = 0..0;
        }
        false
    }
}

impl Rows for ParquetRows {
    fn fields(&self) -> &[Field] {
        self.decoded.fields()
    }

    fn advance(&mut self) -> Result<bool> {
        if self.decoded.advance() {
            return Ok(true);
        }
        self.decoded.clear();
        if !self.next_slice() {
            return Ok(false);
        }
        let Self { file, decoded, group, slice, .. } = self;
        decoded.fill(slice.len(), |column, _| file.values(*group, column, slice.clone()))?;
        Ok(true)
    }

    fn value(&self, field: usize) -> Value<'_> {
        self.decoded.value(field)
    }

    fn place(&self) -> Place {
        self.decoded.place()
    }
}

/// The blocks in which a file is read in place: the row group of each, and its rows there. Lists have larger ones, because those before the
/// block in the row group have to be decoded, too.
pub(super) fn blocks(file: &ParquetFile) -> Vec<(usize, Range<usize>)> {
    let bytes = if file.fields().any(|field| field.dtype.is_nested()) { SLICE_BYTES } else { BLOCK_BYTES };
    let of_group = |(at, group): (usize, &RowGroupMetadata)| {
        let (rows, step) = (group.num_rows(), rows_of_slice(group, bytes).min(BLOCK_ROWS));
        (0..rows).step_by(step).map(move |start| (at, start..(start + step).min(rows))).collect::<Vec<_>>()
    };
    file.row_groups().iter().enumerate().flat_map(of_group).collect()
}

/// The number of rows of a group that have about `bytes` decoded bytes.
fn rows_of_slice(group: &RowGroupMetadata, bytes: usize) -> usize {
    (group.num_rows().saturating_mul(bytes) / group.total_byte_size().max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};

    use polars_arrow::array::{Array, BooleanArray, ListArray, PrimitiveArray, Utf8ViewArray};
    use polars_arrow::datatypes::Field;
    use polars_arrow::offset::Offsets;
    use polars_parquet::write::CompressionOptions;

    use super::*;
    use crate::dataset::Dataset;
    use crate::write::parquet::ParquetWriter;

    type Columns = Vec<(&'static str, Box<dyn Array>)>;

    /// Writes a row group for each of `groups`.
    fn write(path: &Path, compression: CompressionOptions, groups: impl IntoIterator<Item = Columns>) {
        let mut groups = groups.into_iter().peekable();
        let field =
            |(name, array): &(&'static str, Box<dyn Array>)| Field::new((*name).into(), array.dtype().clone(), true);
        let fields = groups.peek().unwrap().iter().map(field).collect();
        let mut writer = ParquetWriter::new(File::create(path).unwrap(), fields, compression).unwrap();
        for columns in groups {
            writer.write(columns.into_iter().map(|(_, array)| array).collect()).unwrap();
        }
        writer.finish().unwrap();
    }

    /// The rows in groups of up to `group` rows.
    fn write_rows(path: &Path, rows: std::ops::Range<i64>, group: usize) {
        let groups = rows.clone().step_by(group).map(|start| columns(start..(start + group as i64).min(rows.end)));
        write(path, CompressionOptions::Snappy, groups);
    }

    fn columns(rows: std::ops::Range<i64>) -> Columns {
        let text = |name: &str| texts(&rows.clone().map(|i| format!("{name} {i} é🦀")).collect::<Vec<_>>());
        vec![
            ("query", text("query")),
            ("positive", text("positive")),
            ("label", Box::new(PrimitiveArray::from_vec(rows.clone().collect::<Vec<i64>>()))),
            ("score", Box::new(PrimitiveArray::from_vec(rows.clone().map(|i| i as f32 / 2.0).collect::<Vec<f32>>()))),
            ("easy", Box::new(BooleanArray::from_slice(rows.map(|i| i % 2 == 0).collect::<Vec<_>>()))),
        ]
    }

    fn texts(texts: &[impl AsRef<str>]) -> Box<dyn Array> {
        Box::new(Utf8ViewArray::from_slice_values(texts))
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
            write_rows(&folder.join("train-0.parquet"), 0..1000, 64);
            check_rows(&Dataset::load(folder.join("train-0.parquet")).unwrap(), 1000);
            write_rows(&folder.join("train-1.parquet"), 1000..1003, 64);
            check_rows(&Dataset::load(folder.join("train-*.parquet")).unwrap(), 1003);
            check_rows(&Dataset::load(&folder).unwrap(), 1003);
        });
    }

    #[test]
    fn files_may_order_their_columns_as_they_like() {
        in_folder(|folder| {
            write_rows(&folder.join("part-0.parquet"), 0..10, 4);
            let reversed = columns(10..20).into_iter().rev().collect();
            write(&folder.join("part-1.parquet"), CompressionOptions::Uncompressed, [reversed]);
            check_rows(&Dataset::load(&folder).unwrap(), 20);
        });
    }

    #[test]
    fn slices_cover_every_row_once() {
        in_folder(|folder| {
            let path = folder.join("rows.parquet");
            write_rows(&path, 0..1000, 300);
            for bytes in [0, 1, 500, 4000, usize::MAX] {
                let mut rows = ParquetRows::in_slices(Input::open(&path, None).unwrap(), bytes).unwrap();
                assert_eq!(rows.file.row_groups().len(), 4);
                let mut slices = Vec::new();
                for row in 0..1000 {
                    assert!(rows.advance().unwrap());
                    assert_eq!(rows.value(2), Value::Integer(row));
                    assert!(rows.place().to_string().contains(&format!("row {row} ")), "{}", rows.place());
                    slices.push((rows.group, rows.slice.clone()));
                }
                assert!(!rows.advance().unwrap() && !rows.advance().unwrap());
                slices.dedup();
                match bytes {
                    0 => assert_eq!(slices.len(), 1000),
                    usize::MAX => assert_eq!(slices.len(), 4),
                    _ => assert!((4..=1000).contains(&slices.len())),
                }
            }
        });
    }

    #[test]
    fn a_null_is_missing_and_names_file_row_and_column() {
        in_folder(|folder| {
            let path = folder.join("rows.parquet");
            let positives = Utf8ViewArray::from_slice([Some("x"), None, Some("y")]);
            let columns = vec![("query", texts(&["a", "b", "c"])), ("positive", Box::new(positives) as Box<dyn Array>)];
            write(&path, CompressionOptions::Snappy, [columns]);
            let data = Dataset::load(&path).unwrap();
            assert_eq!([0, 1, 2].map(|row| data.is_missing(row, 1).unwrap()), [false, true, false]);
            assert_eq!(data.text(2, 1).unwrap(), "y");
            let message = data.text(1, 1).unwrap_err().to_string();
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
            write_rows(&path, 0..200, 100);
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
            write_rows(&path, 0..200, 100);
            let good = fs::read(&path).unwrap();
            let footer = good.len() - 8 - u32::from_le_bytes(good[good.len() - 8..][..4].try_into().unwrap()) as usize;
            for (start, end) in [(4, footer), (4, 64), (footer / 2, footer)] {
                let mut bytes = good.clone();
                bytes[start..end].fill(0);
                fs::write(&path, &bytes).unwrap();
                // The values are decoded when they are read.
                let data = Dataset::load(&path).unwrap();
                let cells = (0..200).flat_map(|row| (0..5).map(move |column| (row, column)));
                let read: crate::Result<Vec<_>> = cells.map(|(row, column)| data.value(row, column)).collect();
                let message = read.unwrap_err().to_string();
                assert!(message.contains("rows.parquet: cannot be decoded ("), "{message}");
                assert!(!message.contains('\n'));
            }
        });
    }

    #[test]
    fn every_common_compression_is_read() {
        use CompressionOptions as Codec;
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
                write(&path, codec, [columns(0..100)]);
                check_rows(&Dataset::load(&path).unwrap(), 100);
            });
        }
    }

    #[test]
    fn slices_of_lists_keep_their_rows() {
        in_folder(|folder| {
            let group = |rows: std::ops::Range<i64>| -> Columns {
                let values: Vec<i64> = rows.clone().flat_map(|row| (0..row % 5).map(move |at| row * 10 + at)).collect();
                let offsets = Offsets::<i64>::try_from_lengths(rows.clone().map(|row| (row % 5) as usize)).unwrap();
                let dtype = ListArray::<i64>::default_datatype(polars_arrow::datatypes::ArrowDataType::Int64);
                let ids = ListArray::new(dtype, offsets.into(), Box::new(PrimitiveArray::from_vec(values)), None);
                vec![("query", texts(&vec!["a"; rows.count()])), ("ids", Box::new(ids))]
            };
            let groups = (0..300).step_by(70).map(|start| group(start..(start + 70).min(300)));
            write(&folder.join("rows.parquet"), CompressionOptions::Snappy, groups);
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
            write(&folder.join("part-0.parquet"), CompressionOptions::Snappy, [columns(0..0)]);
            let message = Dataset::load(&folder).unwrap_err().to_string();
            assert!(message.ends_with("part-0.parquet: no rows"), "{message}");
            write_rows(&folder.join("part-1.parquet"), 0..5, 10);
            check_rows(&Dataset::load(&folder).unwrap(), 5);
        });
    }
}
