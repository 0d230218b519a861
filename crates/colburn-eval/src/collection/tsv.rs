//! BEIR's `qrels/SPLIT.tsv`: a header, then query id, document id and score on each line, separated by tabs.
//!
//! The csv crate would name the wrong line in an error after a blank line, and read on to the end of the file after a lone quote.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::judgements::Judgement;
use crate::error::{Error, Result};

/// The judgements of a file, read as they are asked for.
///
/// # Errors
/// When the file cannot be read or has no header. Lines are refused as they are asked for.
pub(super) fn read(path: &Path) -> Result<impl Iterator<Item = Result<Judgement>>> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut lines = BufReader::new(File::open(path).map_err(io)?).lines();
    let header = lines.next().transpose().map_err(io)?.unwrap_or_default();
    let wrong =
        |line: usize, message: String| Error::Collection { place: format!("{}:{line}", path.display()), message };
    let names: Vec<&str> = header.trim_start_matches('\u{feff}').trim_end().split('\t').collect();
    if names.len() != 3 || names[2].parse::<f64>().is_ok() {
        let message =
            format!("{header:?} is not a header; query-id, corpus-id and score, separated by tabs, are expected");
        return Err(wrong(1, message));
    }
    // Lines are counted from 1, as editors do, and the header is the first.
    Ok(lines.zip(2..).filter_map(move |(text, line)| match text {
        Err(source) => Some(Err(Error::Io { path: path.to_owned(), source })),
        Ok(text) if text.trim().is_empty() => None,
        Ok(text) => Some(judgement(&text).map_err(|message| wrong(line, message)).map(|(query, document, grade)| {
            Judgement { place: format!("{}:{line}", path.display()), query, document, grade }
        })),
    }))
}

fn judgement(line: &str) -> std::result::Result<(String, String, f64), String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [query, document, score] = fields[..] else {
        let found = fields.len();
        return Err(format!("{found} fields; query id, document id and score, separated by tabs, are expected"));
    };
    let score = unquote(score.trim());
    let grade = score.parse().map_err(|_| format!("the score is {score:?}; a number is expected"))?;
    Ok((unquote(query).into_owned(), unquote(document).into_owned(), grade))
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

    #[test]
    fn lines_become_judgements() {
        let found = judgements("query-id\tcorpus-id\tscore\r\n1\td 1\t2\r\n\n\"a\"\"b\"\td\t0\n").unwrap();
        assert_eq!(found, [("1".into(), "d 1".into(), 2.0), ("a\"b".into(), "d".into(), 0.0)]);
    }

    #[test]
    fn a_line_that_is_not_a_judgement_is_named() {
        for (text, expected) in [
            ("", "test.tsv:1: \"\" is not a header; query-id, corpus-id and score, separated by tabs, are expected"),
            ("1\td\t1\n", "test.tsv:1: \"1\\td\\t1\" is not a header"),
            ("q\td\ts\n1\t0\td\t1\n", "test.tsv:2: 4 fields; query id, document id and score"),
            ("q\td\ts\n1\td\tmuch\n", "test.tsv:2: the score is \"much\"; a number is expected"),
        ] {
            let message = judgements(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
