//! Judgements as one JSON object of queries, each an object of documents and their grades: `{"q1": {"d1": 1}}`, as BEIR's library and ranx
//! keep them. A query may also have a list of its relevant documents.

use std::{
    fmt,
    io::{self, BufReader, Read},
    path::Path,
};

use colburn_data::{Format, Records, Source};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::judgements::{DOCUMENTS, Judgement, QUERIES, SCORES};
use crate::error::{Error, Result};

/// The judgements of a file, if it is such an object; none if it is something else. The file may be compressed.
///
/// # Errors
/// When the file cannot be read, or begins as such an object and goes on otherwise.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Judgement>>> {
    let mut start = Vec::new();
    Text::open(path)?.take(BEGINNING).read_to_end(&mut start).map_err(|error| of_io(path, &error))?;
    if !is_nested(&String::from_utf8_lossy(&start)) {
        return Ok(None);
    }
    let file = path.display().to_string();
    let mut judgements = Vec::new();
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(Text::open(path)?));
    let read = json.deserialize_map(Queries { file: &file, judgements: &mut judgements });
    match read.and_then(|()| json.end()) {
        Ok(()) => Ok(Some(judgements)),
        Err(error) if error.is_io() => Err(of_io(path, &error.into())),
        Err(error) => Err(Error::Collection { place: file, message: error.to_string() }),
    }
}

/// The part of a file that tells whether it is an object of objects, in bytes.
const BEGINNING: u64 = 1 << 16;

/// True if a JSON text begins as an object of which the first value is an object or a list, under a name that is none of a row's.
fn is_nested(start: &str) -> bool {
    let Some(rest) = start.trim_start_matches('\u{feff}').trim_start().strip_prefix('{') else { return false };
    let mut keys = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let Some(Ok(key)) = keys.next() else { return false };
    let value = rest[keys.byte_offset()..].trim_start().strip_prefix(':').unwrap_or_default();
    let is_row = [&QUERIES[..], &DOCUMENTS, &SCORES].concat().contains(&key.as_str());
    !is_row && value.trim_start().starts_with(['{', '['])
}

/// An error of reading; the data set's own names the file already.
fn of_io(path: &Path, error: &io::Error) -> Error {
    let message = error.to_string();
    let file = path.display().to_string();
    let message = message.strip_prefix(&format!("{file}: ")).map_or(message.clone(), str::to_owned);
    Error::Collection { place: file, message }
}

/// A file as bytes, decompressed, read line by line.
struct Text {
    records: Records,
    line: Vec<u8>,
    at: usize,
}

impl Text {
    fn open(path: &Path) -> Result<Self> {
        let records = Records::open(&Source::new(path).with_format(Format::Text))?;
        Ok(Self { records, line: Vec::new(), at: 0 })
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            let Some(record) = self.records.next().map_err(io::Error::other)? else { return Ok(0) };
            let line = record.value("text").id().unwrap_or_default().into_owned();
            self.line = line.trim_start_matches('\u{feff}').as_bytes().to_vec();
            self.line.push(b'\n');
            self.at = 0;
        }
        let count = buffer.len().min(self.line.len() - self.at);
        buffer[..count].copy_from_slice(&self.line[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The object of queries.
struct Queries<'a> {
    file: &'a str,
    judgements: &'a mut Vec<Judgement>,
}

impl<'de> Visitor<'de> for Queries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of queries, each with its documents and their grades")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(query) = map.next_key::<String>()? {
            map.next_value_seed(Documents { file: self.file, query: &query, judgements: &mut *self.judgements })?;
        }
        Ok(())
    }
}

/// The documents of a query.
struct Documents<'a> {
    file: &'a str,
    query: &'a str,
    judgements: &'a mut Vec<Judgement>,
}

impl Documents<'_> {
    fn push(&mut self, document: String, grade: f64) {
        let place = format!("{}: query {:?}", self.file, self.query);
        self.judgements.push(Judgement { place, query: self.query.to_owned(), document, grade });
    }
}

impl<'de> DeserializeSeed<'de> for Documents<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Documents<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of documents and grades, or a list of documents, for the query {:?}", self.query)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some((document, grade)) = map.next_entry::<String, f64>()? {
            self.push(document, grade);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut documents: A) -> std::result::Result<(), A::Error> {
        while let Some(document) = documents.next_element::<String>()? {
            self.push(document, 1.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Option<Vec<(String, String, f64)>>;

    fn judgements(text: &str) -> std::result::Result<Found, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qrels.json");
        std::fs::write(&path, text).unwrap();
        let judgements =
            read(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))?;
        let plain = |one: Judgement| (one.query, one.document, one.grade);
        Ok(judgements.map(|judgements| judgements.into_iter().map(plain).collect()))
    }

    fn of(query: &str, document: &str, grade: f64) -> (String, String, f64) {
        (query.to_owned(), document.to_owned(), grade)
    }

    #[test]
    fn objects_of_objects_are_judgements() {
        // import json; print(json.dumps({"q1": {"d1": 1, "d 2": 2}, "2": {}, "3": {"d1": 0}}, indent=1))
        let text = "{\n \"q1\": {\n  \"d1\": 1,\n  \"d 2\": 2\n },\n \"2\": {},\n \"3\": {\n  \"d1\": 0\n }\n}";
        let expected = vec![of("q1", "d1", 1.0), of("q1", "d 2", 2.0), of("3", "d1", 0.0)];
        assert_eq!(judgements(text), Ok(Some(expected)));
        assert_eq!(judgements("{\"q\": [\"d\", \"e\"]}"), Ok(Some(vec![of("q", "d", 1.0), of("q", "e", 1.0)])));
    }

    #[test]
    fn rows_are_left_to_the_reader_of_rows() {
        for text in [
            "{\"query-id\": \"q\", \"corpus-id\": \"d\"}\n",
            "{\"corpus-id\": [\"d\"], \"query-id\": \"q\"}\n",
            "[{\"query-id\": \"q\"}]",
            "{",
            "query",
        ] {
            assert_eq!(judgements(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = judgements("{\"q\": {\"d\": 1},\n \"r\": {\"e\": \"high\"}}").unwrap_err();
        assert!(message.starts_with("qrels.json: invalid type: string \"high\", expected f64 at line 2"), "{message}");
        let message = judgements("{\"q\": {\"d\": 1}, \"r\": 5}").unwrap_err();
        assert!(
            message.contains("expected an object of documents and grades, or a list of documents, for the query \"r\"")
        );
        assert!(judgements("{\"q\": {\"d\": 1}").unwrap_err().starts_with("qrels.json: EOF while parsing"));
    }
}
