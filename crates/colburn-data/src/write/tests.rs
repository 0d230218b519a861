//! Round trips through all formats, and the errors of writing.

use std::fs;
use std::path::{Path, PathBuf};

use super::convert::{WriteOptions, convert};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::read::records::Records;
use crate::source::Source;
use crate::table::lists::List;
use crate::table::value::Value;

const NAMES: [&str; 8] = ["id", "query", "count", "score", "negatives", "ids", "weights", "a \"name\", with all;"];

/// Rows with texts that hurt: quotes, line ends, delimiters, digits; integers that are no floats; nulls and empty lists.
fn rows() -> Vec<Vec<Value<'static>>> {
    let text = |text: &'static str| Value::Text(text.into());
    let texts = |texts: &[&'static str]| Value::List(List::Texts(texts.iter().map(|text| (*text).into()).collect()));
    let wide = 9_007_199_254_740_993;
    vec![
        vec![
            text("0007"),
            text("say \"hi\", he\nsaid;\r\n\tor | so"),
            Value::Integer(wide),
            Value::Float(0.1),
            texts(&["a,\"b\"", "", "[x]\n"]),
            Value::List(List::Integers(vec![1, wide])),
            Value::List(List::Floats(vec![0.5, -1.0])),
            Value::Null,
        ],
        vec![
            text(""),
            text(" é🦀 \\n '"),
            Value::Integer(i64::MIN),
            Value::Float(7.0),
            Value::List(List::Integers(vec![])),
            Value::List(List::Integers(vec![])),
            Value::List(List::Floats(vec![1e300, 5e-324])),
            text("null"),
        ],
        vec![
            Value::Null,
            text("1e5"),
            Value::Null,
            Value::Float(-0.0),
            Value::Null,
            Value::Null,
            Value::Null,
            text("\u{feff}\u{1}\u{1b}"),
        ],
    ]
}

/// The value as a cell of CSV is read: a text.
fn as_cell(value: &Value) -> Value<'static> {
    let text = match value {
        Value::Null | Value::Other(_) => String::new(),
        Value::Text(text) => text.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::List(List::Integers(integers)) => serde_json::to_string(integers).unwrap(),
        Value::List(List::Floats(floats)) => serde_json::to_string(floats).unwrap(),
        Value::List(List::Texts(texts)) => serde_json::to_string(texts).unwrap(),
    };
    Value::Text(text.into())
}

/// All rows of a file, each value with its type.
fn read(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut records = Records::open(&Source::new(path)).unwrap();
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    while let Some(record) = records.next().unwrap() {
        names = record.names().map(str::to_owned).collect();
        rows.push(record.names().map(|name| format!("{:?}", record.value(name))).collect());
    }
    (names, rows)
}

fn shown(rows: &[Vec<Value>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|value| format!("{value:?}")).collect()).collect()
}

#[test]
fn every_value_survives_every_pair_of_formats() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let endings = ["parquet", "arrow", "jsonl", "jsonl.gz", "ndjson.zst", "csv", "csv.gz", "tsv", "tsv.zst"];
    let data = Dataset::from_values(&NAMES, rows()).unwrap();
    let is_cells = |ending: &str| ending.starts_with("csv") || ending.starts_with("tsv");
    let cells: Vec<Vec<Value>> = rows().iter().map(|row| row.iter().map(as_cell).collect()).collect();
    for from in endings {
        data.write(path(&format!("a.{from}"))).unwrap();
        for to in endings {
            let (from, to) = (format!("a.{from}"), format!("b.{to}"));
            let options = WriteOptions { overwrite: true, ..WriteOptions::default() };
            let written = convert(&Source::new(path(&from)), path(&to), &options).unwrap();
            assert_eq!((written.rows, written.columns), (3, NAMES.map(str::to_owned).to_vec()));
            let expected = if is_cells(&from[2..]) || is_cells(&to[2..]) { shown(&cells) } else { shown(&rows()) };
            assert_eq!(read(&path(&to)), (NAMES.map(str::to_owned).to_vec(), expected), "{from} to {to}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 18, "temporary files are left");
}

#[test]
fn the_bytes_are_plain() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let names = ["query", "label", "negatives"];
    let row = |label| vec![Value::Text("a, \"b\"".into()), label, Value::List(List::Texts(vec!["c".into()]))];
    let data = Dataset::from_values(&names, [row(Value::Integer(1)), row(Value::Null)]).unwrap();
    let line = |label: &str| format!("{{\"query\": \"a, \\\"b\\\"\", \"label\": {label}, \"negatives\": [\"c\"]}}\n");
    for (name, expected) in [
        ("a.jsonl", line("1") + &line("null")),
        (
            "a.csv",
            "query,label,negatives\n\"a, \"\"b\"\"\",1,\"[\"\"c\"\"]\"\n\"a, \"\"b\"\"\",,\"[\"\"c\"\"]\"\n".to_owned(),
        ),
        (
            "a.tsv",
            "query\tlabel\tnegatives\n\"a, \"\"b\"\"\"\t1\t\"[\"\"c\"\"]\"\n\"a, \"\"b\"\"\"\t\t\"[\"\"c\"\"]\"\n"
                .to_owned(),
        ),
    ] {
        data.write(path(name)).unwrap();
        assert_eq!(fs::read_to_string(path(name)).unwrap(), expected);
    }
    for ending in ["parquet", "arrow", "jsonl.gz", "csv.zst"] {
        let bytes = ["a", "b"].map(|name| {
            data.write(path(&format!("{name}.{ending}"))).unwrap();
            fs::read(path(&format!("{name}.{ending}"))).unwrap()
        });
        assert!(bytes[0] == bytes[1], "{ending}");
    }
}

#[test]
fn integers_beside_floats_are_floats_in_columns_of_one_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let data = Dataset::from_values(&["score"], [vec![Value::Integer(1)], vec![Value::Float(0.5)]]).unwrap();
    data.write(&path).unwrap();
    assert_eq!(read(&path).1, [["Float(1.0)"], ["Float(0.5)"]]);
}

