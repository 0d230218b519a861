//! A writer of token embeddings to Parquet: a row for each text, one row group at a time, so a file can be larger than memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars_arrow::array::{Array, ListArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::offset::{Offsets, OffsetsBuffer};
use polars_parquet::write::CompressionOptions;

use super::parquet::ParquetWriter;
use crate::error::{Error, Result};
use crate::one_line::one_line;

/// The id of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingId<'a> {
    /// A name.
    Text(&'a str),
    /// A number.
    Number(i64),
}

/// The vectors of one text, `[tokens, dim]` row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EmbeddingValues<'a> {
    /// Floats.
    Floats(&'a [f32]),
    /// Whole numbers, and a factor for each token.
    Scaled {
        /// Whole numbers.
        values: &'a [i8],
        /// A factor a token.
        scales: &'a [f32],
    },
}

/// The types of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddingColumns {
    /// True if `id` is a text, false if it is a number.
    pub text_ids: bool,
    /// True if values are whole numbers with a column `scales`.
    pub scaled: bool,
}

/// Writes the columns `id` (text, or the number), `embeddings` (a list of a list of numbers: tokens, dim) and, for whole numbers, `scales`
/// (a list: tokens). Whole numbers are of Parquet's type INT32, its smallest; compressed they take no more room than bytes.
///
/// ```
/// use std::fs::File;
/// use colburn_data::{EmbeddingColumns, EmbeddingId, EmbeddingValues, EmbeddingsWriter};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("embeddings.parquet");
/// let columns = EmbeddingColumns { text_ids: true, scaled: false };
/// let mut writer = EmbeddingsWriter::new(&path, File::create(&path)?, 2, columns)?;
/// writer.write(&[(EmbeddingId::Text("d1"), EmbeddingValues::Floats(&[1.0, 0.0, 0.6, 0.8]))])?;
/// writer.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EmbeddingsWriter {
    /// The path in errors.
    path: PathBuf,
    writer: ParquetWriter,
    dim: usize,
    columns: EmbeddingColumns,
}

impl EmbeddingsWriter {
    /// Starts a file of vectors of this width. Errors name `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(path: &Path, file: File, dim: usize, columns: EmbeddingColumns) -> Result<Self> {
        let writer = ParquetWriter::new(file, columns.fields(), CompressionOptions::Zstd(None));
        let writer = writer.map_err(|reason| unwritable(path, reason))?;
        Ok(Self { path: path.to_owned(), writer, dim, columns })
    }

    /// Adds a row group, unless there are no rows.
    ///
    /// # Errors
    /// When the file cannot be written, a row has other types than the columns, or its values are not vectors of the file's width.
    pub fn write(&mut self, rows: &[(EmbeddingId, EmbeddingValues)]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for (row, (id, values)) in rows.iter().enumerate() {
            self.check(*id, *values).map_err(|reason| Error::Embeddings { path: self.path.clone(), row, reason })?;
        }
        let arrays = self.columns.arrays(rows, self.dim);
        arrays.and_then(|arrays| self.writer.write(arrays)).map_err(|reason| unwritable(&self.path, reason))
    }

    /// Writes the footer, without which the file cannot be read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<()> {
        self.writer.finish().map_err(|reason| unwritable(&self.path, reason))
    }

    fn check(&self, id: EmbeddingId, values: EmbeddingValues) -> std::result::Result<(), String> {
        if matches!(id, EmbeddingId::Text(_)) != self.columns.text_ids {
            let expected = if self.columns.text_ids { "a text" } else { "a number" };
            return Err(format!("the id is {id:?}; expected {expected} in every row"));
        }
        let (count, tokens) = match values {
            EmbeddingValues::Floats(values) => (values.len(), None),
            EmbeddingValues::Scaled { values, scales } => (values.len(), Some(scales.len())),
        };
        if tokens.is_some() != self.columns.scaled {
            let expected = if self.columns.scaled { "whole numbers with scales" } else { "floats" };
            return Err(format!("expected {expected} in every row"));
        }
        let tokens = tokens.unwrap_or(count / self.dim.max(1));
        if tokens.checked_mul(self.dim) != Some(count) {
            return Err(format!("{count} values; expected {} for each of {tokens} tokens", self.dim));
        }
        Ok(())
    }
}

