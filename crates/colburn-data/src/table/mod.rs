//! The rows of a data set, the same for every file format: the names and kinds of the columns, and all values, in a [`Spool`] or in the
//! [`Blocks`] of their files. [`TableBuilder`](builder::TableBuilder) makes a table of the first kind, [`Table::of_blocks`] one of the second.

pub(crate) mod blocks;
pub(crate) mod builder;
mod cells;
pub(crate) mod kinds;
pub(crate) mod lists;
pub(crate) mod literal;
pub(crate) mod numbers;
mod spill;
pub(crate) mod spool;
pub(crate) mod value;

use std::ops::Range;
use std::path::PathBuf;

use self::blocks::{BlockSource, Blocks};
use self::cells::Cell;
pub(crate) use self::kinds::{ColumnKind, ListItems};
use self::lists::List;
use self::numbers::whole;
use self::spool::Spool;
use self::value::Value;
use crate::error::{Error, Place, Result};

/// The name of rows without a file, in messages.
pub(crate) const IN_MEMORY: &str = "rows in memory";

/// A column of a finished table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    /// The position among the cells of a row.
    cell: usize,
    /// The name of the first value that is neither a text nor a number nor a list of either.
    other: Option<String>,
}

/// A finished table. Column numbers count the kept columns only.
pub(crate) struct Table {
    columns: Vec<Column>,
    left_out: Vec<Column>,
    rows: Rows,
    len: usize,
    files: Vec<PathBuf>,
    /// The first row of each file in the table.
    starts: Vec<usize>,
    /// The number of that row in its file.
    firsts: Vec<usize>,
}

/// The place of the values.
enum Rows {
    /// Copies of all of them.
    Spool(Spool),
    /// In their files, until they are read.
    Blocks(Blocks),
}

/// A file of a table of blocks.
pub(crate) struct BlockFile {
    pub(crate) path: PathBuf,
    pub(crate) rows: usize,
}

impl Table {
    /// The rows of files that can be read from any block. The columns are numbered as the source numbers them.
    ///
    /// # Errors
    /// When there are no rows, or none of the columns is kept.
    pub(crate) fn of_blocks(
        source: Box<dyn BlockSource>,
        columns: Vec<(String, ColumnKind)>,
        files: Vec<BlockFile>,
    ) -> Result<Self> {
        let empty =
            |reason| Error::Empty { path: files.first().map_or(IN_MEMORY.into(), |file| file.path.clone()), reason };
        let blocks = Blocks::new(source, columns.len());
        if blocks.rows() == 0 {
            return Err(empty("no rows"));
        }
        let columns = columns.into_iter().enumerate();
        let columns = columns.map(|(cell, (name, kind))| Column { name, kind, cell, other: None });
        let (columns, left_out): (Vec<Column>, Vec<Column>) = columns.partition(|column| column.kind.is_kept());
        if columns.is_empty() {
            return Err(empty("no column of texts, numbers or lists of either"));
        }
        let mut starts = Vec::with_capacity(files.len());
        files.iter().fold(0, |start, file| {
            starts.push(start);
            start + file.rows
        });
        let firsts = vec![0; files.len()];
        let files = files.into_iter().map(|file| file.path).collect();
        Ok(Self { columns, left_out, len: blocks.rows(), rows: Rows::Blocks(blocks), files, starts, firsts })
    }

