//! The texts that `encode` reads, one after the other so that a corpus may be larger than memory: lines, JSON Lines, or a column of a
//! table. Errors name the line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use colburn::data::Dataset;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The column, and the key of a JSON object, that holds the text.
const TEXT: &str = "text";

/// The names of a column, or a key, with the id of the text: BEIR's, and the plain one.
const IDS: [&str; 2] = ["_id", "id"];

/// The byte order mark that some editors put before the first line; it is not part of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text, and its name where it has one.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub text: String,
    pub id: Option<String>,
}

/// Texts, of which the next one is known already. There is at least one at the beginning.
pub struct Texts {
    path: PathBuf,
    source: Source,
    next: Option<Entry>,
}

enum Source {
    Lines(Lines),
    JsonLines(Lines),
    Rows(Rows),
}

impl Texts {
    /// Opens a file of lines or JSON Lines, or whatever is a data set: a Parquet file, a pattern, a directory.
    pub fn open(path: &Path) -> Result<Self> {
        let extension =
            path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        let several = path.is_dir() || (!path.exists() && path.to_string_lossy().contains(['*', '?']));
        let source = match extension.as_str() {
            _ if several => Source::Rows(Rows::open(path)?),
            "txt" => Source::Lines(Lines::open(path)?),
            "jsonl" | "ndjson" => Source::JsonLines(Lines::open(path)?),
            "parquet" => Source::Rows(Rows::open(path)?),
            _ => {
                let message = "texts are read from .txt, .jsonl and .parquet".to_owned();
                return Err(Error::Texts { path: path.to_owned(), message });
            }
        };
        let mut texts = Self { path: path.to_owned(), source, next: None };
        texts.next = texts.read()?;
        if texts.next.is_none() {
            return Err(Error::Texts { path: path.to_owned(), message: "there are no texts in it".to_owned() });
        }
        Ok(texts)
    }

    /// The next text, or none after the last one.
    pub fn take(&mut self) -> Result<Option<Entry>> {
        let entry = self.next.take();
        if entry.is_some() {
            self.next = self.read()?;
        }
        Ok(entry)
    }

    /// True if all texts were taken.
    pub fn at_end(&self) -> bool {
        self.next.is_none()
    }

    /// True if the next text has a name.
    pub fn has_ids(&self) -> bool {
        self.next.as_ref().is_some_and(|entry| entry.id.is_some())
    }

    /// The share of the input that was read, from 0 to 1.
    pub fn share(&self) -> f64 {
        let (read, all) = match &self.source {
            Source::Lines(lines) | Source::JsonLines(lines) => (lines.read, lines.bytes),
            Source::Rows(rows) => (rows.next as u64, rows.dataset.len() as u64),
        };
        if self.at_end() { 1.0 } else { read as f64 / all.max(1) as f64 }
    }

    /// The number of texts, where it is known beforehand.
    pub fn len(&self) -> Option<usize> {
        match &self.source {
            Source::Lines(_) | Source::JsonLines(_) => None,
            Source::Rows(rows) => Some(rows.dataset.len()),
        }
    }

    /// The input as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that the texts come from.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.source {
            Source::Lines(_) | Source::JsonLines(_) => vec![self.path.clone()],
            Source::Rows(rows) => rows.dataset.files().to_vec(),
        }
    }

    fn read(&mut self) -> Result<Option<Entry>> {
        match &mut self.source {
            Source::Lines(lines) => Ok(lines.line()?.map(|text| Entry { text, id: None })),
            Source::JsonLines(lines) => lines.json(),
            Source::Rows(rows) => rows.row(),
        }
    }
}

/// A file, line by line.
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    read: u64,
    bytes: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        let unreadable = |source| Error::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        Ok(Self { path: path.to_owned(), reader: BufReader::with_capacity(1 << 20, file), line: 0, read: 0, bytes })
    }

    /// A text a line; a blank line is an empty text, so that output 7 stays line 7.
    fn line(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = self.reader.read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        let mut line = bytes.as_slice();
        if self.line == 0 {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        self.read += read as u64;
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let text = str::from_utf8(line).map_err(|error| self.wrong(&format!("not UTF-8: {error}")))?;
        Ok(Some(text.to_owned()))
    }

    /// A JSON string a line, or an object with the text under [`TEXT`]; blank lines are none.
    fn json(&mut self) -> Result<Option<Entry>> {
        while let Some(line) = self.line()? {
            if line.trim().is_empty() {
                continue;
            }
            let value: Value =
                serde_json::from_str(&line).map_err(|error| self.wrong(&format!("broken JSON: {error}")))?;
            let Value::Object(mut object) = value else {
                let Value::String(text) = value else {
                    return Err(self.wrong(&format!("neither a string nor an object with `{TEXT}`")));
                };
                return Ok(Some(Entry { text, id: None }));
            };
            return match object.remove(TEXT) {
                Some(Value::String(text)) => Ok(Some(Entry { text, id: id(&object) })),
                Some(_) => Err(self.wrong(&format!("`{TEXT}` is not a string"))),
                None => Err(self.wrong(&format!("the object has no `{TEXT}`"))),
            };
        }
        Ok(None)
    }

    /// An error at the line that was read last; people count from 1.
    fn wrong(&self, message: &str) -> Error {
        Error::Text { place: format!("{}:{}", self.path.display(), self.line), message: message.to_owned() }
    }
}

fn id(object: &Map<String, Value>) -> Option<String> {
    match IDS.iter().find_map(|key| object.get(*key))? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) if id.is_u64() || id.is_i64() => Some(id.to_string()),
        _ => None,
    }
}

/// A column of a table, and perhaps one with names.
struct Rows {
    dataset: Dataset,
    text: usize,
    id: Option<usize>,
    next: usize,
}

