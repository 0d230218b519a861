//! The files of a source in place: Parquet files, and Arrow files without dictionaries, are read from any row. Their values are decoded when
//! they are read, so that a source of any size is opened in the time that its footers take.

use std::ops::Range;

use super::arrow_blocks::ArrowBlocks;
use super::arrow_values::Values;
use super::decoded::fields_of;
use super::fields::{CommonFields, check_names};
use super::folder_columns::added_to;
use super::input::Input;
use super::parquet::{self, ParquetFile};
use super::rows::Field;
use crate::error::Result;
use crate::source::find::DataFile;
use crate::source::{Format, Source};
use crate::table::blocks::BlockSource;
use crate::table::value::Value;
use crate::table::{BlockFile, ColumnKind, Table};

/// The table of these files, of which the first is open; none if one of them cannot be read in place.
///
/// # Errors
/// When a file is incomplete, has two columns of one name, or none in common with those before it, and when there are no rows.
pub(super) fn table(files: &[DataFile], first: &Input, source: &Source) -> Result<Option<Table>> {
    let (mut found, mut common, mut columns) = (Files::default(), CommonFields::default(), Columns::default());
    let mut lengths = Vec::with_capacity(files.len());
    for (at, file) in files.iter().enumerate() {
        let opened;
        let input = if at == 0 {
            first
        } else {
            opened = Input::open(&file.path, source.format)?;
            &opened
        };
        let Some(reader) = Reader::open(input)? else { return Ok(None) };
        let fields = reader.fields()?;
        check_names(&file.path, &fields)?;
        let added = added_to(&fields, &file.columns);
        let names = added.iter().map(|(name, _)| Field::untyped(name)).chain(fields.iter().cloned());
        common.check_file(&file.path, &names.collect::<Vec<_>>())?;
        let of_folders = added.into_iter().map(|(name, value)| {
            let kind = if value.is_some() { ColumnKind::Text } else { ColumnKind::Missing };
            (name.clone(), kind, Origin::Folder(value.clone()))
        });
        let of_fields = fields.into_iter().enumerate().map(|(at, Field { name, kind })| {
            let kind = kind.unwrap_or(ColumnKind::Missing);
            let origin = if kind.is_kept() { Origin::Field(at) } else { Origin::Other(kind.name().to_owned()) };
            (name, kind, origin)
        });
        let mut origins = Vec::new();
        for (name, kind, origin) in of_folders.chain(of_fields) {
            let column = columns.add(name, kind);
            origins.resize_with(origins.len().max(column + 1), || Origin::Absent);
            origins[column] = origin;
        }
        let blocks = reader.blocks();
        lengths.push(BlockFile { path: file.path.clone(), rows: blocks.iter().map(|(_, rows)| rows.len()).sum() });
        let blocks = blocks.into_iter().map(|(part, rows)| Block { file: at, part, rows });
        found.blocks.extend(blocks);
        found.files.push(FileInPlace { reader, origins });
    }
    Table::of_blocks(Box::new(found), columns.0, lengths).map(Some)
}

/// The columns of the files so far, with the kind of all their values.
#[derive(Default)]
struct Columns(Vec<(String, ColumnKind)>);

impl Columns {
    /// Adds a column of a file, and returns its number.
    fn add(&mut self, name: String, kind: ColumnKind) -> usize {
        match self.0.iter_mut().enumerate().find(|(_, (known, _))| *known == name) {
            Some((at, (_, known))) => {
                *known = std::mem::replace(known, ColumnKind::Missing).and(kind);
                at
            }
            None => {
                self.0.push((name, kind));
                self.0.len() - 1
            }
        }
    }
}

/// All files and the blocks of their rows.
#[derive(Default)]
struct Files {
    files: Vec<FileInPlace>,
    blocks: Vec<Block>,
}

struct Block {
    file: usize,
    /// The row group or record batch.
    part: usize,
    /// Its rows there.
    rows: Range<usize>,
}

struct FileInPlace {
    reader: Reader,
    /// The origin of each column of the table, as far as the table had columns when the file was opened.
    origins: Vec<Origin>,
}

