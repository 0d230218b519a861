//! Tests of CSV and TSV as they lie about.

use std::fs;

use crate::dataset::Dataset;
use crate::table::value::Value;
use crate::{Records, Source};

fn load_as(name: &str, text: impl AsRef<[u8]>) -> crate::Result<Dataset> {
    load_with(name, text, |source| source)
}

fn load_with(name: &str, text: impl AsRef<[u8]>, with: impl FnOnce(Source) -> Source) -> crate::Result<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    Dataset::from_source(&with(Source::new(&path)))
}

fn load(text: impl AsRef<[u8]>) -> crate::Result<Dataset> {
    load_as("rows.csv", text)
}

/// All texts, row by row.
fn texts(data: &Dataset) -> Vec<Vec<&str>> {
    let columns = data.columns().len();
    (0..data.len()).map(|row| (0..columns).map(|column| data.text(row, column).unwrap()).collect()).collect()
}

#[test]
fn quotes_line_breaks_and_unicode() {
    let data = load("\u{feff}query,positive\n\"a, \"\"b\"\"\n\nc\",naïve 日本語\r\n,\"\"\nlast, spaced \n").unwrap();
    assert_eq!(data.columns(), ["query", "positive"]);
    assert_eq!(texts(&data), [["a, \"b\"\n\nc", "naïve 日本語"], ["", ""], ["last", " spaced "]]);
    assert_eq!([0, 1, 2].map(|row| data.is_missing(row, 0).unwrap()), [false, true, false]);
}

