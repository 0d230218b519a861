//! The builder of a [`Table`]. Readers of all formats push one row at a time, so they hold little of a file in memory. The
//! checks are here, so all formats have the same error messages.

use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result, quoted};
use crate::table::lists::{List, NULL, Reason, encode_reason};
use crate::table::numbers::NumberColumn;
use crate::table::texts::TextWriter;
use crate::table::{Column, ColumnKind, IN_MEMORY, ListItems, Table};

/// A value of a row that is being read.
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    List(std::result::Result<List<'a>, Reason>),
    Null,
    /// A value of a kind that is not kept, with its name.
    Other(&'a str),
}

impl Cell<'_> {
    fn name(&self) -> &str {
        match self {
            Cell::Text(_) => "text",
            Cell::Integer(_) | Cell::Float(_) => "number",
            Cell::List(list) => list.as_ref().map_or(ListItems::Unknown, ListItems::of).name(),
            Cell::Null => "null",
            Cell::Other(name) => name,
        }
    }
}

/// A table under construction.
pub(crate) struct TableBuilder {
    columns: Vec<Column>,
    texts: TextWriter,
    texts_per_row: usize,
    numbers: Vec<NumberColumn>,
    rows: usize,
    files: Vec<PathBuf>,
    starts: Vec<usize>,
    /// A buffer for the bytes of a list.
    bytes: Vec<u8>,
}