/// The origin of the values of a column.
enum Origin {
    /// A column of the file.
    Field(usize),
    /// A column of the file whose values are not kept, by the name of its type.
    Other(String),
    /// The name of a folder.
    Folder(Option<String>),
    Absent,
}

enum Reader {
    Parquet(ParquetFile),
    Arrow(ArrowBlocks),
}

impl Reader {
    fn open(input: &Input) -> Result<Option<Self>> {
        match input.format {
            Format::Parquet => Ok(Some(Reader::Parquet(ParquetFile::of(input.path.clone(), &input.file)?))),
            Format::Arrow => Ok(ArrowBlocks::open(input)?.map(Reader::Arrow)),
            Format::Json | Format::Csv | Format::Text => Ok(None),
        }
    }

    fn fields(&self) -> Result<Vec<Field>> {
        match self {
            Reader::Parquet(file) => fields_of(file.path(), file.fields()),
            Reader::Arrow(file) => fields_of(file.path(), file.fields()),
        }
    }

    /// The parts of the file, and the rows of each that are a block.
    fn blocks(&self) -> Vec<(usize, Range<usize>)> {
        match self {
            Reader::Parquet(file) => parquet::blocks(file),
            Reader::Arrow(file) => file.lengths().map(|rows| 0..rows).enumerate().collect(),
        }
    }

    fn values(&self, part: usize, column: usize, rows: Range<usize>) -> Result<Values> {
        match self {
            Reader::Parquet(file) => file.values(part, column, rows),
            Reader::Arrow(file) => file.values(part, column),
        }
    }
}

impl BlockSource for Files {
    fn block_lengths(&self) -> Vec<usize> {
        self.blocks.iter().map(|block| block.rows.len()).collect()
    }

