//! The rows of a data set in the form that every file format is turned into: texts in [`Texts`], numbers in memory, and
//! the names of columns that are neither. One row at a time goes in, so a reader never holds more of a file than it
//! must; any row comes out. Every reader shares the checks made here, so all formats fail in the same words.

use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result, quoted};
use crate::texts::{TextWriter, Texts};

/// Stands for a file in messages about rows that come from none.
pub(crate) const IN_MEMORY: &str = "rows in memory";

/// What the values of a column are, as far as a reader can tell before the rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    /// A file without types (CSV): a number when every value of the data set is one, text otherwise.
    Untyped,
    List,
    /// Anything else, by its name.
    Other(String),
}

impl Kind {
    pub(crate) fn name(&self) -> &str {
        match self {
            Kind::Text | Kind::Untyped => "text",
            Kind::Number => "number",
            Kind::List => "list",
            Kind::Other(name) => name,
        }
    }
}

/// One value on its way in.
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Number(f64),
    Null,
    /// A value of a kind that is not kept, by its name.
    Other(&'a str),
}

/// A column of a finished table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Which text of a row, or which of the number columns, this is.
    slot: usize,
}

/// Rows, finished. Columns are counted without those that are not kept.
pub(crate) struct Table {
    columns: Vec<Column>,
    left_out: Vec<Column>,
    texts: Texts,
    texts_per_row: usize,
    numbers: Vec<Vec<f64>>,
    rows: usize,
    files: Vec<PathBuf>,
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns that are neither text nor number.
    pub(crate) fn left_out(&self) -> &[Column] {
        &self.left_out
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(crate) fn text(&self, row: usize, column: usize) -> Result<&str> {
        match self.columns.get(column) {
            Some(Column { kind: Kind::Text, slot, name }) => self
                .texts
                .get(row * self.texts_per_row + slot)
                .ok_or_else(|| Error::Damaged { row, column: name.clone() }),
            _ => Err(self.no_column(column, "text")),
        }
    }

    pub(crate) fn number(&self, row: usize, column: usize) -> Result<f64> {
        match self.columns.get(column) {
            Some(Column { kind: Kind::Number, slot, name }) => Some(self.numbers[*slot][row])
                .filter(|number| !number.is_nan())
                .ok_or_else(|| Error::NoNumber { row, column: name.clone() }),
            _ => Err(self.no_column(column, "number")),
        }
    }

    /// All columns with their types, for messages: `query (text), label (number)`.
    pub(crate) fn column_list(&self) -> String {
        let columns = self.columns.iter().chain(&self.left_out);
        columns.map(|column| format!("{} ({})", column.name, column.kind.name())).collect::<Vec<_>>().join(", ")
    }

    fn no_column(&self, column: usize, expected: &'static str) -> Error {
        Error::NoColumn { column, expected, found: self.column_list() }
    }
}

/// Rows, being written.
pub(crate) struct TableBuilder {
    columns: Vec<Column>,
    texts: TextWriter,
    texts_per_row: usize,
    numbers: Vec<Vec<f64>>,
    rows: usize,
    files: Vec<PathBuf>,
}

impl TableBuilder {
    pub(crate) fn new(texts: TextWriter) -> Self {
        Self { columns: Vec::new(), texts, texts_per_row: 0, numbers: Vec::new(), rows: 0, files: Vec::new() }
    }

    /// Opens the next file, or rows in memory, with the columns that it has, in its order. The first file decides the
    /// order of the columns; the others must have the same ones. Returns for each column of the table where it stands in
    /// this file.
    pub(crate) fn start(&mut self, file: Option<&Path>, columns: Vec<(String, Kind)>) -> Result<Vec<usize>> {
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
            self.files.extend(file.map(Path::to_owned));
            return Ok((0..self.columns.len()).collect());
        }
        let order = self.match_columns(&columns).map_err(|reason| Error::Schema { path: path(), reason })?;
        self.files.extend(file.map(Path::to_owned));
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
                (Kind::Text, Cell::Text(text)) => self.texts.push(text)?,
                (Kind::Number, Cell::Number(number)) => self.numbers[column.slot].push(number),
                (Kind::Untyped, Cell::Text(text)) => {
                    self.texts.push(text)?;
                    push_if_number(&mut self.numbers[column.slot], self.rows, text);
                }
                // Columns of numbers are often beside the point, so a missing one matters only to whoever asks for it.
                (Kind::Number, Cell::Null) => self.numbers[column.slot].push(f64::NAN),
                (Kind::List | Kind::Other(_), _) => {}
                (Kind::Text | Kind::Untyped, Cell::Null) => {
                    return Err(Error::Null { place: place(), column: column.name.clone(), expected: "text" });
                }
                (kind, found) => {
                    let found = match found {
                        Cell::Text(_) => "text",
                        Cell::Number(_) => "number",
                        Cell::Null => "null",
                        Cell::Other(name) => name,
                    };
                    return Err(Error::Type {
                        place: place(),
                        column: column.name.clone(),
                        expected: expected_name(kind),
                        found: found.to_owned(),
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
                Kind::Text => {
                    column.slot = text_slot;
                    text_slot += 1;
                }
                Kind::Untyped => {
                    let numbers = &mut self.numbers[column.slot];
                    if numbers.len() == self.rows {
                        column.kind = Kind::Number;
                    } else {
                        *numbers = Vec::new();
                        column.kind = Kind::Text;
                        column.slot = text_slot;
                    }
                    text_slot += 1;
                }
                Kind::Number | Kind::List | Kind::Other(_) => {}
            }
        }
        let (columns, left_out) =
            self.columns.into_iter().partition(|column| matches!(column.kind, Kind::Text | Kind::Number));
        Ok(Table {
            columns,
            left_out,
            texts: self.texts.finish()?,
            texts_per_row: self.texts_per_row,
            numbers: self.numbers,
            rows: self.rows,
            files: self.files,
        })
    }

    fn set_columns(&mut self, columns: Vec<(String, Kind)>) {
        for (name, kind) in columns {
            if matches!(kind, Kind::Text | Kind::Untyped) {
                self.texts_per_row += 1;
            }
            let slot = self.numbers.len();
            if matches!(kind, Kind::Number | Kind::Untyped) {
                self.numbers.push(Vec::new());
            }
            self.columns.push(Column { name, kind, slot });
        }
    }

    fn match_columns(&self, columns: &[(String, Kind)]) -> std::result::Result<Vec<usize>, String> {
        let first = self.files.first().map_or(IN_MEMORY.into(), |file| file.to_string_lossy());
        let mut order = Vec::with_capacity(self.columns.len());
        for known in &self.columns {
            let at = columns.iter().position(|(name, _)| *name == known.name).ok_or_else(|| {
                let found = quoted(columns.iter().map(|(name, _)| name));
                format!("column \"{}\" of {first} is missing; found: {found}", known.name)
            })?;
            if columns[at].1 != known.kind {
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

fn duplicate(columns: &[(String, Kind)]) -> Option<&str> {
    let mut names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Keeps the number while all rows so far were numbers; a column that misses one falls behind and stays text.
fn push_if_number(numbers: &mut Vec<f64>, row: usize, text: &str) {
    if numbers.len() != row {
        return;
    }
    match text.trim().parse::<f64>() {
        // "nan" and "inf" parse too, but a column of such words is text.
        Ok(number) if number.is_finite() => numbers.push(number),
        _ => *numbers = Vec::new(),
    }
}

fn expected_name(kind: &Kind) -> &'static str {
    if *kind == Kind::Number { "number" } else { "text" }
}
