//! The columns of several files. They may differ, and what a file lacks is missing in its rows; but files without a common column are
//! no one data set.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, quoted};
use crate::read::rows::{Field, Rows};

/// The columns of the files so far.
#[derive(Default)]
pub(crate) struct CommonFields {
    first: PathBuf,
    names: Vec<String>,
    /// True if the columns of the current file were checked with a row of it.
    checked: bool,
}

impl CommonFields {
    /// Checks a file whose columns are known with its first row.
    pub(crate) fn check_row(&mut self, path: &Path, rows: &dyn Rows) -> Result<()> {
        if self.checked || rows.fields_grow() {
            return Ok(());
        }
        self.checked = true;
        self.check(path, rows.fields())
    }

    /// Checks a file after its last row, and warns about the columns that it lacks.
    pub(crate) fn check_file(&mut self, path: &Path, fields: &[Field]) -> Result<()> {
        self.checked = false;
        self.check(path, fields)?;
        if self.first.as_os_str().is_empty() {
            path.clone_into(&mut self.first);
        }
        let is_here = |name: &&String| fields.iter().any(|field| field.name == **name);
        let absent: Vec<&String> = self.names.iter().filter(|name| !is_here(name)).collect();
        if !absent.is_empty() && !fields.is_empty() {
            let (path, first, absent) = (path.display(), self.first.display(), quoted(absent));
            tracing::warn!("{path}: no column {absent}, which {first} or a file after it has; missing in these rows");
        }
        let new: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        self.names.extend(new.into_iter().filter(|name| !self.names.contains(name)).collect::<Vec<_>>());
        Ok(())
    }

    fn check(&self, path: &Path, fields: &[Field]) -> Result<()> {
        if self.names.is_empty() || fields.is_empty() || fields.iter().any(|field| self.names.contains(&field.name)) {
            return Ok(());
        }
        let (here, there) = (quoted(fields.iter().map(|field| &field.name)), quoted(&self.names));
        let reason =
            format!("no column in common with {}; found {here}, expected some of {there}", self.first.display());
        Err(Error::Schema { path: path.to_owned(), reason })
    }
}

/// Checks that the columns of a file have names of their own.
pub(super) fn check_names(path: &Path, fields: &[Field]) -> Result<()> {
    let mut names = HashSet::new();
    match fields.iter().find(|field| !names.insert(field.name.as_str())) {
        None => Ok(()),
        Some(field) => Err(Error::Schema { path: path.to_owned(), reason: named_twice(&field.name) }),
    }
}

pub(crate) fn named_twice(name: &str) -> String {
    format!("two columns are named \"{name}\"; every column needs a name of its own")
}
