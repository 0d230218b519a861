//! A writer of token embeddings to Parquet: a row for each text, one row group at a time, so a file can be larger than memory. The reader of
//! Parquet is in [`read`](crate::read). Only these two call polars.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::{
    BatchedWriter, Column, DataFrame, DataType, Field, Float32Type, Int32Type, IntoColumn, IntoSeries,
    ListBuilderTrait, ListPrimitiveChunkedBuilder, NamedFrom, ParquetCompression, ParquetWriter, PolarsNumericType,
    PolarsResult, Schema, Series, StatisticsOptions,
};

use crate::error::{Error, Result};

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
    writer: BatchedWriter<File>,
    dim: usize,
    columns: EmbeddingColumns,
}

impl EmbeddingsWriter {
    /// Starts a file of vectors of this width. Errors name `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(path: &Path, file: File, dim: usize, columns: EmbeddingColumns) -> Result<Self> {
        let writer = ParquetWriter::new(file)
            .with_compression(ParquetCompression::Zstd(None))
            .with_statistics(StatisticsOptions::empty())
            .batched(&columns.schema())
            .map_err(|error| unwritable(path, error))?;
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
        let frame = self.columns.frame(rows, self.dim);
        frame.and_then(|frame| self.writer.write_batch(&frame)).map_err(|error| unwritable(&self.path, error))
    }

    /// Writes the footer, without which the file cannot be read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<()> {
        self.writer.finish().map(|_bytes| ()).map_err(|error| unwritable(&self.path, error))
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
    fn schema(self) -> Schema {
        let list = |items: DataType| DataType::List(Box::new(items));
        let (id, value) = (
            if self.text_ids { DataType::String } else { DataType::Int64 },
            if self.scaled { DataType::Int32 } else { DataType::Float32 },
        );
        let mut fields = vec![Field::new("id".into(), id), Field::new("embeddings".into(), list(list(value)))];
        if self.scaled {
            fields.push(Field::new("scales".into(), list(DataType::Float32)));
        }
        Schema::from_iter(fields)
    }

    fn frame(self, rows: &[(EmbeddingId, EmbeddingValues)], dim: usize) -> PolarsResult<DataFrame> {
        let mut columns = vec![self.ids(rows)];
        let wide = |values: &[i8]| values.iter().map(|&value| i32::from(value)).collect::<Vec<i32>>();
        let embeddings = rows.iter().map(|(_, values)| match values {
            EmbeddingValues::Floats(values) => vectors::<Float32Type>(values, dim, DataType::Float32),
            EmbeddingValues::Scaled { values, .. } => vectors::<Int32Type>(&wide(values), dim, DataType::Int32),
        });
        columns.push(Series::new("embeddings".into(), embeddings.collect::<Vec<Series>>()).into_column());
        if self.scaled {
            let mut lists =
                ListPrimitiveChunkedBuilder::<Float32Type>::new("scales".into(), rows.len(), 0, DataType::Float32);
            for (_, values) in rows {
                if let EmbeddingValues::Scaled { scales, .. } = values {
                    lists.append_slice(scales);
                }
            }
            columns.push(lists.finish().into_series().into_column());
        }
        DataFrame::new(rows.len(), columns)
    }

    fn ids(self, rows: &[(EmbeddingId, EmbeddingValues)]) -> Column {
        let texts = rows.iter().filter_map(|(id, _)| match id {
            EmbeddingId::Text(text) => Some(*text),
            EmbeddingId::Number(_) => None,
        });
        let numbers = rows.iter().filter_map(|(id, _)| match id {
            EmbeddingId::Number(number) => Some(*number),
            EmbeddingId::Text(_) => None,
        });
        let ids = if self.text_ids {
            Series::new("id".into(), texts.collect::<Vec<_>>())
        } else {
            Series::new("id".into(), numbers.collect::<Vec<_>>())
        };
        ids.into_column()
    }
}

/// A list for each token.
fn vectors<T: PolarsNumericType>(values: &[T::Native], dim: usize, dtype: DataType) -> Series {
    let tokens = values.len() / dim.max(1);
    let mut lists = ListPrimitiveChunkedBuilder::<T>::new("".into(), tokens, values.len(), dtype);
    for vector in values.chunks_exact(dim.max(1)) {
        lists.append_slice(vector);
    }
    lists.finish().into_series()
}

fn unwritable(path: &Path, error: polars::prelude::PolarsError) -> Error {
    let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::Unwritable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{ExplodeOptions, ParquetReader, SerReader};

    use super::*;

    fn written(dim: usize, columns: EmbeddingColumns, groups: &[&[(EmbeddingId, EmbeddingValues)]]) -> DataFrame {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.parquet");
        let mut writer = EmbeddingsWriter::new(&path, File::create(&path).unwrap(), dim, columns).unwrap();
        groups.iter().for_each(|rows| writer.write(rows).unwrap());
        writer.finish().unwrap();
        ParquetReader::new(File::open(&path).unwrap()).finish().unwrap()
    }

    /// The values of a row, as floats, and how many vectors there are.
    fn row(frame: &DataFrame, row: usize) -> (usize, Vec<f64>) {
        let vectors = frame.column("embeddings").unwrap().list().unwrap().get_as_series(row).unwrap();
        let values = vectors.explode(ExplodeOptions { empty_as_null: false, keep_nulls: true }).unwrap();
        let values = values.cast(&DataType::Float64).unwrap();
        (vectors.len(), values.f64().unwrap().into_no_null_iter().collect())
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
        let frame = written(3, columns, &[&first, &[], &second]);
        assert_eq!(frame.schema().as_ref(), &columns.schema());
        let ids: Vec<&str> = frame.column("id").unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!(ids, ["d é🦀", "", "x"]);
        let expected: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        assert_eq!(row(&frame, 0), (2, expected.clone()));
        assert_eq!(row(&frame, 1), (0, vec![]));
        assert_eq!(row(&frame, 2), (1, expected[..3].to_vec()));
    }

    #[test]
    fn whole_numbers_have_scales() {
        let columns = EmbeddingColumns { text_ids: false, scaled: true };
        let (values, scales) = ([127, -127, 0, 5], [0.5, 0.25]);
        let rows = [
            (EmbeddingId::Number(7), EmbeddingValues::Scaled { values: &values, scales: &scales }),
            (EmbeddingId::Number(8), EmbeddingValues::Scaled { values: &[], scales: &[] }),
        ];
        let frame = written(2, columns, &[&rows]);
        assert_eq!(row(&frame, 0), (2, vec![127.0, -127.0, 0.0, 5.0]));
        assert_eq!(row(&frame, 1).0, 0);
        let ids: Vec<i64> = frame.column("id").unwrap().i64().unwrap().into_no_null_iter().collect();
        assert_eq!(ids, [7, 8]);
        let found = frame.column("scales").unwrap().list().unwrap().get_as_series(0).unwrap();
        assert_eq!(found.f32().unwrap().into_no_null_iter().collect::<Vec<_>>(), scales);
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