impl Rows {
    fn open(path: &Path) -> Result<Self> {
        let dataset = Dataset::load(path)?;
        let columns = dataset.columns();
        let place = |name: &str| columns.iter().position(|column| *column == name);
        let Some(text) = place(TEXT) else {
            let message = format!("there is no column `{TEXT}`, only {}", columns.join(", "));
            return Err(Error::Texts { path: path.to_owned(), message });
        };
        let named = |&column: &usize| dataset.text(0, column).is_ok() || dataset.integer(0, column).is_ok();
        let id = IDS.iter().find_map(|name| place(name)).filter(named);
        Ok(Self { text, id, next: 0, dataset })
    }

    fn row(&mut self) -> Result<Option<Entry>> {
        let row = self.next;
        if row == self.dataset.len() {
            return Ok(None);
        }
        self.next += 1;
        let text = self.dataset.text(row, self.text)?.to_owned();
        let id = match self.id {
            Some(column) => Some(match self.dataset.text(row, column) {
                Ok(id) => id.to_owned(),
                Err(_) => self.dataset.integer(row, column)?.to_string(),
            }),
            None => None,
        };
        Ok(Some(Entry { text, id }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Entry, Texts};

    fn entries(name: &str, content: &[u8]) -> Result<Vec<Entry>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let read = || {
            let mut texts = Texts::open(&path)?;
            let mut entries = Vec::new();
            while let Some(entry) = texts.take()? {
                entries.push(entry);
                assert!((0.0..=1.0).contains(&texts.share()), "{}", texts.share());
            }
            assert!(texts.at_end() && texts.share() == 1.0);
            Ok(entries)
        };
        read().map_err(|error: crate::Error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn texts(name: &str, content: &[u8]) -> Result<Vec<String>, String> {
        Ok(entries(name, content)?.into_iter().map(|entry| entry.text).collect())
    }

    #[test]
    fn lines_keep_blanks_and_lose_only_their_ends() {
        assert_eq!(
            texts("a.txt", b" one \r\n\r\n\nfour\rfour"),
            Ok(vec![" one ".into(), String::new(), String::new(), "four\rfour".into()])
        );
        assert_eq!(texts("a.txt", b"one\n"), Ok(vec!["one".into()]));
        assert_eq!(texts("a.txt", b"\xef\xbb\xbfone\n"), Ok(vec!["one".into()]));
        assert_eq!(texts("a.txt", b"one\n\xff\n").unwrap_err().split(": ").next(), Some("a.txt:2"));
        for nothing in [&b""[..], b"\xef\xbb\xbf"] {
            assert_eq!(texts("a.txt", nothing), Err("a.txt: there are no texts in it".into()));
        }
    }

    #[test]
    fn json_lines_are_strings_or_objects() {
        assert_eq!(
            texts("a.jsonl", b"\"one\\n\"\n{\"id\": 1, \"text\": \"two\"}\n\n\"\"\n"),
            Ok(vec!["one\n".into(), "two".into(), String::new()])
        );
        assert_eq!(texts("a.jsonl", b"\xef\xbb\xbf\"one\"\n"), Ok(vec!["one".into()]));
        assert!(texts("a.jsonl", b"\"one\"\n{\"text\": \n").unwrap_err().starts_with("a.jsonl:2: broken JSON: "));
        assert_eq!(texts("a.jsonl", b"{\"txt\": \"one\"}"), Err("a.jsonl:1: the object has no `text`".into()));
        assert_eq!(texts("a.jsonl", b"{\"text\": 1}"), Err("a.jsonl:1: `text` is not a string".into()));
        assert_eq!(texts("a.jsonl", b"3"), Err("a.jsonl:1: neither a string nor an object with `text`".into()));
        assert_eq!(texts("a.jsonl", b"\n\n"), Err("a.jsonl: there are no texts in it".into()));
    }

    #[test]
    fn names_are_texts_or_integers() {
        let lines = [
            r#"{"_id": "a", "id": "b", "text": ""}"#,
            r#"{"id": 7, "text": ""}"#,
            r#"{"id": 1.5, "text": ""}"#,
            r#"{"text": ""}"#,
        ];
        let ids = entries("a.jsonl", lines.join("\n").as_bytes()).unwrap().into_iter().map(|entry| entry.id);
        assert_eq!(ids.collect::<Vec<_>>(), [Some("a".to_owned()), Some("7".to_owned()), None, None]);
    }

    #[test]
    fn rows_of_several_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, rows) in [("part-0.csv", "text,id\none,3\n"), ("part-1.csv", "text,id\ntwo,5\n")] {
            fs::write(folder.path().join(name), rows).unwrap();
        }
        for place in [folder.path().to_owned(), folder.path().join("part-*.csv")] {
            let mut texts = Texts::open(&place).unwrap();
            assert!(texts.has_ids() && texts.len() == Some(2) && texts.files().len() == 2);
            assert_eq!(texts.take().unwrap(), Some(Entry { text: "one".into(), id: Some("3".into()) }));
            assert_eq!(texts.take().unwrap(), Some(Entry { text: "two".into(), id: Some("5".into()) }));
            assert_eq!(texts.take().unwrap(), None);
        }
        fs::write(folder.path().join("part-1.csv"), "texts,id\ntwo,5\n").unwrap();
        fs::remove_file(folder.path().join("part-0.csv")).unwrap();
        let message = Texts::open(folder.path()).err().unwrap().to_string();
        assert!(message.ends_with("there is no column `text`, only texts, id"), "{message}");
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(texts("a.csv", b"text\n"), Err("a.csv: texts are read from .txt, .jsonl and .parquet".into()));
    }
}
