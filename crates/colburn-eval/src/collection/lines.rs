//! Judgements in lines of fields: BEIR's `qrels/SPLIT.tsv` (query id, document id and score, separated by tabs, mostly under a header) and
//! TREC's (query id, iteration, document id and score, separated by tabs or blanks, without a header).
//!
//! A reader of CSV would read on to the end of the file after a lone quote.

use std::{borrow::Cow, path::Path};

use colburn_data::{Format, Records, Source};

use super::judgements::{DOCUMENTS, Judgement, QUERIES, SCORES};
use crate::error::{Error, Result};

/// The places of the fields of a judgement in a line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fields {
    /// The number of fields in a line.
    count: usize,
    query: usize,
    document: usize,
    score: usize,
    /// True if tabs separate them; else any white space does.
    tabs: bool,
}

/// The lines of a file of judgements.
pub(super) struct Lines {
    records: Records,
    /// The fields, once the first line has told them.
    fields: Option<Fields>,
}

/// The judgements of a file, read as they are asked for; the file may be compressed.
///
/// # Errors
/// When the file cannot be read. Lines are refused as they are asked for.
pub(super) fn read(path: &Path) -> Result<Lines> {
    let records = Records::open(&Source::new(path).with_format(Format::Text))?;
    Ok(Lines { records, fields: None })
}

impl Lines {
    fn judgement(&mut self) -> Result<Option<Judgement>> {
        while let Some(record) = self.records.next()? {
            let place = record.place().to_string();
            let wrong = |message: String| Error::Collection { place: place.clone(), message };
            let value = record.value("text");
            let line =
                value.id().ok_or_else(|| wrong("no line of text; judgements as text are expected".to_owned()))?;
            let line = line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
            if line.trim().is_empty() {
                continue;
            }
            let Some(fields) = self.fields else {
                let (fields, is_header) = first(line).map_err(wrong)?;
                self.fields = Some(fields);
                if is_header {
                    continue;
                }
                return fields.of(line, &place).map(Some).map_err(wrong);
            };
            return fields.of(line, &place).map(Some).map_err(wrong);
        }
        Ok(None)
    }
}

impl Iterator for Lines {
    type Item = Result<Judgement>;

    fn next(&mut self) -> Option<Self::Item> {
        self.judgement().transpose()
    }
}

impl Fields {
    /// The judgement in a line.
    fn of(self, line: &str, place: &str) -> std::result::Result<Judgement, String> {
        let fields = split(line, self.tabs);
        if fields.len() != self.count {
            let found = fields.len();
            return Err(format!("{found} fields; {} are expected as in the lines before", self.count));
        }
        let score = unquote(fields[self.score].trim());
        let grade = score.parse().map_err(|_| format!("the score is {score:?}; a number is expected"))?;
        let [query, document] = [self.query, self.document].map(|at| unquote(fields[at]).into_owned());
        Ok(Judgement { place: place.to_owned(), query, document, grade })
    }
}

/// The fields that the first line tells, and true if it is a header.
fn first(line: &str) -> std::result::Result<(Fields, bool), String> {
    let tabs = line.contains('\t');
    let names = split(line, tabs);
    let is_number = |at: usize| unquote(names[at].trim()).parse::<f64>().is_ok();
    let plain = |query, document, score| Fields { count: names.len(), query, document, score, tabs };
    let named = |known: &[&str]| names.iter().position(|name| known.contains(&unquote(name.trim()).as_ref()));
    let by_name = match (named(&QUERIES), named(&DOCUMENTS), named(&SCORES)) {
        (Some(query), Some(document), Some(score)) => Some(plain(query, document, score)),
        _ => None,
    };
    match (by_name, names.len()) {
        (Some(fields), _) => Ok((fields, true)),
        (None, 3) if is_number(2) => Ok((plain(0, 1, 2), false)),
        // A header of other names, as BEIR reads it.
        (None, 3) if tabs => Ok((plain(0, 1, 2), true)),
        (None, 4) if is_number(3) => Ok((plain(0, 2, 3), false)),
        (None, 6) => Err(format!("{line:?} is a line of a run, with what a search found; judgements are expected")),
        (None, _) => Err(format!(
            "{line:?} is neither a header nor a judgement; query-id, corpus-id and score, separated by tabs, are expected, \
             or TREC's four fields"
        )),
    }
}

fn split(line: &str, tabs: bool) -> Vec<&str> {
    if tabs { line.split('\t').collect() } else { line.split_whitespace().collect() }
}

/// A field as Python's csv module reads it.
fn unquote(field: &str) -> Cow<'_, str> {
    match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
        Some(inner) => Cow::Owned(inner.replace("\"\"", "\"")),
        None => Cow::Borrowed(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgements(text: &str) -> Result<Vec<(String, String, f64)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.tsv");
        std::fs::write(&path, text).unwrap();
        let judgements = read(&path)?.map(|one| one.map(|one| (one.query, one.document, one.grade)));
        judgements.collect()
    }

    fn of(query: &str, document: &str, grade: f64) -> (String, String, f64) {
        (query.to_owned(), document.to_owned(), grade)
    }

    #[test]
    fn lines_become_judgements() {
        let found = judgements("query-id\tcorpus-id\tscore\r\n1\td 1\t2\r\n\n\"a\"\"b\"\td\t0\n").unwrap();
        assert_eq!(found, [of("1", "d 1", 2.0), of("a\"b", "d", 0.0)]);
        // A lone quote is a quote.
        assert_eq!(judgements("q\td\ts\n\"1\td\t1\n2\td\t1\n").unwrap(), [of("\"1", "d", 1.0), of("2", "d", 1.0)]);
    }

    #[test]
    fn the_first_line_tells_the_fields() {
        for (text, expected) in [
            ("\u{feff}query-id\tcorpus-id\tscore\n1\td\t2\n", of("1", "d", 2.0)),
            ("corpus-id\tscore\tquery-id\nd\t2\t1\n", of("1", "d", 2.0)),
            ("1\td\t2\n", of("1", "d", 2.0)),
            ("0.0\t0.0\t1\n", of("0.0", "0.0", 1.0)),
            ("1\t0\td\t2\n", of("1", "d", 2.0)),
            ("1 0 d 2\n", of("1", "d", 2.0)),
            ("1  Q0   d\u{20}2\r\n", of("1", "d", 2.0)),
            ("1 d -1\n", of("1", "d", -1.0)),
            ("query_id\titeration\tdocument_id\trelevance\n1\t0\td\t2\n", of("1", "d", 2.0)),
        ] {
            assert_eq!(judgements(text).unwrap(), [expected], "{text}");
        }
    }

    #[test]
    fn a_line_that_is_not_a_judgement_is_named() {
        for (text, expected) in [
            ("1\td\n", "test.tsv:1: \"1\\td\" is neither a header nor a judgement; query-id, corpus-id and score"),
            ("\nq\td\n", "test.tsv:2: \"q\\td\" is neither a header"),
            ("q\td\ts\n1\t0\td\t1\n", "test.tsv:2: 4 fields; 3 are expected as in the lines before"),
            ("q\td\ts\n1\td\tmuch\n", "test.tsv:2: the score is \"much\"; a number is expected"),
            ("1 0 d 1\n1 d 1\n", "test.tsv:2: 3 fields; 4 are expected"),
            ("1 Q0 d 1 12.5 bm25\n", "test.tsv:1: \"1 Q0 d 1 12.5 bm25\" is a line of a run"),
        ] {
            let message = judgements(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(judgements("").unwrap_err().to_string().contains("test.tsv"));
    }
}