impl EmbeddingColumns {
    fn fields(self) -> Vec<Field> {
        let (id, value) = (
            if self.text_ids { ArrowDataType::Utf8View } else { ArrowDataType::Int64 },
            if self.scaled { ArrowDataType::Int32 } else { ArrowDataType::Float32 },
        );
        let field = |name: &'static str, dtype| Field::new(name.into(), dtype, true);
        let mut fields = vec![field("id", id), field("embeddings", list_of(list_of(value)))];
        if self.scaled {
            fields.push(field("scales", list_of(ArrowDataType::Float32)));
        }
        fields
    }

    fn arrays(
        self,
        rows: &[(EmbeddingId, EmbeddingValues)],
        dim: usize,
    ) -> std::result::Result<Vec<Box<dyn Array>>, String> {
        let (mut floats, mut integers, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        let mut tokens = Vec::with_capacity(rows.len());
        for (_, values) in rows {
            let count = match values {
                EmbeddingValues::Floats(values) => {
                    floats.extend_from_slice(values);
                    values.len()
                }
                EmbeddingValues::Scaled { values, scales: factors } => {
                    integers.extend(values.iter().map(|&value| i32::from(value)));
                    scales.extend_from_slice(factors);
                    values.len()
                }
            };
            tokens.push(count / dim.max(1));
        }
        let values: Box<dyn Array> = if self.scaled {
            Box::new(PrimitiveArray::from_vec(integers))
        } else {
            Box::new(PrimitiveArray::from_vec(floats))
        };
        let vectors = lists(values, std::iter::repeat_n(dim, tokens.iter().sum()))?;
        let mut arrays = vec![self.ids(rows), lists(vectors, tokens.iter().copied())?];
        if self.scaled {
            arrays.push(lists(Box::new(PrimitiveArray::from_vec(scales)), tokens)?);
        }
        Ok(arrays)
    }

    fn ids(self, rows: &[(EmbeddingId, EmbeddingValues)]) -> Box<dyn Array> {
        let texts = rows.iter().filter_map(|(id, _)| match id {
            EmbeddingId::Text(text) => Some(*text),
            EmbeddingId::Number(_) => None,
        });
        let numbers = rows.iter().filter_map(|(id, _)| match id {
            EmbeddingId::Number(number) => Some(*number),
            EmbeddingId::Text(_) => None,
        });
        if self.text_ids {
            Box::new(Utf8ViewArray::from_slice_values(texts.collect::<Vec<_>>()))
        } else {
            Box::new(PrimitiveArray::from_vec(numbers.collect()))
        }
    }
}

fn list_of(items: ArrowDataType) -> ArrowDataType {
    ListArray::<i64>::default_datatype(items)
}

/// Lists of these lengths, one after the other in `values`.
fn lists(
    values: Box<dyn Array>,
    lengths: impl IntoIterator<Item = usize>,
) -> std::result::Result<Box<dyn Array>, String> {
    let offsets: OffsetsBuffer<i64> = Offsets::try_from_lengths(lengths.into_iter()).map_err(one_line)?.into();
    Ok(Box::new(ListArray::new(list_of(values.dtype().clone()), offsets, values, None)))
}

fn unwritable(path: &Path, reason: String) -> Error {
    Error::Unwritable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::parquet::ParquetFile;

    /// The columns of all row groups of a file.
    struct Written(Vec<Vec<Box<dyn Array>>>);

    impl Written {
        fn new(dim: usize, columns: EmbeddingColumns, groups: &[&[(EmbeddingId, EmbeddingValues)]]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("e.parquet");
            let mut writer = EmbeddingsWriter::new(&path, File::create(&path).unwrap(), dim, columns).unwrap();
            groups.iter().for_each(|rows| writer.write(rows).unwrap());
            writer.finish().unwrap();
            let file = ParquetFile::of(path.clone(), &File::open(&path).unwrap()).unwrap();
            // Parquet names the values of a list "element", and Arrow names them "item".
            let expected = format!("{:?}", columns.fields()).replace("\"item\"", "\"element\"");
            assert_eq!(format!("{:?}", file.fields().collect::<Vec<_>>()), expected);
            let group = |group: usize| {
                let rows = file.row_groups()[group].num_rows();
                (0..columns.fields().len()).map(|column| file.decode(group, column, 0..rows).unwrap()).collect()
            };
            Self((0..file.row_groups().len()).map(group).collect())
        }

        fn column<A: Array + Clone>(&self, group: usize, column: usize) -> A {
            self.0[group][column].as_any().downcast_ref::<A>().unwrap().clone()
        }

        /// The number of vectors of a row, and their values.
        fn vectors<T: polars_arrow::types::NativeType>(&self, group: usize, row: usize) -> (usize, Vec<T>) {
            let vectors = self.column::<ListArray<i64>>(group, 1).value(row);
            let vectors = vectors.as_any().downcast_ref::<ListArray<i64>>().unwrap();
            let values = (0..vectors.len()).flat_map(|vector| numbers::<T>(vectors.value(vector).as_ref()));
            (vectors.len(), values.collect())
        }
    }

    fn numbers<T: polars_arrow::types::NativeType>(array: &dyn Array) -> Vec<T> {
        array.as_any().downcast_ref::<PrimitiveArray<T>>().unwrap().values_iter().copied().collect()
    }

    #[test]
    fn floats_come_back_row_by_row() {
        let columns = EmbeddingColumns { text_ids: true, scaled: false };
        let values = [0.25, -1.0, f32::MIN_POSITIVE, 3.4e38, 0.0, -0.0];
        let first = [
            (EmbeddingId::Text("d é🦀"), EmbeddingValues::Floats(&values)),
            (EmbeddingId::Text(""), EmbeddingValues::Floats(&[])),
        ];
        let second = [(EmbeddingId::Text("x"), EmbeddingValues::Floats(&values[..3]))];
        let written = Written::new(3, columns, &[&first, &[], &second]);
        assert_eq!(written.0.len(), 2);
        let ids =
            |group| written.column::<Utf8ViewArray>(group, 0).values_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(1)), (vec!["d é🦀".to_owned(), String::new()], vec!["x".to_owned()]));
        assert_eq!(written.vectors::<f32>(0, 0), (2, values.to_vec()));
        assert_eq!(written.vectors::<f32>(0, 1), (0, vec![]));
        assert_eq!(written.vectors::<f32>(1, 0), (1, values[..3].to_vec()));
    }

    #[test]
    fn whole_numbers_have_scales() {
        let columns = EmbeddingColumns { text_ids: false, scaled: true };
        let (values, scales) = ([127, -127, 0, 5], [0.5, 0.25]);
        let rows = [
            (EmbeddingId::Number(7), EmbeddingValues::Scaled { values: &values, scales: &scales }),
            (EmbeddingId::Number(8), EmbeddingValues::Scaled { values: &[], scales: &[] }),
        ];
        let written = Written::new(2, columns, &[&rows]);
        assert_eq!(written.vectors::<i32>(0, 0), (2, vec![127, -127, 0, 5]));
        assert_eq!(written.vectors::<i32>(0, 1), (0, vec![]));
        assert_eq!(numbers::<i64>(written.0[0][0].as_ref()), [7, 8]);
        let found = written.column::<ListArray<i64>>(0, 2);
        assert_eq!(numbers::<f32>(found.value(0).as_ref()), scales);
        assert!(numbers::<f32>(found.value(1).as_ref()).is_empty());
    }

    #[test]
    fn the_same_rows_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f32> = (0..40_000).map(|value| (value as f32).sin()).collect();
        let bytes = ["a", "b"].map(|name| {
            let path = folder.path().join(name);
            let columns = EmbeddingColumns { text_ids: false, scaled: false };
            let mut writer = EmbeddingsWriter::new(&path, File::create(&path).unwrap(), 16, columns).unwrap();
            for text in 0..20 {
                let rows = [(EmbeddingId::Number(text), EmbeddingValues::Floats(&values[..16 * 100 * text as usize]))];
                writer.write(&rows).unwrap();
            }
            writer.finish().unwrap();
            std::fs::read(path).unwrap()
        });
        assert!(bytes[0] == bytes[1]);
    }

    #[test]
    fn rows_that_do_not_fit_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.parquet");
        let columns = EmbeddingColumns { text_ids: false, scaled: false };
        let mut writer = EmbeddingsWriter::new(&path, File::create(&path).unwrap(), 2, columns).unwrap();
        let mut message = |id, values| {
            let rows = [(EmbeddingId::Number(0), EmbeddingValues::Floats(&[])), (id, values)];
            let message = writer.write(&rows).unwrap_err().to_string();
            message.split_once("e.parquet: ").unwrap().1.to_owned()
        };
        assert_eq!(
            message(EmbeddingId::Text("a"), EmbeddingValues::Floats(&[])),
            "row 1 of those to be written: the id is Text(\"a\"); expected a number in every row"
        );
        assert_eq!(
            message(EmbeddingId::Number(0), EmbeddingValues::Floats(&[0.0; 3])),
            "row 1 of those to be written: 3 values; expected 2 for each of 1 tokens"
        );
        assert_eq!(
            message(EmbeddingId::Number(0), EmbeddingValues::Scaled { values: &[], scales: &[] }),
            "row 1 of those to be written: expected floats in every row"
        );
    }
}
