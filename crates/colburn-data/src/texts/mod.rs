//! Texts with ids and titles, queries and documents alike, out of a source of any format: read one after the other in bounded memory, so
//! that a corpus may be larger than it.

mod columns;
mod ids;
mod titles;

use std::path::PathBuf;

use tracing::subscriber::{NoSubscriber, with_default};

use crate::error::{Place, Result};
use crate::read::records::Records;
use crate::source::{Format, Source};

pub use self::columns::{TableColumns, TextColumns};
pub use self::ids::{plain_id, same_id};
pub use self::titles::{join_title, strip};

use self::columns::Chosen;

/// A text of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct TextRecord {
    /// Its id, if it has one: a text as it stands, or the digits of a whole number.
    pub id: Option<String>,
    /// Its title, if it has one that is not empty.
    pub title: Option<String>,
    /// The text as it stands.
    pub text: String,
    /// Its file and the line or row in there.
    pub place: Place,
}

impl TextRecord {
    /// The title and the text as one text: [`join_title`].
    pub fn joined(&self) -> String {
        join_title(self.title.as_deref(), &self.text).into_owned()
    }
}

/// The texts of a source, in its order.
///
/// The columns are known by their names: ids by `_id`, `id`, `docid`, `pid`, `qid`, `query_id`, `document_id` and their like, texts by
/// `text`, `contents`, `document`, `passage`, `query` and their like, and titles by `title`. A [`TextColumns`] names others. A title may be
/// null or absent, and so may an id; a text may not.
///
/// ```
/// use colburn_data::{Source, Texts};
///
/// let folder = std::env::temp_dir().join("colburn-texts-example");
/// std::fs::create_dir_all(&folder).unwrap();
/// let path = folder.join("corpus.jsonl");
/// std::fs::write(&path, "{\"_id\": 7.0, \"title\": null, \"text\": \"late interaction\"}\n").unwrap();
/// let record = Texts::open(&Source::new(&path))?.next().unwrap()?;
/// assert_eq!((record.id.as_deref(), record.title, record.text.as_str()), (Some("7"), None, "late interaction"));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), colburn_data::Error>(())
/// ```
pub struct Texts {
    records: Records,
    source: Source,
    columns: TextColumns,
    /// The columns of the texts and ids that the first row has shown.
    chosen: Option<Chosen>,
}

impl Texts {
    /// Opens a source.
    ///
    /// # Errors
    /// When it cannot be read: as [`Records::open`].
    pub fn open(source: &Source) -> Result<Self> {
        Self::open_with(source, &TextColumns::default())
    }

    /// Opens a source of which some columns are named.
    ///
    /// # Errors
    /// As [`Texts::open`].
    pub fn open_with(source: &Source, columns: &TextColumns) -> Result<Self> {
        Ok(Self { records: Records::open(source)?, source: source.clone(), columns: columns.clone(), chosen: None })
    }

    /// The same texts from the beginning. What the first reading warned of is not said again.
    ///
    /// # Errors
    /// As [`Texts::open`].
    pub fn again(&self) -> Result<Self> {
        with_default(NoSubscriber::default(), || Self::open_with(&self.source, &self.columns))
    }

    /// True if the texts are lines of text files, which have no ids.
    pub fn are_lines(&self) -> bool {
        let is_text = |path: &PathBuf| Format::of_name(path) == Some(Format::Text);
        let named =
            self.source.format.map_or_else(|| self.files().iter().all(is_text), |format| format == Format::Text);
        named && self.records.columns().len() == 1
    }

    /// The files that the texts come from, in the order in which they are read.
    pub fn files(&self) -> &[PathBuf] {
        self.records.files()
    }

    fn read(&mut self) -> Result<Option<TextRecord>> {
        let Some(record) = self.records.next()? else { return Ok(None) };
        let chosen: &Chosen = match &self.chosen {
            Some(chosen) => chosen,
            None => self.chosen.insert(self.columns.choose(&record)?),
        };
        Ok(Some(TextRecord {
            id: chosen.id(&record)?,
            title: chosen.title(&record)?,
            text: chosen.text(&record)?,
            place: record.place(),
        }))
    }
}

impl Iterator for Texts {
    type Item = Result<TextRecord>;

    /// The next text. What cannot be read is an error, after which there may be no more texts.
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests;
