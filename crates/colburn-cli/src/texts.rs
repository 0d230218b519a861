//! The texts that `encode` reads: lines, JSON Lines, or a Parquet column. Errors name the line.

use std::fs;
use std::path::Path;

use colburn::data::Dataset;
use serde_json::Value;

use crate::{Error, Result};

/// The column, and the key of a JSON object, that holds the text.
const TEXT: &str = "text";

/// What some editors put before the first line; it is no part of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads all the texts of a file, in its order.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let texts = match extension.as_str() {
        "txt" => lines(path)?,
        "jsonl" | "ndjson" => json_lines(path)?,
        "parquet" => column(path)?,
        _ => {
            let message = "texts are read from .txt, .jsonl and .parquet".to_owned();
            return Err(Error::Texts { path: path.to_owned(), message });
        }
    };
    if texts.is_empty() {
        return Err(Error::Texts { path: path.to_owned(), message: "there are no texts in it".to_owned() });
    }
    Ok(texts)
}

/// A text a line; a blank line is an empty text, so that output 7 stays line 7.
fn lines(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let mut texts = Vec::new();
    for (at, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let text = str::from_utf8(line).map_err(|error| wrong(path, at, format!("not UTF-8: {error}")))?;
        texts.push(text.to_owned());
    }
    Ok(texts)
}

/// A JSON string a line, or an object with the text under [`TEXT`].
fn json_lines(path: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for (at, line) in lines(path)?.iter().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let value: Value =
            serde_json::from_str(line).map_err(|error| wrong(path, at, format!("broken JSON: {error}")))?;
        let text = match value {
            Value::String(text) => text,
            Value::Object(mut object) => match object.remove(TEXT) {
                Some(Value::String(text)) => text,
                Some(_) => return Err(wrong(path, at, format!("`{TEXT}` is not a string"))),
                None => return Err(wrong(path, at, format!("the object has no `{TEXT}`"))),
            },
            _ => return Err(wrong(path, at, format!("neither a string nor an object with `{TEXT}`"))),
        };
        texts.push(text);
    }
    Ok(texts)
}

fn column(path: &Path) -> Result<Vec<String>> {
    let dataset = Dataset::load(path)?;
    let columns = dataset.columns();
    let Some(column) = columns.iter().position(|name| *name == TEXT) else {
        let message = format!("there is no column `{TEXT}`, only {}", columns.join(", "));
        return Err(Error::Texts { path: path.to_owned(), message });
    };
    let mut texts = Vec::with_capacity(dataset.len());
    for row in 0..dataset.len() {
        texts.push(dataset.text(row, column)?.to_owned());
    }
    Ok(texts)
}

/// An error at a line, counted from 0 here and from 1 for people.
fn wrong(path: &Path, line: usize, message: String) -> Error {
    Error::Text { place: format!("{}:{}", path.display(), line + 1), message }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::read;

    fn texts(name: &str, content: &[u8]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
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
        assert_eq!(texts("a.txt", b""), Err("a.txt: there are no texts in it".into()));
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
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(texts("a.csv", b"text\n"), Err("a.csv: texts are read from .txt, .jsonl and .parquet".into()));
    }
}
