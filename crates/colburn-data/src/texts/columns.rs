//! The columns that hold the ids, titles and texts of a source, known by their names.

use crate::dataset::Dataset;
use crate::error::{Error, Result, quoted};
use crate::read::records::Record;
use crate::table::value::Value;

/// The names of the column of ids of which the first that a row has is taken: BEIR's, and the plain one.
const IDS: [&str; 2] = ["_id", "id"];

/// Other names of the column of ids, of which a row has one.
const OTHER_IDS: [&str; 15] = [
    "docid",
    "doc_id",
    "docno",
    "pid",
    "passage_id",
    "document_id",
    "document-id",
    "corpus_id",
    "corpus-id",
    "qid",
    "query_id",
    "query-id",
    "question_id",
    "text_id",
    "sentence_id",
];

/// The names of the column of texts of which the first that there is is taken: BEIR's, and Anserini's.
const TEXTS: [&str; 2] = ["text", "contents"];

/// Other names of the column of texts, of which there is one.
const OTHER_TEXTS: [&str; 9] =
    ["content", "body", "document", "doc", "passage", "query", "question", "sentence", "abstract"];

const TITLE: &str = "title";

/// The columns of the ids and texts of a source, where their names are not among those that are known ([`Texts`](crate::Texts)).
///
/// Several names may be given of each: the first of them that there is counts. So queries and documents with columns of unlike names can be
/// read alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextColumns {
    ids: Vec<String>,
    texts: Vec<String>,
}

impl TextColumns {
    /// Sets the names of the column of ids.
    pub fn with_ids<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.ids = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the names of the column of texts.
    pub fn with_texts<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.texts = names.into_iter().map(Into::into).collect();
        self
    }

    /// The columns of a table that is there as a whole.
    ///
    /// # Errors
    /// When there is no column of texts, or several could be the one; likewise several of ids.
    pub fn of_table(&self, data: &Dataset) -> Result<TableColumns> {
        let names = data.columns();
        let wrong = |problem: String| Error::Columns { data: data.description(), problem };
        let chosen = self.of_names(&names).map_err(wrong)?;
        let at = |name: &str| names.iter().position(|other| *other == name);
        let id = match &chosen.id {
            Some(given) => Some(given.as_str()),
            None => id(|name| names.contains(&name)).map_err(wrong)?,
        };
        let text = at(&chosen.text).unwrap_or_default();
        Ok(TableColumns { id: id.and_then(at), text, title: at(TITLE).filter(|title| *title != text) })
    }

    /// The columns by what the first row has.
    pub(super) fn choose(&self, first: &Record<'_>) -> Result<Chosen> {
        let names: Vec<&str> = first.names().collect();
        self.of_names(&names).map_err(|problem| Error::Example { place: first.place(), problem })
    }

    fn of_names(&self, names: &[&str]) -> std::result::Result<Chosen, String> {
        let given = |what: &str, given: &[String]| match given.iter().find(|name| names.contains(&name.as_str())) {
            Some(name) => Ok(name.clone()),
            None => Err(format!("no column {} for the {what}; found: {}", or(given), quoted(names))),
        };
        let id = if self.ids.is_empty() { None } else { Some(given("id", &self.ids)?) };
        let text = if self.texts.is_empty() { text(names)? } else { given("text", &self.texts)? };
        Ok(Chosen { id, text })
    }
}

/// The columns of a table by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableColumns {
    /// The column of ids, if there is one.
    pub id: Option<usize>,
    /// The column of texts.
    pub text: usize,
    /// The column of titles, if there is one.
    pub title: Option<usize>,
}

/// The column of texts among these.
fn text(names: &[&str]) -> std::result::Result<String, String> {
    if let Some(name) = TEXTS.iter().find(|name| names.contains(name)) {
        return Ok((*name).to_owned());
    }
    let found: Vec<&str> = OTHER_TEXTS.into_iter().filter(|name| names.contains(name)).collect();
    match found[..] {
        [name] => Ok(name.to_owned()),
        [] => Err(format!(
            "no column with a text; found: {}; expected: \"text\", or the column's name given",
            quoted(names)
        )),
        _ => Err(format!("several columns could be the text: {}; give the name of one", quoted(found))),
    }
}

/// Names in quotes with an "or" between them.
fn or(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
}

/// The columns of a source that are read.
pub(super) struct Chosen {
    /// The column of ids, if its name was given; else each row tells it.
    id: Option<String>,
    text: String,
}

impl Chosen {
    /// The id of a row; none if it has none.
    pub fn id(&self, record: &Record<'_>) -> Result<Option<String>> {
        let wrong = |problem: String| Error::Example { place: record.place(), problem };
        let column = match &self.id {
            Some(given) => Some(given.as_str()),
            None => id(|name| record.value(name) != Value::Null).map_err(wrong)?,
        };
        let Some(column) = column else { return Ok(None) };
        let value = record.value(column);
        if value == Value::Null {
            return Ok(None);
        }
        let id = value.id().map(std::borrow::Cow::into_owned);
        id.map(Some).ok_or_else(|| {
            let found = value.described();
            wrong(format!("column \"{column}\" holds {found}; an id is a text or a whole number"))
        })
    }

    /// The title of a row; none if it is null, absent or empty.
    pub fn title(&self, record: &Record<'_>) -> Result<Option<String>> {
        match record.value(TITLE) {
            _ if self.text == TITLE => Ok(None),
            Value::Null => Ok(None),
            Value::Text(title) => Ok(Some(title.into_owned()).filter(|title| !title.is_empty())),
            other => Err(no_text(record, TITLE, &other)),
        }
    }

    /// The text of a row.
    pub fn text(&self, record: &Record<'_>) -> Result<String> {
        match record.value(&self.text) {
            Value::Text(text) => Ok(text.into_owned()),
            other => Err(no_text(record, &self.text, &other)),
        }
    }
}

/// The column of the id where some columns have values: the first of the plain names, or the only one of the others.
fn id(has: impl Fn(&str) -> bool) -> std::result::Result<Option<&'static str>, String> {
    let has = |name: &&'static str| has(name);
    if let Some(name) = IDS.into_iter().find(has) {
        return Ok(Some(name));
    }
    let found: Vec<&str> = OTHER_IDS.into_iter().filter(has).collect();
    match found[..] {
        [] => Ok(None),
        [name] => Ok(Some(name)),
        _ => Err(format!("several columns could be the id: {}; give the name of one", quoted(found))),
    }
}

fn no_text(record: &Record<'_>, column: &str, value: &Value<'_>) -> Error {
    let problem = match value {
        Value::Null => format!("column \"{column}\" is null or missing; a text is expected in every row"),
        other => format!("column \"{column}\" holds {}; a text is expected", other.described()),
    };
    Error::Example { place: record.place(), problem }
}