impl TableBuilder {
    pub(crate) fn new(texts: TextWriter) -> Self {
        Self {
            columns: Vec::new(),
            texts,
            texts_per_row: 0,
            numbers: Vec::new(),
            rows: 0,
            files: Vec::new(),
            starts: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Starts the next file, or rows in memory, with the columns of the file in their order. The first file decides the order
    /// of the table's columns; the others need the same columns. Returns the position in this file of each column of the
    /// table.
    pub(crate) fn start(&mut self, file: Option<&Path>, columns: Vec<(String, ColumnKind)>) -> Result<Vec<usize>> {
        let path = || file.unwrap_or(Path::new(IN_MEMORY)).to_owned();
        if columns.is_empty() {
            return Err(Error::Empty { path: path(), reason: "no columns" });
        }
        if let Some(name) = duplicate(&columns) {
            let reason = format!("two columns are named \"{name}\"; every column needs a name of its own");
            return Err(Error::Schema { path: path(), reason });
        }
        if self.columns.is_empty() {
            self.set_columns(columns);
            self.add_file(file);
            return Ok((0..self.columns.len()).collect());
        }
        let order = self.match_columns(&columns).map_err(|reason| Error::Schema { path: path(), reason })?;
        self.add_file(file);
        Ok(order)
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Adds a row: one cell for each column of the table, in its order.
    pub(crate) fn push<'a>(
        &mut self,
        cells: impl IntoIterator<Item = Cell<'a>>,
        place: impl Fn() -> Place,
    ) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (&column.kind, cell) {
                (ColumnKind::Text, Cell::Text(text)) => self.texts.push(text)?,
                (ColumnKind::Number, Cell::Integer(integer)) => self.numbers[column.slot].push_integer(integer),
                (ColumnKind::Number, Cell::Float(float)) => self.numbers[column.slot].push_float(float),
                (ColumnKind::Untyped, Cell::Text(text)) => {
                    self.texts.push(text)?;
                    push_if_number(&mut self.numbers[column.slot], self.rows, text);
                }
                (ColumnKind::List(items), Cell::List(Ok(list))) if agree(*items, ListItems::of(&list)) => {
                    if *items == ListItems::Unknown {
                        column.kind = ColumnKind::List(ListItems::of(&list));
                    }
                    self.bytes.clear();
                    list.encode(&mut self.bytes);
                    self.texts.push_bytes(&self.bytes)?;
                }
                // Many columns of numbers and lists are never read, so a missing value is an error only when it is read.
                (ColumnKind::Number, Cell::Null) => self.numbers[column.slot].push_missing(),
                (ColumnKind::List(_), cell @ (Cell::Null | Cell::List(Err(_)))) => {
                    self.bytes.clear();
                    encode_reason(if let Cell::List(Err(reason)) = cell { reason } else { NULL }, &mut self.bytes);
                    self.texts.push_bytes(&self.bytes)?;
                }
                (ColumnKind::Other(_), _) => {}
                (ColumnKind::Text | ColumnKind::Untyped, Cell::Null) => {
                    return Err(Error::Null { place: place(), column: column.name.clone(), expected: "text" });
                }
                (kind, found) => {
                    return Err(Error::Type {
                        place: place(),
                        column: column.name.clone(),
                        expected: kind.name().to_owned(),
                        found: found.name().to_owned(),
                    });
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Table> {
        if self.rows == 0 {
            let path = self.files.first().cloned().unwrap_or_else(|| PathBuf::from(IN_MEMORY));
            return Err(Error::Empty { path, reason: "no rows" });
        }
        let mut text_slot = 0;
        for column in &mut self.columns {
            match column.kind {
                ColumnKind::Text | ColumnKind::List(_) => {
                    column.slot = text_slot;
                    text_slot += 1;
                }
                ColumnKind::Untyped => {
                    let numbers = &mut self.numbers[column.slot];
                    if numbers.len() == self.rows {
                        column.kind = ColumnKind::Number;
                    } else {
                        *numbers = NumberColumn::new();
                        column.kind = ColumnKind::Text;
                        column.slot = text_slot;
                    }
                    text_slot += 1;
                }
                ColumnKind::Number | ColumnKind::Other(_) => {}
            }
        }
        let (columns, left_out) = self.columns.into_iter().partition(|column| column.kind.is_kept());
        Ok(Table {
            columns,
            left_out,
            texts: self.texts.finish()?,
            texts_per_row: self.texts_per_row,
            numbers: self.numbers,
            rows: self.rows,
            files: self.files,
            starts: self.starts,
        })
    }

    fn add_file(&mut self, file: Option<&Path>) {
        if let Some(file) = file {
            self.files.push(file.to_owned());
            self.starts.push(self.rows);
        }
    }

    fn set_columns(&mut self, columns: Vec<(String, ColumnKind)>) {
        for (name, kind) in columns {
            if matches!(kind, ColumnKind::Text | ColumnKind::Untyped | ColumnKind::List(_)) {
                self.texts_per_row += 1;
            }
            let slot = self.numbers.len();
            if matches!(kind, ColumnKind::Number | ColumnKind::Untyped) {
                self.numbers.push(NumberColumn::new());
            }
            self.columns.push(Column { name, kind, slot });
        }
    }

    fn match_columns(&self, columns: &[(String, ColumnKind)]) -> std::result::Result<Vec<usize>, String> {
        let first = self.files.first().map_or(IN_MEMORY.into(), |file| file.to_string_lossy());
        let mut order = Vec::with_capacity(self.columns.len());
        for known in &self.columns {
            let at = columns.iter().position(|(name, _)| *name == known.name).ok_or_else(|| {
                let found = quoted(columns.iter().map(|(name, _)| name));
                format!("column \"{}\" of {first} is missing; found: {found}", known.name)
            })?;
            let same = match (&columns[at].1, &known.kind) {
                (ColumnKind::List(here), ColumnKind::List(there)) => agree(*there, *here),
                (here, there) => here == there,
            };
            if !same {
                let (here, there) = (columns[at].1.name(), known.kind.name());
                return Err(format!("column \"{}\" holds {here} values, but {there} in {first}", known.name));
            }
            order.push(at);
        }
        match columns.iter().find(|(name, _)| !self.columns.iter().any(|known| known.name == *name)) {
            None => Ok(order),
            Some((name, _)) => {
                let known = quoted(self.columns.iter().map(|column| &column.name));
                Err(format!("column \"{name}\" is not in {first}, which has: {known}"))
            }
        }
    }
}

fn duplicate(columns: &[(String, ColumnKind)]) -> Option<&str> {
    let mut names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Adds the number if all rows so far were numbers. A column with another value stops counting and stays text.
fn push_if_number(numbers: &mut NumberColumn, row: usize, text: &str) {
    if numbers.len() != row {
        return;
    }
    let text = text.trim();
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(integer), _) => numbers.push_integer(integer),
        // "nan" and "inf" parse too, but a column of such words is text.
        (_, Ok(float)) if float.is_finite() => numbers.push_float(float),
        _ => *numbers = NumberColumn::new(),
    }
}

/// True if lists of these two kinds can be in one column.
fn agree(before: ListItems, here: ListItems) -> bool {
    before == here || before == ListItems::Unknown || here == ListItems::Unknown
}