    fn decode(&self, block: usize, column: usize, take: &mut dyn FnMut(&Value<'_>)) -> Result<()> {
        let Block { file, part, rows } = &self.blocks[block];
        let FileInPlace { reader, origins } = &self.files[*file];
        let mut same = |value: Value<'_>| rows.clone().for_each(|_| take(&value));
        match origins.get(column) {
            Some(Origin::Field(field)) => {
                let values = reader.values(*part, *field, rows.clone())?;
                (0..rows.len()).for_each(|row| take(&values.value(row)));
            }
            Some(Origin::Other(kind)) => same(Value::Other(kind)),
            Some(Origin::Folder(Some(text))) => same(Value::Text(text.into())),
            Some(Origin::Folder(None) | Origin::Absent) | None => same(Value::Null),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use polars_arrow::array::{Array, ListArray, PrimitiveArray, StructArray, Utf8ViewArray};
    use polars_arrow::datatypes::{ArrowDataType, Field};
    use polars_arrow::offset::Offsets;
    use polars_parquet::write::CompressionOptions;

    use crate::error::Result;
    use crate::write::parquet::ParquetWriter;
    use crate::{Dataset, Records, RowOptions, Source, TextRows, Value};

    type Columns = Vec<(&'static str, Box<dyn Array>)>;

    /// Writes one row group.
    fn write(path: &Path, columns: Columns) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let fields = columns.iter().map(|(name, array)| Field::new((*name).into(), array.dtype().clone(), true));
        let file = File::create(path).unwrap();
        let mut writer = ParquetWriter::new(file, fields.collect(), CompressionOptions::Snappy).unwrap();
        writer.write(columns.into_iter().map(|(_, array)| array).collect()).unwrap();
        writer.finish().unwrap();
    }

    fn texts(texts: &[Option<&str>]) -> Box<dyn Array> {
        Box::new(Utf8ViewArray::from_slice(texts))
    }

    fn numbers(numbers: &[i64]) -> Box<dyn Array> {
        Box::new(PrimitiveArray::from_slice(numbers))
    }

    fn lists(lists: &[&[i64]]) -> Box<dyn Array> {
        let offsets = Offsets::<i64>::try_from_lengths(lists.iter().map(|list| list.len())).unwrap();
        let dtype = ListArray::<i64>::default_datatype(ArrowDataType::Int64);
        Box::new(ListArray::new(dtype, offsets.into(), numbers(&lists.concat()), None))
    }

    fn structs(rows: usize) -> Box<dyn Array> {
        let fields = vec![Field::new("x".into(), ArrowDataType::Int64, true)];
        Box::new(StructArray::new(ArrowDataType::Struct(fields), rows, vec![numbers(&vec![7; rows])], None))
    }

    /// Every value of a source, read in random places, is that of the records.
    fn check(source: &Source) -> Dataset {
        let data = Dataset::from_source(source).unwrap();
        let mut records = Records::open(source).unwrap();
        let mut row = 0;
        let names: Vec<String> = data.columns().into_iter().map(str::to_owned).collect();
        let mut expected = Vec::new();
        while let Some(record) = records.next().unwrap() {
            assert_eq!(record.place(), data.place(row));
            expected.push(names.iter().map(|name| format!("{:?}", record.value(name))).collect::<Vec<_>>());
            row += 1;
        }
        assert_eq!(data.len(), row);
        for row in (0..row).rev() {
            for (column, expected) in expected[row].iter().enumerate() {
                assert_eq!(&format!("{:?}", data.value(row, column).unwrap()), expected, "{row} {}", names[column]);
            }
        }
        data
    }

    #[test]
    fn files_of_other_libraries_are_read_as_records_are() {
        for name in ["types.parquet", "pandas.parquet", "types.feather", "zstd.arrow", "dict/train", "dict/test"] {
            check(&Source::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)));
        }
    }

    #[test]
    fn columns_of_several_files_and_folders_make_one_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let some = |all: &[&'static str]| texts(&all.iter().map(|text| Some(*text)).collect::<Vec<_>>());
        write(&path("lang=de/0.parquet"), vec![("query", some(&["a", "b"])), ("n", numbers(&[1, 2]))]);
        write(&path("lang=en/1.parquet"), vec![("m", lists(&[&[], &[3, 4]])), ("query", texts(&[Some("c"), None]))]);
        write(&path("lang=en/2.parquet"), vec![("query", some(&["d"])), ("n", some(&["x"])), ("m", structs(1))]);
        let data = check(&Source::new(folder.path()));
        assert_eq!(
            data.description().split("; ").nth(1).unwrap(),
            "lang (text), query (text), n (mixed), m (mixed)",
            "{}",
            data.description()
        );
        let all: Result<Vec<Value>> = (0..5).map(|row| data.value(row, 2)).collect();
        let expected = [Value::Integer(1), Value::Integer(2), Value::Null, Value::Null, Value::Text("x".into())];
        assert_eq!(all.unwrap(), expected);
        let lang: Vec<&str> = (0..5).map(|row| data.text(row, 0).unwrap()).collect();
        assert_eq!(lang, ["de", "de", "en", "en", "en"]);
        assert_eq!(data.value(4, 3).unwrap(), Value::Other("struct"));
    }

    #[test]
    fn a_file_of_another_format_among_them_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("0.parquet"), vec![("query", texts(&[Some("a")]))]);
        fs::write(folder.path().join("1.parquet"), "{\"query\": \"b\"}\n").unwrap();
        let data = Dataset::load(folder.path()).unwrap();
        assert_eq!([0, 1].map(|row| data.text(row, 0).unwrap()), ["a", "b"]);
    }

    #[test]
    fn texts_are_checked_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let rows = |positives: &[Option<&str>]| {
            let queries: Vec<String> = (0..positives.len()).map(|row| format!("query {row}")).collect();
            let queries = texts(&queries.iter().map(|query| Some(query.as_str())).collect::<Vec<_>>());
            write(&path, vec![("query", queries), ("positive", texts(positives)), ("id", numbers(&[0, 1, 2]))]);
            TextRows::new(Dataset::load(&path).unwrap(), RowOptions::default())
        };
        assert_eq!(rows(&[Some("a"), Some("b"), Some("c")]).unwrap().documents(2).unwrap(), ["c"]);
        for blank in [None, Some(""), Some(" \n")] {
            let message = rows(&[Some("a"), Some("b"), blank]).unwrap_err().to_string();
            assert!(
                message.contains("rows.parquet: row 2 (counted from 0): column \"positive\" is empty"),
                "{message}"
            );
        }
    }
}
