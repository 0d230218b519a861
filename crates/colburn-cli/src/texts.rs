//! The texts that `encode` reads, one after the other so that a corpus may be larger than memory, of any format. Errors name the file and
//! the line or row.

use std::path::{Path, PathBuf};

use colburn::data;

use crate::command_line::TextArguments;
use crate::{Error, Result};

/// A text, and its id where it has one.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub text: String,
    pub id: Option<String>,
}

/// Texts, of which the next one is known already. There is at least one at the beginning.
pub struct Texts {
    path: PathBuf,
    texts: data::Texts,
    next: Option<Entry>,
    count: usize,
    taken: usize,
    /// True once it was said that titles are left out.
    said: bool,
}

impl Texts {
    /// Opens the texts of a path, each of which was looked at once: whatever is wrong with the last of them shows before there is work done
    /// on the first.
    pub fn open(path: &Path, arguments: &TextArguments) -> Result<Self> {
        let mut texts = data::Texts::open_with(&arguments.source(path), &arguments.columns())?;
        let mut count = 0;
        for record in texts.by_ref() {
            record?;
            count += 1;
        }
        let texts = texts.again()?;
        let mut texts = Self { path: path.to_owned(), texts, next: None, count, taken: 0, said: false };
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
            self.taken += 1;
            self.next = self.read()?;
        }
        Ok(entry)
    }

    /// True if all texts were taken.
    pub fn at_end(&self) -> bool {
        self.next.is_none()
    }

    /// True if the next text has an id.
    pub fn has_ids(&self) -> bool {
        self.next.as_ref().is_some_and(|entry| entry.id.is_some())
    }

    /// The share of the input that was read, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.at_end() { 1.0 } else { self.taken as f64 / self.count.max(1) as f64 }
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The input as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that the texts come from.
    pub fn files(&self) -> &[PathBuf] {
        self.texts.files()
    }

    fn read(&mut self) -> Result<Option<Entry>> {
        let Some(record) = self.texts.next().transpose()? else { return Ok(None) };
        if record.title.is_some() && !self.said {
            self.said = true;
            let place = record.place;
            tracing::warn!("{place}: titles are left out; index, search and evaluate put them before the text");
        }
        Ok(Some(Entry { text: record.text, id: record.id }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entries(name: &str, content: &[u8]) -> std::result::Result<Vec<Entry>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let read = || {
            let mut texts = Texts::open(&path, &TextArguments::default())?;
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

    fn texts(name: &str, content: &[u8]) -> std::result::Result<Vec<String>, String> {
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
        assert!(texts("a.txt", b"").unwrap_err().starts_with("a.txt: "));
    }

    #[test]
    fn json_lines_are_strings_or_objects() {
        assert_eq!(texts("a.jsonl", b"\"one\\n\"\n\n\"\"\n"), Ok(vec!["one\n".into(), String::new()]));
        assert_eq!(texts("a.jsonl", b"\xef\xbb\xbf\"one\"\n"), Ok(vec!["one".into()]));
        assert!(texts("a.jsonl", b"\"one\"\n{\"text\": \n").unwrap_err().starts_with("a.jsonl:2: "));
        assert!(texts("a.jsonl", b"{\"txt\": \"one\"}").unwrap_err().starts_with("a.jsonl:1: no column with a text"));
        assert!(
            texts("a.jsonl", b"{\"text\": 1}")
                .unwrap_err()
                .starts_with("a.jsonl:1: column \"text\" holds the number 1")
        );
        assert!(texts("a.jsonl", b"3").unwrap_err().starts_with("a.jsonl"));
        assert!(texts("a.jsonl", b"\n\n").unwrap_err().starts_with("a.jsonl: "));
    }

    #[test]
    fn ids_are_texts_or_whole_numbers() {
        let lines = [
            r#"{"_id": "a", "id": "b", "text": ""}"#,
            r#"{"id": 7, "text": ""}"#,
            r#"{"id": 0.0, "text": ""}"#,
            r#"{"text": ""}"#,
        ];
        let ids = entries("a.jsonl", lines.join("\n").as_bytes()).unwrap().into_iter().map(|entry| entry.id);
        assert_eq!(ids.collect::<Vec<_>>(), [Some("a".to_owned()), Some("7".to_owned()), Some("0".to_owned()), None]);
        let message = entries("a.jsonl", b"{\"id\": 1.5, \"text\": \"\"}").unwrap_err();
        assert_eq!(message, "a.jsonl:1: column \"id\" holds the number 1.5; an id is a text or a whole number");
    }

    #[test]
    fn rows_of_several_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, rows) in [("part-0.csv", "text,id\none,3\n"), ("part-1.csv", "text,id\ntwo,0005\n")] {
            fs::write(folder.path().join(name), rows).unwrap();
        }
        for place in [folder.path().to_owned(), folder.path().join("part-*.csv")] {
            let mut texts = Texts::open(&place, &TextArguments::default()).unwrap();
            assert!(texts.has_ids() && texts.len() == 2 && texts.files().len() == 2);
            assert_eq!(texts.take().unwrap(), Some(Entry { text: "one".into(), id: Some("3".into()) }));
            assert_eq!(texts.take().unwrap(), Some(Entry { text: "two".into(), id: Some("0005".into()) }));
            assert_eq!(texts.take().unwrap(), None);
        }
    }
}
