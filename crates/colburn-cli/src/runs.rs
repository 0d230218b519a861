//! Runs, the documents that were found for each query: written as JSON Lines or in TREC's format, and read as candidates.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use colburn::data::{self, Place, Records, Source};
use colburn::model::write_atomic;
use colburn::search::RerankResult;
use serde::Serialize;
use serde_json::Value;

use crate::documents::Document;
use crate::{Error, Result};

/// The contents of a line, or the problem with it.
type Parsed<T> = std::result::Result<T, String>;

/// A line of a run as JSON.
#[derive(Serialize)]
struct Line<'a> {
    query_id: &'a str,
    query: &'a str,
    results: Vec<Scored<'a>>,
}

#[derive(Serialize)]
struct Scored<'a> {
    id: &'a str,
    score: f32,
}

/// The format of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// A line `{"query_id", "query", "results": [{"id", "score"}]}` for each query.
    JsonLines,
    /// A line `query Q0 document rank score colburn` for each result.
    Trec,
}

impl Format {
    /// The format that a file's name asks for.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "trec" | "run" => Ok(Self::Trec),
            _ => {
                let message = "a run is a .jsonl file or, in TREC's format, a .trec or .run file".to_owned();
                Err(Error::Texts { path: path.to_owned(), message })
            }
        }
    }

    /// Refuses ids that cannot be written in this format; called before there is work done.
    pub fn check_ids<'a>(self, mut ids: impl Iterator<Item = &'a str>) -> Result<()> {
        match self {
            Self::JsonLines => Ok(()),
            Self::Trec => ids.try_for_each(|id| without_blanks(id).map(drop)),
        }
    }

    /// The lines of a query.
    pub fn lines(self, query: &Document, results: &[RerankResult<String>]) -> Result<String> {
        let mut lines = String::new();
        match self {
            Self::JsonLines => {
                let results = results.iter().map(|result| Scored { id: &result.id, score: result.score }).collect();
                let line = Line { query_id: &query.id, query: &query.text, results };
                let written = serde_json::to_string(&line).map_err(|error| Error::Text {
                    place: format!("the query {:?}", query.id),
                    message: error.to_string(),
                })?;
                lines.push_str(&written);
                lines.push('\n');
            }
            Self::Trec => {
                let query = without_blanks(&query.id)?;
                for (at, result) in results.iter().enumerate() {
                    let id = without_blanks(&result.id)?;
                    lines.push_str(&format!("{query} Q0 {id} {} {} colburn\n", at + 1, result.score));
                }
            }
        }
        Ok(lines)
    }
}

fn without_blanks(id: &str) -> Result<&str> {
    if id.contains(char::is_whitespace) {
        let message = "TREC's format has blanks between its columns; write a .jsonl file".to_owned();
        return Err(Error::Text { place: format!("the id {id:?}"), message });
    }
    Ok(id)
}

/// Writes the documents that were found for each query.
pub fn write(path: &Path, queries: &[Document], results: &[Vec<RerankResult<String>>]) -> Result<()> {
    let format = Format::of(path)?;
    let mut text = String::new();
    for (query, results) in queries.iter().zip(results) {
        text.push_str(&format.lines(query, results)?);
    }
    Ok(write_atomic(path, text.as_bytes())?)
}

/// The candidates of a query.
#[derive(Debug, PartialEq)]
pub struct Candidates {
    pub query: String,
    /// The line that names the query first.
    pub line: usize,
    /// Documents, each with the line that names it.
    pub documents: Vec<(String, usize)>,
}

