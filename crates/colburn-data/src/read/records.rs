//! The rows of a source, one after the other. Nothing is copied, so a source may be larger than memory and than the disk's free room.

use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use crate::error::{Error, Place, Result};
use crate::read::fields::CommonFields;
use crate::read::input::Input;
use crate::read::open;
use crate::read::rows::Rows;
use crate::shuffle::{Draws, Purpose};
use crate::source::Source;
use crate::source::find::{DataFile, find};
use crate::table::ColumnKind;
use crate::table::value::Value;

/// The rows of a source, one after the other.
///
/// ```
/// use colburn_data::{Records, Source, Value};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("corpus.jsonl");
/// std::fs::write(&path, "{\"_id\": 1, \"text\": \"first\"}\n{\"_id\": 2, \"text\": \"second\", \"title\": \"T\"}\n")?;
/// let mut records = Records::open(&Source::new(&path))?;
/// let mut titles = Vec::new();
/// while let Some(record) = records.next()? {
///     titles.push(record.value("title") != Value::Null);
/// }
/// assert_eq!(titles, [false, true]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Records {
    source: Source,
    files: IntoIter<DataFile>,
    paths: Vec<PathBuf>,
    /// The file that is being read; none after the last one.
    current: Option<(PathBuf, Box<dyn Rows>)>,
    common: CommonFields,
    columns: Vec<String>,
    /// The number of columns of the current file that are among them.
    known: usize,
    /// True if the next row is already read.
    ahead: bool,
}

impl Records {
    /// Finds the files and reads the first row.
    ///
    /// # Errors
    /// As [`Dataset::from_source`](crate::Dataset::from_source), as far as the first row tells.
    pub fn open(source: &Source) -> Result<Self> {
        Self::of_files(source, find(source)?)
    }

    /// The same with the files of the source in a random order of a pass.
    pub(crate) fn shuffled(source: &Source, seed: u64, pass: u64) -> Result<Self> {
        let mut files = find(source)?;
        Draws::new(Purpose::Files, seed, pass).shuffle(&mut files);
        Self::of_files(source, files)
    }

    fn of_files(source: &Source, files: Vec<DataFile>) -> Result<Self> {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let mut records = Self {
            source: source.clone(),
            files: files.into_iter(),
            paths,
            current: None,
            common: CommonFields::default(),
            columns: Vec::new(),
            known: 0,
            ahead: false,
        };
        records.ahead = records.advance()?;
        if !records.ahead {
            let path = records.paths.first().unwrap_or(&source.spec).clone();
            return Err(Error::Empty { path, reason: "no rows" });
        }
        Ok(records)
    }

    /// The names of the columns of the rows so far, and of the next one. A later row of JSON may have further ones.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The files in the order in which they are read.
    pub fn files(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The next row; `None` after the last one.
    ///
    /// # Errors
    /// When a file cannot be read, or is malformed. The message names the file and the place in it.
    #[expect(clippy::should_implement_trait, reason = "a record borrows from the reader, which an iterator cannot do")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        let found = std::mem::take(&mut self.ahead) || self.advance()?;
        Ok(self.current.as_ref().filter(|_| found).map(|(file, rows)| Record { rows: rows.as_ref(), file }))
    }

    fn advance(&mut self) -> Result<bool> {
        loop {
            let Some((path, rows)) = &mut self.current else {
                let Some(file) = self.files.next() else { return Ok(false) };
                let input = Input::open(&file.path, self.source.format)?;
                let rows = open(input, &file, &self.source)?;
                self.current = Some((file.path, rows));
                self.known = 0;
                continue;
            };
            let more = rows.advance()?;
            let fields = rows.fields();
            for field in fields.iter().skip(self.known) {
                if !self.columns.contains(&field.name) {
                    self.columns.push(field.name.clone());
                }
            }
            self.known = fields.len();
            if more {
                self.common.check_row(path, rows.as_ref())?;
                return Ok(true);
            }
            self.common.check_file(path, rows.fields())?;
            self.current = None;
        }
    }
}

/// A row of a source.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    rows: &'a dyn Rows,
    file: &'a Path,
}

impl<'a> Record<'a> {
    /// The value of a column; [`Value::Null`] if the row lacks it.
    pub fn value(&self, column: &str) -> Value<'a> {
        let at = self.rows.fields().iter().position(|field| field.name == column);
        at.map_or(Value::Null, |at| self.rows.value(at))
    }

    /// The names of the columns that the row has.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let rows = self.rows;
        rows.fields().iter().enumerate().filter(move |(at, _)| rows.has(*at)).map(|(_, field)| field.name.as_str())
    }

    /// The file of the row and its place in there.
    pub fn place(&self) -> Place {
        self.rows.place()
    }

    pub(crate) fn file(&self) -> &'a Path {
        self.file
    }

    /// The columns of the rows of its file so far, each with its kind where the file says it.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'a str, Option<&'a ColumnKind>)> + use<'a> {
        self.rows.fields().iter().map(|field| (field.name.as_str(), field.kind.as_ref()))
    }
}
