//! Texts with ids, queries and documents alike, of any format. They are read one after the other, so that a corpus need not fit into
//! memory; errors name the file and the line or row.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use colburn::data::{Place, TextRecord, Texts};
use colburn::model::{TokenBatch, Tokenizing};

use crate::command_line::TextArguments;
use crate::{Error, Result};

/// A text with its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub id: String,
    pub text: String,
}

/// The texts of a source, in its order.
pub struct Documents {
    texts: Texts,
    /// The number of documents that were read.
    read: usize,
    /// True if the ids are the numbers of lines.
    lines: bool,
    /// 128 bits of each id that was read, if ids are to be told apart.
    seen: Option<HashSet<(u64, u64)>>,
}

impl Documents {
    /// The texts of a source, each of which was looked at once: whatever is wrong with the last of them shows before there is work done on
    /// the first.
    pub fn open(path: &Path, arguments: &TextArguments) -> Result<Self> {
        Ok(Self::counted(path, arguments)?.0)
    }

    /// The same, and how many there are.
    pub fn counted(path: &Path, arguments: &TextArguments) -> Result<(Self, usize)> {
        let texts = Texts::open_with(&arguments.source(path), &arguments.columns())?;
        let lines = texts.are_lines();
        let mut documents = Self { texts, read: 0, lines, seen: Some(HashSet::new()) };
        for document in documents.by_ref() {
            document?;
        }
        let count = documents.read;
        if count == 0 {
            let message = "there are no texts in it".to_owned();
            return Err(Error::Texts { path: path.to_owned(), message });
        }
        documents.texts = documents.texts.again()?;
        (documents.read, documents.seen) = (0, None);
        Ok((documents, count))
    }

    /// True if the ids are the numbers of lines, which say nothing about the texts.
    pub fn are_lines(&self) -> bool {
        self.lines
    }

    /// All texts, tokenized so many at a time, with their ids.
    pub fn windows(
        mut self,
        size: usize,
        tokenizing: Tokenizing,
    ) -> impl Iterator<Item = Result<(Vec<String>, TokenBatch)>> {
        std::iter::from_fn(move || {
            let documents = match self.chunk(size) {
                Ok(documents) if documents.is_empty() => return None,
                Ok(documents) => documents,
                Err(error) => return Some(Err(error)),
            };
            let (ids, texts): (_, Vec<_>) = documents.into_iter().map(|document| (document.id, document.text)).unzip();
            Some(tokenizing.tokenize(&texts).map(|tokens| (ids, tokens)).map_err(Error::from))
        })
    }

    /// The next texts, at most so many; none at the end.
    pub fn chunk(&mut self, count: usize) -> Result<Vec<Document>> {
        self.by_ref().take(count).collect()
    }

    /// The document that a text is.
    fn document(&mut self, record: TextRecord) -> Result<Document> {
        if self.lines {
            return Ok(Document { id: self.read.to_string(), text: record.text });
        }
        let text = record.joined();
        match record.id {
            Some(id) if id.is_empty() => Err(at(&record.place, "the id is empty")),
            Some(id) => {
                if self.seen.as_mut().is_some_and(|seen| !seen.insert(fingerprint(&id))) {
                    return Err(at(
                        &record.place,
                        format!("the id {id:?} comes twice; each text needs one of its own"),
                    ));
                }
                Ok(Document { id, text })
            }
            None => Err(at(
                &record.place,
                "there is no id; a column `_id` or `id` is expected, or one that --id-column names",
            )),
        }
    }
}

impl Iterator for Documents {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        let document = match self.texts.next()? {
            Ok(record) => self.document(record),
            Err(error) => Err(error.into()),
        };
        self.read += 1;
        Some(document)
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

fn at(place: &Place, message: impl Into<String>) -> Error {
    Error::Text { place: place.to_string(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Pairs = std::result::Result<Vec<(String, String)>, String>;

    fn documents(name: &str, content: &[u8]) -> Pairs {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let read = || -> Result<Vec<(String, String)>> {
            let (mut documents, count) = Documents::counted(&path, &TextArguments::default())?;
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

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        Ok(pairs.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn lines_have_their_numbers_as_ids() {
        assert_eq!(
            documents("a.txt", b"\xef\xbb\xbf one \r\n\nthree"),
            pairs(&[("0", " one "), ("1", ""), ("2", "three")])
        );
        assert!(documents("a.txt", b"").unwrap_err().starts_with("a.txt: "));
        assert_eq!(documents("a.txt", b"one\n\xff\n").unwrap_err().split(": ").next(), Some("a.txt:2"));
    }

    #[test]
    fn objects_have_ids_and_perhaps_titles() {
        let text = r#"{"_id": "a", "id": 9, "text": "one "}

{"id": 7, "title": "Two", "text": "two"}
{"text": "three", "_id": "c", "title": "", "url": 5}
{"text": "four", "_id": "d", "title": null}
{"text": "five", "_id": 5.0}
"#;
        let expected = [("a", "one"), ("7", "Two two"), ("c", "three"), ("d", "four"), ("5", "five")];
        assert_eq!(documents("a.jsonl", text.as_bytes()), pairs(&expected));
    }

    #[test]
    fn tables_of_passages_are_documents() {
        // collection.tsv of MS MARCO, which has no header, and a table that has one.
        assert_eq!(
            documents("collection.tsv", b"0\tone\n1\ttwo \n2\t\n"),
            pairs(&[("0", "one"), ("1", "two"), ("2", "")])
        );
        assert_eq!(
            documents("a.csv", b"docid;title;contents\n0007;T;one\n8;;2004\n"),
            pairs(&[("0007", "T one"), ("8", "2004")])
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let second =
            |line: &str| documents("a.jsonl", format!("{{\"id\": \"a\", \"text\": \"\"}}\n{line}\n").as_bytes());
        let message = |line: &str| second(line).unwrap_err();
        assert!(message("{\"id\"").starts_with("a.jsonl:2: "));
        assert_eq!(
            message("{\"text\": \"b\"}"),
            "a.jsonl:2: there is no id; a column `_id` or `id` is expected, or one that --id-column names"
        );
        assert!(
            message("{\"id\": 1.5, \"text\": \"\"}").starts_with("a.jsonl:2: column \"id\" holds the number 1.5; ")
        );
        assert_eq!(message("{\"id\": \"\", \"text\": \"\"}"), "a.jsonl:2: the id is empty");
        assert!(message("{\"id\": 1}").starts_with("a.jsonl:2: column \"text\" is null or missing"));
        assert!(
            message("{\"id\": 1, \"text\": [], \"title\": \"\"}")
                .starts_with("a.jsonl:2: column \"text\" holds a list")
        );
        assert_eq!(
            message("{\"id\": \"a\", \"text\": \"\"}"),
            "a.jsonl:2: the id \"a\" comes twice; each text needs one of its own"
        );
        assert!(documents("a.parquet", b"").unwrap_err().starts_with("a.parquet: "));
    }
}