/// Reads the candidates of each query, in the order of the file, which may be compressed. JSON is known by its first line.
pub fn read(path: &Path) -> Result<Vec<Candidates>> {
    let mut all: Vec<Candidates> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut format = None;
    let mut records = Records::open(&Source::new(path).with_format(data::Format::Text))?;
    while let Some(record) = records.next()? {
        let text = record.value("text").id().unwrap_or_default().into_owned();
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            continue;
        }
        let line = match record.place() {
            Place::Line { line, .. } => line as usize,
            Place::Row { row, .. } | Place::Memory { row } => row + 1,
        };
        let is_json = text.trim_start().starts_with('{') || Format::of(path).is_ok_and(|of| of == Format::JsonLines);
        let format = *format.get_or_insert(if is_json { Format::JsonLines } else { Format::Trec });
        let (query, documents) = match format {
            Format::JsonLines => json_line(text),
            Format::Trec => trec_line(text),
        }
        .map_err(|message| at_line(path, line, message))?;
        let documents = documents.into_iter().map(|document| (document, line));
        match known.get(&query) {
            Some(_) if format == Format::JsonLines => {
                return Err(at_line(path, line, format!("the query {query:?} has a line already")));
            }
            Some(&at) => all[at].documents.extend(documents),
            None => {
                known.insert(query.clone(), all.len());
                all.push(Candidates { query, line, documents: documents.collect() });
            }
        }
    }
    for Candidates { query, documents, .. } in &all {
        let mut seen = HashSet::new();
        if let Some((id, line)) = documents.iter().find(|(id, _)| !seen.insert(id)) {
            return Err(at_line(path, *line, format!("the document {id:?} comes twice for the query {query:?}")));
        }
    }
    if all.is_empty() {
        return Err(Error::Texts { path: path.to_owned(), message: "there are no candidates in it".to_owned() });
    }
    Ok(all)
}

/// An error at a line, counted from 1.
pub fn at_line(path: &Path, line: usize, message: impl Into<String>) -> Error {
    Error::Text { place: format!("{}:{line}", path.display()), message: message.into() }
}

/// An id in JSON: a string, or a whole number, which many files have.
fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Number(number) => data::Value::Float(number.as_f64()?).id().map(|id| id.into_owned()),
        _ => None,
    }
}

fn json_line(line: &str) -> Parsed<(String, Vec<String>)> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("broken JSON: {error}"))?;
    let id = |value: &Value| id_of(value).ok_or_else(|| format!("the id {value} is not a string or an integer"));
    let query = value.get("query_id").ok_or("no `query_id`; an object with it and `document_ids` is expected")?;
    let documents = match (value.get("document_ids"), value.get("results")) {
        (Some(Value::Array(ids)), _) => ids.iter().map(id).collect::<Parsed<_>>()?,
        (None, Some(Value::Array(results))) => results.iter().map(|result| id(&result["id"])).collect::<Parsed<_>>()?,
        _ => return Err("no list `document_ids`, and no `results` as `search` writes them".to_owned()),
    };
    Ok((id(query)?, documents))
}

