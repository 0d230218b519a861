//! A table of ids and texts: the queries, or the corpus.

use std::{borrow::Cow, path::PathBuf, sync::Arc};

use colburn_data::{Dataset, Place, TextColumns, Value, join_title, strip};

use super::parts;
use crate::error::{Error, Result};

/// The treatment of the titles and texts of a table.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// True if a column `title` goes before the text.
    pub title: bool,
    /// True if white space around a text is removed.
    pub strip: bool,
}

/// Ids and texts as they stand (PyLate's NanoBEIREvaluator).
pub(super) const PLAIN: Layout = Layout { title: false, strip: false };

/// Ids and texts of queries or documents.
#[derive(Clone)]
pub(super) struct TextTable {
    data: Dataset,
    ids: Ids,
    text: usize,
    title: Option<usize>,
    strip: bool,
}

/// The ids of a table.
#[derive(Clone)]
enum Ids {
    /// Those in a column.
    Column(usize),
    /// The numbers of the lines of text files, from 0.
    Lines(Arc<[usize]>),
}

impl TextTable {
    /// Finds the columns, and looks at each row once.
    ///
    /// # Errors
    /// When there is no column of ids or texts, or a row has no id, no text, or another value in the place of one.
    pub fn new(data: Dataset, layout: Layout) -> Result<Self> {
        let found = TextColumns::default().of_table(&data)?;
        let is_text = |path: &PathBuf| parts::split_name(path).is_some_and(|(_, ending)| ending == "txt");
        let ids = match found.id {
            Some(column) => Ids::Column(column),
            None if !data.files().is_empty() && data.files().iter().all(is_text) => {
                Ids::Lines((0..data.len()).collect())
            }
            None => return Err(missing(&data, "_id", "texts or integers")),
        };
        let title = found.title.filter(|_| layout.title);
        let table = Self { data, ids, text: found.text, title, strip: layout.strip };
        for row in 0..table.len() {
            if table.id(row)?.is_empty() {
                return Err(Error::Collection { place: table.place(row), message: "the id is empty".to_owned() });
            }
            table.text(row)?;
        }
        Ok(table)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The files, for messages.
    pub fn files(&self) -> String {
        files_of(&self.data)
    }

    /// The place of a row, for messages.
    pub fn place(&self, row: usize) -> String {
        place(&self.data, row)
    }

    /// The id in a row.
    pub fn id(&self, row: usize) -> Result<Cow<'_, str>> {
        match &self.ids {
            Ids::Column(column) => id(&self.data, *column, row),
            Ids::Lines(lines) => {
                // Which is an error if there is no such row.
                self.data.value(row, self.text)?;
                Ok(Cow::Owned(lines[row].to_string()))
            }
        }
    }

    /// The text in a row, with its title.
    pub fn text(&self, row: usize) -> Result<Cow<'_, str>> {
        let text = self.text_in(row, self.text)?;
        let title = match self.title {
            Some(column) if self.data.value(row, column)? != Value::Null => Some(self.text_in(row, column)?),
            _ => None,
        };
        Ok(match title {
            Some(title) if self.strip => Cow::Owned(join_title(Some(title), text).into_owned()),
            Some(title) => Cow::Owned(format!("{title} {text}")),
            None => Cow::Borrowed(if self.strip { strip(text) } else { text }),
        })
    }

    fn text_in(&self, row: usize, column: usize) -> Result<&str> {
        match self.data.value(row, column)? {
            Value::Text(Cow::Borrowed(text)) => Ok(text),
            Value::Text(_) => Ok(self.data.text(row, column)?),
            other => {
                let name = self.data.columns()[column].to_owned();
                let message = format!("column \"{name}\" holds {}; a text is expected", other.described());
                Err(Error::Collection { place: self.place(row), message })
            }
        }
    }

    /// Keeps some rows; also says where each of the rows is now.
    pub fn keep(self, keep: impl Fn(&Self, usize) -> Result<bool>) -> Result<(Self, Vec<Option<usize>>)> {
        let mut kept = Vec::new();
        let mut positions = Vec::with_capacity(self.len());
        for row in 0..self.len() {
            let keep = keep(&self, row)?;
            positions.push(keep.then_some(kept.len()));
            if keep {
                kept.push(row);
            }
        }
        if kept.len() == self.len() {
            return Ok((self, positions));
        }
        let ids = match &self.ids {
            Ids::Column(column) => Ids::Column(*column),
            Ids::Lines(lines) => Ids::Lines(kept.iter().map(|row| lines[*row]).collect()),
        };
        Ok((Self { data: self.data.select(&kept)?, ids, ..self }, positions))
    }
}

/// The column of one of these names.
pub(super) fn column(data: &Dataset, names: &[&str]) -> Option<usize> {
    let columns = data.columns();
    names.iter().find_map(|name| columns.iter().position(|column| column == name))
}

/// That a column is missing.
pub(super) fn missing(data: &Dataset, name: &str, holds: &str) -> Error {
    let message = format!("no column \"{name}\" that holds {holds}");
    Error::Collection { place: data.description(), message }
}

/// The id in a row.
pub(super) fn id(data: &Dataset, column: usize, row: usize) -> Result<Cow<'_, str>> {
    let value = data.value(row, column)?;
    match value {
        Value::Text(text) => Ok(text),
        value => match value.id() {
            Some(id) => Ok(Cow::Owned(id.into_owned())),
            None => {
                let (name, found) = (data.columns()[column].to_owned(), value.described());
                let message = format!("column \"{name}\" holds {found}; an id is a text or a whole number");
                Err(Error::Collection { place: place(data, row), message })
            }
        },
    }
}

/// The files that rows come from.
pub(super) fn files_of(data: &Dataset) -> String {
    match data.files() {
        [] => "rows in memory".to_owned(),
        [file] => file.display().to_string(),
        [first, .., last] => format!("{} … {} ({} files)", first.display(), last.display(), data.files().len()),
    }
}

/// The place of a row of a whole data set.
pub(super) fn place(data: &Dataset, row: usize) -> String {
    match data.files() {
        [] => Place::Memory { row }.to_string(),
        [file] => Place::Row { path: file.clone(), row }.to_string(),
        _ => format!("{}: row {row} of all files (counted from 0)", files_of(data)),
    }
}
