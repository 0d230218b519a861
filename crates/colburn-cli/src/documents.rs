//! Texts with ids, queries and documents alike: JSON Lines, Parquet, or plain lines. They are read one after the other, so that a corpus
//! need not fit into memory; errors name the line.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use colburn::data::Dataset;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The names that an id may stand under; the first is BEIR's.
const IDS: [&str; 2] = ["_id", "id"];
const TEXT: &str = "text";
const TITLE: &str = "title";

/// The contents of a line, or the problem with it.
pub type Parsed<T> = std::result::Result<T, String>;

/// A text with its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub id: String,
    pub text: String,
}

/// The texts of a file, in its order.
pub struct Documents {
    path: PathBuf,
    rows: Rows,
    /// The number of documents that were read.
    read: usize,
    /// 128 bits of each id that was read, if ids are to be told apart.
    seen: Option<HashSet<(u64, u64)>>,
}

enum Rows {
    Lines { lines: BufReader<File>, json: bool, line: usize },
    Table { data: Dataset, id: usize, text: usize, title: Option<usize> },
}

impl Documents {
    /// The texts of a file, each of which was looked at once: whatever is wrong with the last of them shows before there is work done on
    /// the first.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::counted(path)?.0)
    }

    /// The same, and how many there are.
    pub fn counted(path: &Path) -> Result<(Self, usize)> {
        let mut documents = Self::start(path)?;
        documents.seen = Some(HashSet::new());
        for document in documents.by_ref() {
            document?;
        }
        let count = documents.read;
        if count == 0 {
            return Err(wrong(path, "there are no texts in it"));
        }
        documents.read = 0;
        documents.seen = None;
        match documents.rows {
            Rows::Lines { .. } => Ok((Self::start(path)?, count)),
            Rows::Table { .. } => Ok((documents, count)),
        }
    }

    fn start(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let json = match extension.to_ascii_lowercase().as_str() {
            "txt" => Some(false),
            "jsonl" | "ndjson" => Some(true),
            "parquet" => None,
            _ => return Err(wrong(path, "texts with ids are read from .jsonl, .parquet and .txt")),
        };
        let rows = match json {
            Some(json) => {
                let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
                Rows::Lines { lines: BufReader::new(file), json, line: 0 }
            }
            None => table(path)?,
        };
        Ok(Self { path: path.to_owned(), rows, read: 0, seen: None })
    }

    /// True if the ids are the numbers of lines, which say nothing about the texts.
    pub fn are_lines(&self) -> bool {
        matches!(self.rows, Rows::Lines { json: false, .. })
    }

    /// The next texts, at most so many; none at the end.
    pub fn chunk(&mut self, count: usize) -> Result<Vec<Document>> {
        self.by_ref().take(count).collect()
    }

    fn document(&mut self) -> Result<Option<Document>> {
        match &mut self.rows {
            Rows::Lines { lines, json, line } => loop {
                let Some(text) = next_line(&self.path, lines, line)? else { return Ok(None) };
                if !*json {
                    return Ok(Some(Document { id: (*line - 1).to_string(), text }));
                }
                if !text.trim().is_empty() {
                    return object(&text).map(Some).map_err(|message| at_line(&self.path, *line, message));
                }
            },
            Rows::Table { data, id, text, title } => {
                if self.read == data.len() {
                    return Ok(None);
                }
                let title = title.map(|title| data.text(self.read, title)).transpose()?;
                // A column of ids may be one of integers.
                let id = match data.text(self.read, *id) {
                    Ok(id) => id.to_owned(),
                    Err(_) => data.integer(self.read, *id)?.to_string(),
                };
                Ok(Some(Document { id, text: joined(title, data.text(self.read, *text)?) }))
            }
        }
    }

    /// The place of the text that was read last.
    fn place(&self) -> String {
        match &self.rows {
            Rows::Lines { line, .. } => format!("{}:{line}", self.path.display()),
            Rows::Table { .. } => format!("{}: row {} (counted from 0)", self.path.display(), self.read),
        }
    }
}

impl Iterator for Documents {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        let document = match self.document().transpose()? {
            Ok(document) => document,
            Err(error) => return Some(Err(error)),
        };
        if document.id.is_empty() {
            return Some(Err(Error::Text { place: self.place(), message: "the id is empty".to_owned() }));
        }
        if self.seen.as_mut().is_some_and(|seen| !seen.insert(fingerprint(&document.id))) {
            let message = format!("the id {:?} comes twice; each text needs one of its own", document.id);
            return Some(Err(Error::Text { place: self.place(), message }));
        }
        self.read += 1;
        Some(Ok(document))
    }
}

/// 128 bits, of which no two ids in a corpus have the same.
fn fingerprint(id: &str) -> (u64, u64) {
    let half = |which: u8| {
        let mut hasher = DefaultHasher::new();
        (which, id).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}

fn table(path: &Path) -> Result<Rows> {
    let data = Dataset::load(path)?;
    let columns = data.columns();
    let column = |name: &str| columns.iter().position(|column| *column == name);
    let missing = |what: &str| wrong(path, format!("there is no column {what}, only {}", columns.join(", ")));
    let id = IDS.iter().find_map(|name| column(name)).ok_or_else(|| missing("`_id` or `id`"))?;
    let text = column(TEXT).ok_or_else(|| missing("`text`"))?;
    let title = column(TITLE);
    Ok(Rows::Table { data, id, text, title })
}

/// The next line without its end, and without a byte order mark before the first; none at the end of the file.
fn next_line(path: &Path, lines: &mut BufReader<File>, line: &mut usize) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let length = lines.read_until(b'\n', &mut bytes).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if length == 0 {
        return Ok(None);
    }
    *line += 1;
    let bytes = if *line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
    let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |bytes| bytes.strip_suffix(b"\r").unwrap_or(bytes));
    let text = str::from_utf8(bytes).map_err(|error| at_line(path, *line, format!("not UTF-8: {error}")))?;
    Ok(Some(text.to_owned()))
}

