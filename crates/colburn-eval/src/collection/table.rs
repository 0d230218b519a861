//! A table of ids and texts: the queries, or the corpus.

use std::borrow::Cow;

use colburn_data::{Dataset, Error as DataError, Place};

use crate::error::{Error, Result};

/// The columns of the ids and texts of a table.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// The names that the column of ids may have; the first is named in messages.
    pub ids: &'static [&'static str],
    /// True if a column `title` goes before the text.
    pub title: bool,
    /// True if white space around a text is removed.
    pub strip: bool,
}

/// Ids and texts as they stand (PyLate's NanoBEIREvaluator).
pub(super) const PLAIN: Layout = Layout { ids: &["_id"], title: false, strip: false };

/// Ids and texts of queries or documents.
#[derive(Clone)]
pub(super) struct TextTable {
    data: Dataset,
    id: Column,
    text: usize,
    title: Option<usize>,
    strip: bool,
}

/// A column by its number, with what it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Column {
    Text(usize),
    Number(usize),
    List(usize),
}

impl TextTable {
    /// Finds the columns.
    ///
    /// # Errors
    /// When there is no column of ids or texts, or one of them holds something else.
    pub fn new(data: Dataset, layout: &Layout) -> Result<Self> {
        let id = match column(&data, layout.ids)? {
            Some(id @ (Column::Text(_) | Column::Number(_))) => id,
            _ => return Err(missing(&data, layout.ids[0], "texts or integers")),
        };
        let text = match column(&data, &["text"])? {
            Some(Column::Text(text)) => text,
            _ => return Err(missing(&data, "text", "texts")),
        };
        let title = match column(&data, if layout.title { &["title"] } else { &[] })? {
            None => None,
            Some(Column::Text(title)) => Some(title),
            Some(_) => return Err(missing(&data, "title", "texts")),
        };
        Ok(Self { data, id, text, title, strip: layout.strip })
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
        id(&self.data, self.id, row)
    }

    /// The text in a row, with its title.
    pub fn text(&self, row: usize) -> Result<Cow<'_, str>> {
        let text = self.data.text(row, self.text)?;
        let Some(title) = self.title else {
            return Ok(Cow::Borrowed(if self.strip { strip(text) } else { text }));
        };
        let both = format!("{} {text}", self.data.text(row, title)?);
        Ok(Cow::Owned(if self.strip { strip(&both).to_owned() } else { both }))
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
        Ok((Self { data: self.data.select(&kept)?, ..self }, positions))
    }
}

/// The column of one of these names; none when there is none, or it holds nothing that can be read.
pub(super) fn column(data: &Dataset, names: &[&str]) -> Result<Option<Column>> {
    let columns = data.columns();
    let Some(at) = names.iter().find_map(|name| columns.iter().position(|column| column == name)) else {
        return Ok(None);
    };
    // What a column holds shows in whether its first row can be read as that.
    let is = |read: std::result::Result<(), DataError>| !matches!(read, Err(DataError::NoColumn { .. }));
    Ok(if is(data.text(0, at).map(drop)) {
        Some(Column::Text(at))
    } else if is(data.number(0, at).map(drop)) {
        Some(Column::Number(at))
    } else if is(data.list(0, at).map(drop)) {
        Some(Column::List(at))
    } else {
        None
    })
}

/// That a column is missing.
pub(super) fn missing(data: &Dataset, name: &str, holds: &str) -> Error {
    let message = format!("no column \"{name}\" that holds {holds}");
    Error::Collection { place: data.description(), message }
}

/// The id in a row of a column of texts or integers.
pub(super) fn id(data: &Dataset, column: Column, row: usize) -> Result<Cow<'_, str>> {
    match column {
        Column::Text(column) | Column::List(column) => Ok(Cow::Borrowed(data.text(row, column)?)),
        Column::Number(column) => match data.integer(row, column) {
            Ok(integer) => Ok(Cow::Owned(integer.to_string())),
            Err(error) => Err(Error::Collection { place: files_of(data), message: error.to_string() }),
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

/// Python's `str.strip`, which also takes the separators U+001C to U+001F for white space.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}
