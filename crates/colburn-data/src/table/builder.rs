//! The builder of a [`Table`]. It takes one row at a time, so readers of all formats hold little of a file in memory.

use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};
use crate::table::cells::RowBytes;
use crate::table::kinds::{ColumnKind, Seen};
use crate::table::spool::SpoolWriter;
use crate::table::value::Value;
use crate::table::{Column, IN_MEMORY, Rows, Table};

/// A table under construction.
pub(crate) struct TableBuilder {
    names: Vec<String>,
    seen: Vec<Seen>,
    spool: SpoolWriter,
    row: RowBytes,
    rows: usize,
    files: Vec<PathBuf>,
    starts: Vec<usize>,
    firsts: Vec<usize>,
}

impl TableBuilder {
    pub(crate) fn new(spool: SpoolWriter) -> Self {
        Self {
            names: Vec::new(),
            seen: Vec::new(),
            spool,
            row: RowBytes::default(),
            rows: 0,
            files: Vec::new(),
            starts: Vec::new(),
            firsts: Vec::new(),
        }
    }

    /// Starts the next file.
    pub(crate) fn start(&mut self, file: &Path) {
        self.start_at(file, 0);
    }

    /// Starts the next file at a row of it.
    pub(crate) fn start_at(&mut self, file: &Path, first: usize) {
        self.files.push(file.to_owned());
        self.starts.push(self.rows);
        self.firsts.push(first);
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of the column with this name. A name that is new makes a column, which the rows before it lack.
    pub(crate) fn column(&mut self, name: &str, declared: Option<&ColumnKind>) -> usize {
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.seen.push(Seen::default());
            self.names.len() - 1
        });
        if let Some(kind) = declared {
            self.seen[at].declare(kind);
        }
        at
    }

    /// Adds a row by the value of each column of the table.
    pub(crate) fn push<'a>(&mut self, value: impl Fn(usize) -> Value<'a>, place: impl Fn() -> Place) -> Result<()> {
        self.row.clear();
        for (column, seen) in self.seen.iter_mut().enumerate() {
            let value = value(column);
            seen.add(&value);
            if !self.row.push(&value, seen.other()) {
                return Err(Error::TooLong { place: place(), column: self.names[column].clone(), limit: "4 GB" });
            }
        }
        self.spool.push(self.row.parts())?;
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Table> {
        let kinds = self.seen.iter().map(Seen::kind).collect();
        self.finish_as(kinds)
    }

    /// The table with columns of these kinds, whatever their values are.
    pub(crate) fn finish_as(self, kinds: Vec<ColumnKind>) -> Result<Table> {
        let empty = |reason| {
            let path = self.files.first().cloned().unwrap_or_else(|| PathBuf::from(IN_MEMORY));
            Err(Error::Empty { path, reason })
        };
        if self.rows == 0 {
            return empty("no rows");
        }
        let columns = self.names.into_iter().zip(&self.seen).zip(kinds).enumerate();
        let columns = columns.map(|(cell, ((name, seen), kind))| Column {
            name,
            kind,
            cell,
            other: seen.other().map(str::to_owned),
        });
        let (columns, left_out): (Vec<Column>, Vec<Column>) = columns.partition(|column| column.kind.is_kept());
        if columns.is_empty() {
            return empty("no column of texts, numbers or lists of either");
        }
        Ok(Table {
            columns,
            left_out,
            rows: Rows::Spool(self.spool.finish()?),
            len: self.rows,
            files: self.files,
            starts: self.starts,
            firsts: self.firsts,
        })
    }
}