/// The text of a file without the byte order mark that some programs put before it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The text that an object in a line is, with its id.
fn object(line: &str) -> Parsed<Document> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("broken JSON: {error}"))?;
    let Value::Object(object) = value else {
        return Err("not an object; one with `_id` (or `id`) and `text` is expected".to_owned());
    };
    let id = IDS.iter().find_map(|name| object.get(*name)).ok_or("the object has no `_id` and no `id`")?;
    let id = id_of(id).ok_or_else(|| format!("the id is {id}; a string or an integer is expected"))?;
    let text = string(&object, TEXT)?.ok_or("the object has no `text`")?;
    Ok(Document { id, text: joined(string(&object, TITLE)?, text) })
}

/// An id in JSON: a string, or an integer, which many files have.
pub fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn string<'a>(object: &'a Map<String, Value>, name: &str) -> Parsed<Option<&'a str>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is not a string")),
    }
}

/// Title and text as PyLate reads BEIR's collections: with a blank between them, and none around them.
fn joined(title: Option<&str>, text: &str) -> String {
    match title {
        Some(title) => format!("{title} {text}").trim().to_owned(),
        None => text.trim().to_owned(),
    }
}

fn wrong(path: &Path, message: impl Into<String>) -> Error {
    Error::Texts { path: path.to_owned(), message: message.into() }
}

/// An error at a line, counted from 1.
pub fn at_line(path: &Path, line: usize, message: impl Into<String>) -> Error {
    Error::Text { place: format!("{}:{line}", path.display()), message: message.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn documents(name: &str, content: &[u8]) -> Parsed<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let read = || -> Result<Vec<(String, String)>> {
            let (mut documents, count) = Documents::counted(&path)?;
            let mut all = Vec::new();
            loop {
                // In chunks that do not divide the whole.
                let chunk = documents.chunk(2)?;
                if chunk.is_empty() {
                    assert_eq!(all.len(), count);
                    return Ok(all);
                }
                all.extend(chunk.into_iter().map(|document| (document.id, document.text)));
            }
        };
        read().map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn pairs(pairs: &[(&str, &str)]) -> Parsed<Vec<(String, String)>> {
        Ok(pairs.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn lines_have_their_numbers_as_ids() {
        assert_eq!(
            documents("a.txt", b"\xef\xbb\xbf one \r\n\nthree"),
            pairs(&[("0", " one "), ("1", ""), ("2", "three")])
        );
        assert_eq!(documents("a.txt", b""), Err("a.txt: there are no texts in it".into()));
        assert_eq!(documents("a.txt", b"one\n\xff\n").unwrap_err().split(": ").next(), Some("a.txt:2"));
    }

    #[test]
    fn objects_have_ids_and_perhaps_titles() {
        let text = r#"{"_id": "a", "id": 9, "text": "one "}

{"id": 7, "title": "Two", "text": "two"}
{"text": "three", "_id": "c", "title": "", "url": 5}
{"text": "four", "_id": "d", "title": null}
"#;
        assert_eq!(
            documents("a.jsonl", text.as_bytes()),
            pairs(&[("a", "one"), ("7", "Two two"), ("c", "three"), ("d", "four")])
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let second =
            |line: &str| documents("a.jsonl", format!("{{\"id\": \"a\", \"text\": \"\"}}\n{line}\n").as_bytes());
        let message = |line: &str| second(line).unwrap_err();
        assert!(message("{\"id\"").starts_with("a.jsonl:2: broken JSON: "));
        assert_eq!(message("\"b\""), "a.jsonl:2: not an object; one with `_id` (or `id`) and `text` is expected");
        assert_eq!(message("{\"text\": \"b\"}"), "a.jsonl:2: the object has no `_id` and no `id`");
        assert_eq!(message("{\"id\": 1.5}"), "a.jsonl:2: the id is 1.5; a string or an integer is expected");
        assert_eq!(message("{\"id\": \"\", \"text\": \"\"}"), "a.jsonl:2: the id is empty");
        assert_eq!(message("{\"id\": 1}"), "a.jsonl:2: the object has no `text`");
        assert_eq!(message("{\"id\": 1, \"text\": [], \"title\": \"\"}"), "a.jsonl:2: `text` is not a string");
        assert_eq!(
            message("{\"id\": \"a\", \"text\": \"\"}"),
            "a.jsonl:2: the id \"a\" comes twice; each text needs one of its own"
        );
        assert_eq!(
            documents("a.csv", b"id,text\n").unwrap_err(),
            "a.csv: texts with ids are read from .jsonl, .parquet and .txt"
        );
        assert!(documents("a.parquet", b"").unwrap_err().starts_with("a.parquet: "));
    }
}
