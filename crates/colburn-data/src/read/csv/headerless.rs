//! Files without a header that are known by what they hold: those of MS MARCO and TREC, separated by tabs. All sampled rows, the first
//! line among them, have to look alike, so no header is taken for a row.

use std::path::Path;

use csv::ByteRecord;

use crate::source::format::plain_name;

const IDS_AND_TEXTS: &[&str] = &["id", "text"];
const TRIPLES_OF_IDS: &[&str] = &["query_id", "positive_id", "negative_id"];
const TRIPLES: &[&str] = &["query", "positive", "negative"];
const TREC_JUDGEMENTS: &[&str] = &["query_id", "iteration", "document_id", "score"];
const JUDGEMENTS: &[&str] = &["query_id", "document_id", "score"];

/// Words that name columns, also with a number after them.
const COLUMN_WORDS: [&str; 31] = [
    "id",
    "ids",
    "qid",
    "pid",
    "did",
    "query",
    "queries",
    "anchor",
    "question",
    "sentence",
    "positive",
    "pos",
    "answer",
    "response",
    "passage",
    "document",
    "documents",
    "doc",
    "corpus",
    "negative",
    "neg",
    "text",
    "title",
    "label",
    "score",
    "scores",
    "premise",
    "hypothesis",
    "context",
    "url",
    "source",
];
/// A name of a column has no more words.
const MOST_WORDS: usize = 3;

/// The names of the columns of a file separated by tabs, if these rows show that it has no header:
///
/// - `id`, `text`: two columns, of which the first holds integers (`collection.tsv`, `queries.tsv`);
/// - `query_id`, `positive_id`, `negative_id`: three columns of integers;
/// - `query_id`, `document_id`, `score`: three columns of a file with "qrel" in its name, of which the last holds integers;
/// - `query_id`, `iteration`, `document_id`, `score`: four columns, of which the second and the last hold integers;
/// - `query`, `positive`, `negative`: three columns of a file `triples….tsv` whose first line does not name columns.
pub(super) fn names(path: &Path, rows: &[ByteRecord]) -> Option<&'static [&'static str]> {
    let first = rows.first()?;
    if rows.iter().any(|row| row.len() != first.len()) {
        return None;
    }
    let integers = |column: usize| rows.iter().all(|row| row.get(column).is_some_and(is_integer));
    let name = plain_name(path).to_lowercase();
    match first.len() {
        2 if integers(0) && !integers(1) => Some(IDS_AND_TEXTS),
        3 if integers(2) && name.contains("qrel") => Some(JUDGEMENTS),
        3 if (0..3).all(integers) => Some(TRIPLES_OF_IDS),
        4 if integers(1) && integers(3) => Some(TREC_JUDGEMENTS),
        3 if name.starts_with("triples") && !names_columns(first) => Some(TRIPLES),
        _ => None,
    }
}

/// True if a first line cannot be a header: every cell is a number, but not as pandas numbers columns, or is several words of which
/// none names a column.
pub(super) fn is_row(first: &ByteRecord) -> bool {
    let has_words = |cell: &[u8]| words(cell).len() > 1;
    !first.is_empty()
        && !is_numbered(first)
        && first.iter().all(|cell| is_number(cell) || has_words(cell))
        && !names_columns(first)
}

/// The reason why a first line may be a row, if there is one: a cell is a number, but not as pandas numbers columns; or no cell names a
/// column, and one has more words than a name, or numbered ids like those below it.
pub(super) fn may_be_row(first: &ByteRecord, others: &[ByteRecord]) -> Option<&'static str> {
    if first.iter().any(is_number) && !is_numbered(first) {
        return Some("one is a number");
    }
    if names_columns(first) {
        return None;
    }
    if first.iter().any(|cell| words(cell).len() > MOST_WORDS) {
        return Some("one is a text of several words");
    }
    let prefix = |cell: &[u8]| {
        let letters = cell.trim_ascii_end().iter().rev().skip_while(|byte| byte.is_ascii_digit()).count();
        (0 < letters && letters < cell.len()).then(|| cell[..letters].to_vec())
    };
    let is_like_others = |column: usize| {
        let of = |row: &ByteRecord| row.get(column).and_then(prefix);
        of(first).is_some_and(|first| others.iter().all(|row| of(row).as_ref() == Some(&first)))
    };
    let numbered = !others.is_empty() && (0..first.len()).any(is_like_others);
    numbered.then_some("one is an id like those below it")
}