    /// True if these columns are known to have a text with more than white space in each of these rows; false if they may have others.
    /// Only rows that stay in their files are looked at, which takes less time than reading them one by one.
    ///
    /// # Errors
    /// When a file cannot be decoded.
    pub(crate) fn are_texts(&self, columns: &[usize], rows: Range<usize>) -> Result<bool> {
        let cells = columns.iter().map(|&column| self.column(column, "kept", |_| true).map(|of| of.cell));
        match &self.rows {
            Rows::Blocks(blocks) => blocks.are_texts(&cells.collect::<Result<Vec<_>>>()?, rows),
            Rows::Spool(_) => Ok(false),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.len
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns that are not kept.
    pub(crate) fn left_out(&self) -> &[Column] {
        &self.left_out
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(crate) fn text(&self, row: usize, column: usize) -> Result<&str> {
        let (cell, name) = self.text_cell(row, column)?;
        cell.text().ok_or_else(|| damaged(row, name))
    }

    /// The length of a text in bytes; the text is not read.
    pub(crate) fn text_length(&self, row: usize, column: usize) -> Result<usize> {
        Ok(self.text_cell(row, column)?.0.length())
    }

    pub(crate) fn number(&self, row: usize, column: usize) -> Result<f64> {
        let (value, name) = self.number_value(row, column)?;
        match value {
            Value::Integer(integer) => Ok(integer as f64),
            Value::Float(float) if !float.is_nan() => Ok(float),
            found => Err(Error::NoNumber { place: self.place(row), column: name.to_owned(), found: described(&found) }),
        }
    }

    pub(crate) fn integer(&self, row: usize, column: usize) -> Result<i64> {
        let (value, name) = self.number_value(row, column)?;
        let integer = match &value {
            Value::Integer(integer) => Some(*integer),
            Value::Float(float) => whole(*float),
            _ => None,
        };
        integer.ok_or_else(|| Error::NoInteger {
            place: self.place(row),
            column: name.to_owned(),
            found: described(&value),
        })
    }

    pub(crate) fn list(&self, row: usize, column: usize) -> Result<List<'_>> {
        use ColumnKind::{List as Lists, Missing, Mixed, Text};
        let not_a_list =
            |name: &str, reason: String| Error::NoList { place: self.place(row), column: name.to_owned(), reason };
        let of = self.column(column, "list", |kind| matches!(kind, Lists(_) | Text | Mixed | Missing))?;
        let cell = self.cell(row, of)?;
        if cell.is_text() {
            let text = cell.text().ok_or_else(|| damaged(row, &of.name))?;
            return literal::parse(text).map_err(|reason| not_a_list(&of.name, reason));
        }
        match cell.value(of.other.as_deref()).ok_or_else(|| damaged(row, &of.name))? {
            Value::List(list) => Ok(list),
            found => Err(not_a_list(&of.name, found.name().to_owned())),
        }
    }

    pub(crate) fn value(&self, row: usize, column: usize) -> Result<Value<'_>> {
        let of = self.column(column, "kept", |_| true)?;
        self.cell(row, of)?.value(of.other.as_deref()).ok_or_else(|| damaged(row, &of.name))
    }

    /// The file of a row and its place in there.
    pub(crate) fn place(&self, row: usize) -> Place {
        let file = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        match (self.files.get(file), self.starts.get(file), self.firsts.get(file)) {
            (Some(path), Some(start), Some(first)) => Place::Row { path: path.clone(), row: row - start + first },
            _ => Place::Memory { row },
        }
    }

    /// The names and kinds of all columns in the order of their cells, for tables of further rows with the same numbers of columns.
    pub(crate) fn layout(&self) -> Vec<(String, ColumnKind)> {
        let mut columns: Vec<&Column> = self.columns.iter().chain(&self.left_out).collect();
        columns.sort_by_key(|column| column.cell);
        columns.into_iter().map(|column| (column.name.clone(), column.kind.clone())).collect()
    }

    /// All columns with their types, for messages: `query (text), label (number)`.
    pub(crate) fn column_list(&self) -> String {
        let columns = self.columns.iter().chain(&self.left_out);
        columns.map(|column| format!("{} ({})", column.name, column.kind.name())).collect::<Vec<_>>().join(", ")
    }

    /// The cell of a text and the name of its column.
    fn text_cell(&self, row: usize, column: usize) -> Result<(Cell<'_>, &str)> {
        use ColumnKind::{Missing, Mixed, Text};
        let of = self.column(column, "text", |kind| matches!(kind, Text | Mixed | Missing))?;
        let cell = self.cell(row, of)?;
        if cell.is_text() {
            return Ok((cell, &of.name));
        }
        let (place, column) = (self.place(row), of.name.clone());
        if cell.is_null() {
            return Err(Error::Null { place, column, expected: "text" });
        }
        let found = cell.value(of.other.as_deref()).ok_or_else(|| damaged(row, &of.name))?;
        Err(Error::Type { place, column, expected: "text", found: found.name().to_owned() })
    }

    /// The value of a number, or of a text that spells one, and the name of its column.
    fn number_value(&self, row: usize, column: usize) -> Result<(Value<'_>, &str)> {
        use ColumnKind::{Missing, Mixed, Number, Text};
        let of = self.column(column, "number", |kind| matches!(kind, Number | Text | Mixed | Missing))?;
        let value = self.cell(row, of)?.value(of.other.as_deref()).ok_or_else(|| damaged(row, &of.name))?;
        let number = match &value {
            Value::Text(text) => Value::spelled(text),
            _ => None,
        };
        Ok((number.unwrap_or(value), &of.name))
    }

    fn column(&self, column: usize, expected: &'static str, fits: impl Fn(&ColumnKind) -> bool) -> Result<&Column> {
        let found = self.columns.get(column).filter(|of| fits(&of.kind));
        found.ok_or_else(|| Error::NoColumn { column, expected, found: self.column_list() })
    }

    fn cell(&self, row: usize, column: &Column) -> Result<Cell<'_>> {
        let found = match &self.rows {
            Rows::Spool(spool) => spool.row(row).and_then(|row| cells::cell(row, column.cell)),
            Rows::Blocks(blocks) => blocks.cell(row, column.cell)?,
        };
        found.ok_or_else(|| damaged(row, &column.name))
    }
}

/// A value that is not the number that was asked for.
fn described(value: &Value) -> String {
    match value {
        Value::Null => "null or NaN".to_owned(),
        Value::Float(float) if float.is_nan() => "null or NaN".to_owned(),
        Value::Float(float) => float.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Text(text) => format!("\"{}\"", shortened(text)),
        other => format!("a {}", other.name()),
    }
}

/// The beginning of a text, for messages of one line.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn damaged(row: usize, column: &str) -> Error {
    Error::Damaged { row, column: column.to_owned() }
}