fn trec_line(line: &str) -> Parsed<(String, Vec<String>)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    match columns[..] {
        [query, _, document, _, _, _] => Ok((query.to_owned(), vec![document.to_owned()])),
        _ => Err(format!("{} columns; six are expected: query Q0 document rank score name", columns.len())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn candidates(name: &str, text: &str) -> Parsed<Vec<Candidates>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn of(query: &str, line: usize, documents: &[(&str, usize)]) -> Candidates {
        let documents = documents.iter().map(|(id, line)| ((*id).to_owned(), *line)).collect();
        Candidates { query: query.to_owned(), line, documents }
    }

    #[test]
    fn what_was_written_is_read_as_candidates() {
        let folder = tempfile::tempdir().unwrap();
        let query = |id: &str| Document { id: id.into(), text: "what?".into() };
        let result = |id: &str, score| RerankResult { id: id.to_owned(), score };
        let (queries, results) =
            ([query("q1"), query("q2")], [vec![result("b", 0.1), result("a", -1.5)], vec![result("a", 1e-7)]]);
        for (name, lines) in [("run.jsonl", [1, 1, 2]), ("run.trec", [1, 2, 3])] {
            let path = folder.path().join(name);
            write(&path, &queries, &results).unwrap();
            let expected = [of("q1", 1, &[("b", lines[0]), ("a", lines[1])]), of("q2", lines[2], &[("a", lines[2])])];
            assert_eq!(read(&path).unwrap(), expected);
        }
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            text("run.jsonl").lines().next(),
            Some(r#"{"query_id":"q1","query":"what?","results":[{"id":"b","score":0.1},{"id":"a","score":-1.5}]}"#)
        );
        assert_eq!(text("run.trec"), "q1 Q0 b 1 0.1 colburn\nq1 Q0 a 2 -1.5 colburn\nq2 Q0 a 1 0.0000001 colburn\n");
        let message = write(&folder.path().join("a.run"), &[query("q 1")], &results).unwrap_err().to_string();
        assert!(message.starts_with("the id \"q 1\": TREC's format"), "{message}");
        let ids = || ["q1", "q\u{a0}2"].into_iter();
        assert!(Format::Trec.check_ids(ids()).unwrap_err().to_string().starts_with("the id \"q\\u{a0}2\": TREC's"));
        assert!(Format::JsonLines.check_ids(ids()).is_ok() && Format::Trec.check_ids(ids().take(1)).is_ok());
        assert!(write(&folder.path().join("a.txt"), &queries, &results).unwrap_err().to_string().contains(".trec"));
    }

    #[test]
    fn candidates_may_be_plain_lists() {
        assert_eq!(
            candidates(
                "a.jsonl",
                "{\"query_id\": 1, \"document_ids\": [\"x\", 2]}\n\n{\"query_id\": \"b\", \"document_ids\": []}\n"
            ),
            Ok(vec![of("1", 1, &[("x", 1), ("2", 1)]), of("b", 3, &[])])
        );
        assert_eq!(
            candidates("a.jsonl", "\u{feff}{\"query_id\": \"a\", \"document_ids\": []}"),
            Ok(vec![of("a", 1, &[])])
        );
        assert_eq!(candidates("a.trec", "\u{feff}q Q0 a 1 9.5 x"), Ok(vec![of("q", 1, &[("a", 1)])]));
        // The contents tell the format of any other name.
        assert_eq!(candidates("a.txt", "q Q0 a 1 9.5 x"), Ok(vec![of("q", 1, &[("a", 1)])]));
        assert_eq!(
            candidates("a.out", "{\"query_id\": 1.0, \"document_ids\": [2.0]}"),
            Ok(vec![of("1", 1, &[("2", 1)])])
        );
        // The lines of a query need not be together.
        assert_eq!(
            candidates("a.run", "q Q0 a 1 9.5 x\nr\tQ0\tb\t1\t9\tx\nq Q0 b 2 9.0 x\n"),
            Ok(vec![of("q", 1, &[("a", 1), ("b", 3)]), of("r", 2, &[("b", 2)])])
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let json = |line: &str| candidates("a.jsonl", line).unwrap_err();
        assert!(json("{").starts_with("a.jsonl:1: broken JSON: "));
        assert!(json("{\"document_ids\": []}").starts_with("a.jsonl:1: no `query_id`"));
        assert!(json("{\"query_id\": 1, \"document_ids\": {}}").starts_with("a.jsonl:1: no list `document_ids`"));
        assert!(json("{\"query_id\": 1, \"document_ids\": [1.5]}").contains("the id 1.5 is not"));
        assert!(json("{\"query_id\": 1, \"results\": [5]}").contains("the id null is not"));
        let twice = "{\"query_id\": 1, \"document_ids\": [1]}\n{\"query_id\": 1, \"document_ids\": [2]}";
        assert_eq!(json(twice), "a.jsonl:2: the query \"1\" has a line already");
        assert_eq!(json("\n"), "a.jsonl: there are no candidates in it");
        assert_eq!(
            candidates("a.trec", "q Q0 a 1 0.5 x\nq Q0 a 2\n").unwrap_err(),
            "a.trec:2: 4 columns; six are expected: query Q0 document rank score name"
        );
        assert_eq!(
            candidates("a.trec", "q Q0 a 1 0.5 x\nq Q0 a 2 0.4 x\n").unwrap_err(),
            "a.trec:2: the document \"a\" comes twice for the query \"q\""
        );
    }
}
