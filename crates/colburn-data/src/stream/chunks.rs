//! Some rows of a source at a time, in memory, with the columns of its first rows.

use std::path::PathBuf;
use std::sync::Arc;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::read::records::Records;
use crate::roles::mapping::Roles;
use crate::table::ColumnKind;
use crate::table::builder::TableBuilder;
use crate::table::spool::SpoolWriter;

/// The columns of a source: name and kind.
pub(super) type Layout = Arc<[(String, ColumnKind)]>;

/// The rows of a source that are still to come.
pub(super) struct Chunks {
    records: Records,
    layout: Layout,
    roles: Option<Roles>,
    /// The file of the last row, and the number of its rows so far.
    file: PathBuf,
    rows: usize,
}

impl Chunks {
    pub(super) fn new(records: Records, layout: Layout, roles: Option<Roles>) -> Self {
        Self { records, layout, roles, file: PathBuf::new(), rows: 0 }
    }

    /// The next rows, up to `most`; none after the last one. A column that the layout lacks plays no part.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Dataset>> {
        let mut table = TableBuilder::new(SpoolWriter::in_memory());
        for (name, kind) in self.layout.iter() {
            table.column(name, Some(kind));
        }
        while table.rows() < most {
            let Some(record) = self.records.next()? else { break };
            if record.file() != self.file {
                (self.file, self.rows) = (record.file().to_owned(), 0);
                table.start(&self.file);
            } else if table.rows() == 0 {
                table.start_at(&self.file, self.rows);
            }
            self.rows += 1;
            table.push(|column| record.value(&self.layout[column].0), || record.place())?;
        }
        if table.rows() == 0 {
            return Ok(None);
        }
        let kinds = self.layout.iter().map(|(_, kind)| kind.clone()).collect();
        let data = Dataset::of_table(table.finish_as(kinds)?);
        match &self.roles {
            Some(roles) => data.with_columns(roles.clone()).map(Some),
            None => Ok(Some(data)),
        }
    }
}

/// The first rows of a source, up to `most`, with all columns that they have.
///
/// # Errors
/// When a file cannot be read, or there are no rows.
pub(super) fn first(records: &mut Records, most: usize) -> Result<Dataset> {
    let mut table = TableBuilder::new(SpoolWriter::in_memory());
    let (mut file, mut names) = (PathBuf::new(), Vec::new());
    while table.rows() < most {
        let Some(record) = records.next()? else { break };
        if record.file() != file {
            file = record.file().to_owned();
            table.start(&file);
        }
        for (name, kind) in record.columns() {
            table.column(name, kind);
        }
        if table.names().len() > names.len() {
            names = table.names().to_vec();
        }
        table.push(|column| record.value(&names[column]), || record.place())?;
    }
    Ok(Dataset::of_table(table.finish()?))
}