#[test]
fn rows_of_other_columns_and_rows_that_are_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.jsonl"), "{\"q\": \"x\", \"meta\": {\"a\": 1}}\n{\"n\": 2, \"q\": \"y\"}\n{\"q\": 3}\n").unwrap();
    let source = Source::new(path("a.jsonl"));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();

    // The columns are those of the rows that are written; an object is none.
    let written =
        convert(&source, path("two.parquet"), &WriteOptions { rows: Some(2), ..WriteOptions::default() }).unwrap();
    assert_eq!((written.rows, written.columns), (2, texts(&["q", "n"])));
    assert_eq!(read(&path("two.parquet")).1, [["Text(\"x\")", "Null"], ["Text(\"y\")", "Integer(2)"]]);

    let rename = vec![("q".to_owned(), "query".to_owned())];
    let options = WriteOptions { columns: Some(texts(&["n", "q"])), rename, ..WriteOptions::default() };
    convert(&source, path("all.jsonl"), &options).unwrap();
    let expected = "{\"n\": null, \"query\": \"x\"}\n{\"n\": 2, \"query\": \"y\"}\n{\"n\": null, \"query\": 3}\n";
    assert_eq!(fs::read_to_string(path("all.jsonl")).unwrap(), expected);

    let message = |result: Result<super::convert::Written>| {
        let message = result.unwrap_err().to_string();
        message.replace(&format!("{}/", folder.path().display()), "")
    };
    for (output, options, expected) in [
        (
            "x.xml",
            WriteOptions::default(),
            "x.xml: not a format that can be written; expected a name that ends in .parquet, .arrow, .jsonl, .csv or .tsv; the last three may be followed by .gz or .zst",
        ),
        (
            "all.jsonl",
            WriteOptions::default(),
            "all.jsonl: the file is there already; choose another name, or overwrite it (--overwrite)",
        ),
        (
            "x.parquet",
            WriteOptions::default(),
            "x.parquet: column \"q\": it holds values of several types (text or integer), but a column of this format has one type; write .jsonl, or leave the column out",
        ),
        (
            "x.csv",
            WriteOptions { columns: Some(texts(&["Q"])), ..WriteOptions::default() },
            "x.csv: no column \"Q\"; the nearest is \"q\"; found: \"q\", \"meta\", \"n\"",
        ),
        (
            "x.csv",
            WriteOptions { columns: Some(texts(&["meta"])), ..WriteOptions::default() },
            "x.csv: column \"meta\" (object): its values are neither texts nor numbers nor lists of these",
        ),
    ] {
        assert_eq!(message(convert(&source, path(output), &options)), expected);
    }
    fs::create_dir(path("folder.csv")).unwrap();
    let options = WriteOptions { overwrite: true, ..WriteOptions::default() };
    assert_eq!(message(convert(&source, path("folder.csv"), &options)), "folder.csv: it is a folder");
    let left: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 4, "{left:?}");

    // A file may take the place of its own source.
    let options =
        WriteOptions { rows: Some(1), columns: Some(texts(&["q"])), overwrite: true, ..WriteOptions::default() };
    convert(&source, path("a.jsonl"), &options).unwrap();
    assert_eq!(fs::read_to_string(path("a.jsonl")).unwrap(), "{\"q\": \"x\"}\n");
}

#[test]
fn numbers_that_json_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let names = ["score", "scores"];
    let row = vec![Value::Float(f64::NAN), Value::List(List::Floats(vec![f64::INFINITY, 1.0]))];
    let data = Dataset::from_values(&names, [row]).unwrap();
    data.write(path("a.parquet")).unwrap();
    assert_eq!(read(&path("a.parquet")).1, [["Float(NaN)", "List(Floats([inf, 1.0]))"]]);
    for name in ["a.jsonl", "a.csv"] {
        let message = data.write(path(name)).unwrap_err().to_string();
        let expected = "row 0 (counted from 0): a list with a number that is NaN or infinite, which JSON does not know; write .parquet";
        assert!(message.ends_with(&format!("{name}: {expected}")), "{message}");
        assert!(!path(name).exists());
    }
    let data = Dataset::from_values(&["score"], [vec![Value::Float(f64::NAN)], vec![Value::Float(1.0)]]).unwrap();
    data.write(path("a.jsonl")).unwrap();
    assert_eq!(fs::read_to_string(path("a.jsonl")).unwrap(), "{\"score\": null}\n{\"score\": 1.0}\n");
    data.write(path("a.csv")).unwrap();
    assert_eq!(fs::read_to_string(path("a.csv")).unwrap(), "score\nNaN\n1.0\n");
}