/// True if the cells are 0, 1, 2, …, as pandas writes columns without names.
fn is_numbered(first: &ByteRecord) -> bool {
    first.iter().enumerate().all(|(at, cell)| *cell == *at.to_string().as_bytes())
}

fn is_number(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(|cell| cell.trim().parse::<f64>().is_ok())
}

/// True if a cell is short and has a word that names a column.
fn names_columns(row: &ByteRecord) -> bool {
    row.iter().any(|cell| {
        let words = words(cell);
        let is_known = |word: &String| COLUMN_WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()));
        words.len() <= MOST_WORDS && words.iter().any(is_known)
    })
}

fn words(cell: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(cell).to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is_integer(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(|cell| cell.trim().parse::<i64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<ByteRecord> {
        text.lines().map(|line| ByteRecord::from(line.split('\t').collect::<Vec<_>>())).collect()
    }

    #[test]
    fn known_files_have_names() {
        for (file, text, expected) in [
            ("collection.tsv", "0\tfirst passage\n1\tsecond", Some(IDS_AND_TEXTS)),
            ("queries.tsv", "7\t1984\n8\twhat is it", Some(IDS_AND_TEXTS)),
            ("queries.tsv", "id\ttext\n7\tx", None),
            ("pairs.tsv", "1\t2\n3\t4", None),
            ("qidpidtriples.tsv", "1\t20\t30\n2\t40\t50", Some(TRIPLES_OF_IDS)),
            ("qrels.tsv", "1\t20\t1\n2\t40\t1", Some(JUDGEMENTS)),
            ("qrels.test.tsv", "q1\tdoc 20\t1\nq2\td40\t0", Some(JUDGEMENTS)),
            ("qrels.tsv", "query-id\tcorpus-id\tscore\n2\t40\t1", None),
            ("qrels.dev.tsv", "1\t0\tD20\t1\n2\t0\tD40\t1", Some(TREC_JUDGEMENTS)),
            ("triples.train.small.tsv", "is a little\tyes it is\tno", Some(TRIPLES)),
            ("triples.tsv.gz", "what is the query\tthe answer to it all\tno", Some(TRIPLES)),
            ("triples.tsv", "query\tpositive\tnegative\na\tb\tc", None),
            ("triples.tsv", "anchor text\tpos\tneg\na\tb\tc", None),
            ("pairs.tsv", "is a little\tyes it is\tno", None),
            ("collection.tsv", "0\tfirst passage\n1", None),
            ("collection.tsv", "", None),
        ] {
            assert_eq!(names(Path::new(file), &rows(text)), expected, "{file}: {text}");
        }
    }

    #[test]
    fn a_row_is_no_header() {
        for (line, expected) in [
            ("query\tpositive", false),
            ("Query Text\tGold Passage", false),
            ("query_1\tpositive_2", false),
            ("0\t1\t2", false),
            ("1\t2", true),
            ("what is rust\ta language", true),
            ("7\ta language", true),
            ("one\ttwo words", false),
            ("x", false),
            ("the text of it all\ta long sentence of words", true),
        ] {
            assert_eq!(is_row(&rows(line)[0]), expected, "{line}");
        }
        for (lines, expected) in [
            ("q1\td7\t1", Some("one is a number")),
            ("query\t2019", Some("one is a number")),
            ("0\t1", None),
            ("query\tpositive", None),
            ("d1\tthe first passage of the corpus\nd2\tx", Some("one is a text of several words")),
            ("d1\tpassage\nd22\tother", None),
            ("doc-1\tfirst\ndoc-22\tsecond", None),
            ("d1\tfirst\nd22\tsecond", Some("one is an id like those below it")),
            ("d1\tfirst\ne2\tsecond", None),
            ("a1\tb\n", None),
            ("one\ttwo\nthree\tfour", None),
        ] {
            let rows = rows(lines);
            assert_eq!(may_be_row(&rows[0], &rows[1..]), expected, "{lines}");
        }
    }
}
