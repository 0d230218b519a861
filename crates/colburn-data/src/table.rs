//! The rows of a data set in the form that every file format is turned into: texts and lists in [`Texts`], numbers in
//! memory, and the names of columns that are none of these. Any row comes out; [`TableBuilder`](crate::builder) is how
//! they come in.

use std::path::PathBuf;

use crate::error::{Error, Place, Result};
use crate::lists::{self, List};
use crate::literal;
use crate::numbers::Numbers;
use crate::texts::Texts;

/// Stands for a file in messages about rows that come from none.
pub(crate) const IN_MEMORY: &str = "rows in memory";

/// What the values of a column are, as far as a reader can tell before the rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    /// A file without types (CSV): a number when every value of the data set is one, text otherwise.
    Untyped,
    List(Items),
    /// Anything else, by its name.
    Other(String),
}

/// What the values of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    /// No row so far has a list that says it.
    Unknown,
    Texts,
    Numbers,
}

impl Items {
    pub(crate) fn of(list: &List) -> Self {
        match list {
            list if list.is_empty() => Items::Unknown,
            List::Texts(_) => Items::Texts,
            List::Integers(_) | List::Floats(_) => Items::Numbers,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Items::Unknown => "list",
            Items::Texts => "list of texts",
            Items::Numbers => "list of numbers",
        }
    }
}

impl Kind {
    pub(crate) fn name(&self) -> &str {
        match self {
            Kind::Text | Kind::Untyped => "text",
            Kind::Number => "number",
            Kind::List(items) => items.name(),
            Kind::Other(name) => name,
        }
    }

    /// Whether its values are kept.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self, Kind::Other(_))
    }
}

/// A column of a finished table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Which text or list of a row, or which of the number columns, this is.
    pub(crate) slot: usize,
}

/// Rows, finished. Columns are counted without those that are not kept.
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) left_out: Vec<Column>,
    pub(crate) texts: Texts,
    pub(crate) texts_per_row: usize,
    pub(crate) numbers: Vec<Numbers>,
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

    /// The columns that are neither text nor number nor list.
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

    /// How many bytes a text has, without reading it.
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
            Some(Column { kind: Kind::Text, name, .. }) => {
                literal::parse(self.text(row, column)?).map_err(|reason| not_a_list(name, &reason))
            }
            Some(Column { kind: Kind::List(_), slot, name }) => {
                let bytes = self.texts.bytes(row * self.texts_per_row + slot);
                let list = bytes.and_then(lists::decode).ok_or_else(|| damaged(row, name))?;
                list.map_err(|reason| not_a_list(name, reason))
            }
            _ => Err(self.no_column(column, "list")),
        }
    }

    /// The file of a row and where the row stands in it.
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
            Some(Column { kind: Kind::Text, slot, name }) => Ok((row * self.texts_per_row + slot, name)),
            _ => Err(self.no_column(column, "text")),
        }
    }

    fn numbers(&self, column: usize) -> Result<(&Numbers, &str)> {
        match self.columns.get(column) {
            Some(Column { kind: Kind::Number, slot, name }) => Ok((&self.numbers[*slot], name)),
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