#[test]
fn every_cell_is_a_text_as_written() {
    let data = load("query,label,odd\n0007,1,1\n1984,0.5,nan\n1e3,-2e3,\n").unwrap();
    assert_eq!(texts(&data), [["0007", "1", "1"], ["1984", "0.5", "nan"], ["1e3", "-2e3", ""]]);
    assert_eq!([0, 1, 2].map(|row| data.number(row, 1).unwrap()), [1.0, 0.5, -2000.0]);
    for (row, column, expected) in [
        (1, 2, "rows.csv: row 1 (counted from 0): column \"odd\": \"nan\"; expected a number"),
        (2, 2, "row 2 (counted from 0): column \"odd\": \"\"; expected a number"),
    ] {
        let message = data.number(row, column).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
    let ids = load("query_id,document_ids\n9007199254740993,\"[1, 2]\"\n-1,\"['a']\"\n").unwrap();
    assert_eq!((ids.integer(0, 0).unwrap(), ids.integer(1, 0).unwrap()), (9_007_199_254_740_993, -1));
    assert_eq!(ids.list(0, 1).unwrap(), crate::List::Integers(vec![1, 2]));
    let message = data.integer(1, 1).unwrap_err().to_string();
    assert!(message.ends_with("column \"label\": 0.5; expected an integer of 64 bits"), "{message}");
}

#[test]
fn the_first_lines_tell_the_separator() {
    // import pandas as pd
    // frame = pd.DataFrame({"query": ["a;b", "1,5"], "positive": ["x", "y\tz"]})
    // for sep in ",;\t|": frame.to_csv(path, sep=sep, index=False)
    for name in ["rows.csv", "rows.tsv"] {
        for text in [
            "query,positive\na;b,x\n\"1,5\",y\tz\n",
            "query;positive\n\"a;b\";x\n1,5;y\tz\n",
            "query\tpositive\na;b\tx\n1,5\t\"y\tz\"\n",
            "query|positive\na;b|x\n1,5|y\tz\n",
        ] {
            let data = load_as(name, text).unwrap();
            assert_eq!(data.columns(), ["query", "positive"], "{text}");
            assert_eq!(texts(&data), [["a;b", "x"], ["1,5", "y\tz"]], "{text}");
        }
    }
    assert_eq!(texts(&load("text\na;b\nc\n").unwrap()), [["a;b"], ["c"]]);
    assert_eq!(load_with("a.csv", "a;b,c\n1;2,3\n", |s| s.with_delimiter(';')).unwrap().columns(), ["a", "b,c"]);
    assert_eq!(load_with("a.csv", "a:b\n1:2\n", |s| s.with_delimiter(':')).unwrap().columns(), ["a", "b"]);
}

#[test]
fn a_doubt_about_the_separator_is_an_error() {
    for (text, expected) in [
        (
            "query;positive\na;b;c\n",
            "rows.csv:2: 3 fields separated by semicolons, but the header has 2; correct the row, or give the delimiter if it is commas",
        ),
        ("a;b|c\n1;2|3\n", "rows.csv:1: columns separated by semicolons or by vertical bars; give the delimiter"),
        ("query,positive\na,b,c\n", "rows.csv:2: 3 fields; expected 2, as in the header (separated by commas; "),
    ] {
        let message = load(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let message = load_with("a.csv", "a\n", |source| source.with_delimiter('é')).unwrap_err().to_string();
    assert!(message.contains("delimiter 'é'; expected one ASCII character"), "{message}");
}

#[test]
fn names_may_be_given() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let data = load_with("a.csv", "1,\"a, b\"\n2,c\n", |s| s.with_column_names(names(&["id", "text"]))).unwrap();
    assert_eq!((data.columns(), texts(&data)), (vec!["id", "text"], vec![vec!["1", "a, b"], vec!["2", "c"]]));
    // A quote in a file of MS MARCO is a character.
    let data =
        load_with("a.tsv", "\"q\tp\n\"r\"\ts\n", |s| s.with_column_names(names(&["query", "positive"]))).unwrap();
    assert_eq!(texts(&data), [["\"q", "p"], ["\"r\"", "s"]]);
    let message = load_with("a.csv", "1,2\n", |s| s.with_column_names(names(&["a"]))).unwrap_err().to_string();
    assert!(message.contains("a.csv:1: 2 fields; expected 1"), "{message}");
    let twice = load_with("a.csv", "1,2\n", |s| s.with_column_names(names(&["a", "a"]))).unwrap_err().to_string();
    assert!(twice.contains("two columns are named \"a\""), "{twice}");
}

#[test]
fn files_of_ms_marco_have_no_header() {
    for (name, text, columns, first) in [
        ("collection.tsv", "0\tThe \"first\"\n1\t\"second\n", vec!["id", "text"], vec!["0", "The \"first\""]),
        ("queries.train.tsv", "7\twhat is it\n", vec!["id", "text"], vec!["7", "what is it"]),
        (
            "triples.tsv",
            "what is a\tb\tc\nd\te\tf\n",
            vec!["query", "positive", "negative"],
            vec!["what is a", "b", "c"],
        ),
        ("ids.tsv", "1\t20\t30\n2\t40\t50\n", vec!["query_id", "positive_id", "negative_id"], vec!["1", "20", "30"]),
        (
            "qrels.tsv",
            "1\t0\t20\t1\n",
            vec!["query_id", "iteration", "document_id", "score"],
            vec!["1", "0", "20", "1"],
        ),
        ("triples.tsv", "query\tpos\tneg\nd\te\tf\n", vec!["query", "pos", "neg"], vec!["d", "e", "f"]),
    ] {
        let data = load_as(name, text).unwrap();
        assert_eq!((data.columns(), texts(&data)[0].clone()), (columns, first), "{name}");
    }
    let data = load_as("collection.tsv", "0\tThe \"first\"\n1\t\"second\n2\tthird\n").unwrap();
    assert_eq!(texts(&data), [["0", "The \"first\""], ["1", "\"second"], ["2", "third"]]);
    for (name, text) in [("pairs.tsv", "what is rust\ta language\nb\tc\n"), ("ids.csv", "7,8\n9,10\n")] {
        let message = load_as(name, text).unwrap_err().to_string();
        assert!(message.contains(&format!("{name}:1: a row where the names of the columns should be (")), "{message}");
    }
}

#[test]
fn files_of_several_columns_make_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("part-0.csv", "query,positive\n1,one\n2,two\n");
    write("part-1.csv", "positive;query;negative\nthree;x;n\n");
    let data = Dataset::load(folder.path()).unwrap();
    assert_eq!(data.columns(), ["query", "positive", "negative"]);
    let rows: Vec<_> = (0..3).map(|row| (data.text(row, 0).unwrap(), data.text(row, 1).unwrap())).collect();
    assert_eq!(rows, [("1", "one"), ("2", "two"), ("x", "three")]);
    assert_eq!([0, 1, 2].map(|row| data.is_missing(row, 2).unwrap()), [true, true, false]);
    write("part-1.csv", "a,b\n1,2\n");
    let message = Dataset::load(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("part-1.csv: no column in common with ")
            && message.ends_with("found \"a\", \"b\", expected some of \"query\", \"positive\""),
        "{message}"
    );
}

#[test]
fn folders_make_columns_of_texts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("lang=de/p.csv", "query,lang\na,at\n"), ("lang=en/p.csv", "query\nb\n")] {
        let path = folder.path().join(name);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let data = Dataset::load(folder.path()).unwrap();
    assert_eq!(data.columns(), ["query", "lang"]);
    assert_eq!(texts(&data), [["a", "at"], ["b", "en"]], "the column of the file counts");
    let mut records = Records::open(&Source::new(folder.path().join("lang=en").join("..").join("**/p.csv"))).unwrap();
    assert_eq!(records.next().unwrap().unwrap().value("lang"), Value::Text("at".into()));
    assert_eq!(records.next().unwrap().unwrap().value("lang"), Value::Text("en".into()));
}

#[test]
fn errors_name_the_line() {
    for (text, expected) in [
        (&b"query,positive\n\"a\nb\",c\nd,e,f\n"[..], "rows.csv:4: 3 fields; expected 2"),
        (b"query,positive\na,b\nc,\xff\n", "rows.csv:3: field 2 is not UTF-8"),
        (b"query,\xff\n", "rows.csv:1: field 2 is not UTF-8"),
        (b"query,query\na,b\n", "two columns are named \"query\""),
        (b"query,positive\n", "rows.csv: no rows"),
        (b"\n\n", "rows.csv: no columns"),
        (b"", "rows.csv: an empty file"),
        (b"query,positive\na,b\nc,\"d\ne,f\n", "rows.csv:3: a quote that is not closed before the end of the file"),
    ] {
        let message = load(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
        assert!(!message.contains('\n'));
    }
}
