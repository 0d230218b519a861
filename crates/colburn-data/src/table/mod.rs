//! The rows of a data set, the same for every file format: texts and lists in [`Texts`], numbers in memory, and the names of
//! all other columns. [`TableBuilder`](builder::TableBuilder) makes a table.

pub(crate) mod builder;
pub(crate) mod lists;
pub(crate) mod literal;
pub(crate) mod numbers;
pub(crate) mod texts;

use std::path::PathBuf;

use self::lists::List;
use self::numbers::NumberColumn;
use self::texts::Texts;
use crate::error::{Error, Place, Result};

/// The name of rows without a file, in messages.
pub(crate) const IN_MEMORY: &str = "rows in memory";

/// The kind of a column, as far as a reader knows it before it reads the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Number,
    /// A column of a file without types (CSV): numbers if every value of the data set is one, otherwise texts.
    Untyped,
    List(ListItems),
    /// Any other kind, with its name.
    Other(String),
}

/// The kind of the values of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListItems {
    /// All lists so far are empty or missing.
    Unknown,
    Texts,
    Numbers,
}

impl ListItems {
    pub(crate) fn of(list: &List) -> Self {
        match list {
            list if list.is_empty() => ListItems::Unknown,
            List::Texts(_) => ListItems::Texts,
            List::Integers(_) | List::Floats(_) => ListItems::Numbers,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            ListItems::Unknown => "list",
            ListItems::Texts => "list of texts",
            ListItems::Numbers => "list of numbers",
        }
    }
}

impl ColumnKind {
    pub(crate) fn name(&self) -> &str {
        match self {
            ColumnKind::Text | ColumnKind::Untyped => "text",
            ColumnKind::Number => "number",
            ColumnKind::List(items) => items.name(),
            ColumnKind::Other(name) => name,
        }
    }

    /// True if the values are kept.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self, ColumnKind::Other(_))
    }
}

/// A column of a finished table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    /// The position among the texts and lists of a row, or among the number columns.
    pub(crate) slot: usize,
}

/// A finished table. Column numbers count the kept columns only.
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) left_out: Vec<Column>,
    pub(crate) texts: Texts,
    pub(crate) texts_per_row: usize,
    pub(crate) numbers: Vec<NumberColumn>,
    pub(crate) rows: usize,
    pub(crate) files: Vec<PathBuf>,
    /// The first row of each file.
    pub(crate) starts: Vec<usize>,
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.rows
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
        let (number, name) = self.text_number(row, column)?;
        self.texts.get(number).ok_or_else(|| damaged(row, name))
    }

    /// The length of a text in bytes; the text is not read.
    pub(crate) fn text_length(&self, row: usize, column: usize) -> Result<usize> {
        let (number, name) = self.text_number(row, column)?;
        self.texts.length(number).ok_or_else(|| damaged(row, name))
    }

    pub(crate) fn number(&self, row: usize, column: usize) -> Result<f64> {
        let (numbers, name) = self.numbers(column)?;
        numbers.float(row).ok_or_else(|| Error::NoNumber { row, column: name.to_owned() })
    }

    pub(crate) fn integer(&self, row: usize, column: usize) -> Result<i64> {
        let (numbers, name) = self.numbers(column)?;
        numbers.integer(row).ok_or_else(|| Error::NoInteger {
            row,
            column: name.to_owned(),
            found: numbers.float(row).map_or("null or NaN".to_owned(), |number| number.to_string()),
        })
    }

    pub(crate) fn list(&self, row: usize, column: usize) -> Result<List<'_>> {
        let not_a_list = |name: &str, reason: &str| Error::NoList {
            place: self.place(row),
            column: name.to_owned(),
            reason: reason.to_owned(),
        };
        match self.columns.get(column) {
            Some(Column { kind: ColumnKind::Text, name, .. }) => {
                literal::parse(self.text(row, column)?).map_err(|reason| not_a_list(name, &reason))
            }
            Some(Column { kind: ColumnKind::List(_), slot, name }) => {
                let bytes = self.texts.bytes(row * self.texts_per_row + slot);
                let list = bytes.and_then(lists::decode).ok_or_else(|| damaged(row, name))?;
                list.map_err(|reason| not_a_list(name, reason))
            }
            _ => Err(self.no_column(column, "list")),
        }
    }

    /// The file of a row and its place in there.
    pub(crate) fn place(&self, row: usize) -> Place {
        let file = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        match (self.files.get(file), self.starts.get(file)) {
            (Some(path), Some(start)) => Place::Row { path: path.clone(), row: row - start },
            _ => Place::Memory { row },
        }
    }

    /// All columns with their types, for messages: `query (text), label (number)`.
    pub(crate) fn column_list(&self) -> String {
        let columns = self.columns.iter().chain(&self.left_out);
        columns.map(|column| format!("{} ({})", column.name, column.kind.name())).collect::<Vec<_>>().join(", ")
    }

    fn text_number(&self, row: usize, column: usize) -> Result<(usize, &str)> {
        match self.columns.get(column) {
            Some(Column { kind: ColumnKind::Text, slot, name }) => Ok((row * self.texts_per_row + slot, name)),
            _ => Err(self.no_column(column, "text")),
        }
    }

    fn numbers(&self, column: usize) -> Result<(&NumberColumn, &str)> {
        match self.columns.get(column) {
            Some(Column { kind: ColumnKind::Number, slot, name }) => Ok((&self.numbers[*slot], name)),
            _ => Err(self.no_column(column, "number")),
        }
    }

    fn no_column(&self, column: usize, expected: &'static str) -> Error {
        Error::NoColumn { column, expected, found: self.column_list() }
    }
}

fn damaged(row: usize, column: &str) -> Error {
    Error::Damaged { row, column: column.to_owned() }
}
