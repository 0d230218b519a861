//! Tests of JSON as it lies about.

use std::fs;
use std::path::PathBuf;

use crate::dataset::Dataset;
use crate::table::lists::List;
use crate::table::value::Value;
use crate::{Records, Source};

fn load_as(name: &str, text: impl AsRef<[u8]>) -> crate::Result<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    Dataset::load(&path)
}

fn load(text: impl AsRef<[u8]>) -> crate::Result<Dataset> {
    load_as("rows.jsonl", text)
}

/// All values, row by row.
fn values(data: &Dataset) -> Vec<Vec<Value<'_>>> {
    let columns = data.columns().len();
    (0..data.len()).map(|row| (0..columns).map(|column| data.value(row, column).unwrap()).collect()).collect()
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

#[test]
fn keys_are_the_columns_in_the_order_of_their_appearance() {
    let data = load(
        "\u{feff}{\"query\": \"caf\\u00e9 日本\", \"positive\": \"p\\n\", \"label\": 3, \"easy\": true}\r\n\n  \n\
         {\"easy\": false, \"label\": 0.25, \"positive\": \"\", \"query\": \"b\"}",
    )
    .unwrap();
    assert_eq!(data.columns(), ["query", "positive", "label", "easy"]);
    assert_eq!(data.len(), 2);
    assert_eq!((data.text(0, 0).unwrap(), data.text(0, 1).unwrap()), ("café 日本", "p\n"));
    assert_eq!((data.text(1, 0).unwrap(), data.text(1, 1).unwrap()), ("b", ""));
    assert_eq!((data.number(0, 2).unwrap(), data.number(1, 2).unwrap()), (3.0, 0.25));
    assert_eq!((data.number(0, 3).unwrap(), data.number(1, 3).unwrap()), (1.0, 0.0));
}

#[test]
fn lines_may_have_different_keys() {
    let data = load(
        "{\"query\": \"a\", \"note\": null}\n{\"query\": \"b\", \"source_id\": 7, \"note\": null}\n\
         {\"meta\": {}, \"query\": \"c\"}\n",
    )
    .unwrap();
    assert_eq!(data.columns(), ["query", "note", "source_id"]);
    assert!(
        data.description().ends_with("query (text), note (all missing), source_id (number), meta (object)"),
        "{}",
        data.description()
    );
    let expected = [
        vec![text("a"), Value::Null, Value::Null],
        vec![text("b"), Value::Null, Value::Integer(7)],
        vec![text("c"), Value::Null, Value::Null],
    ];
    assert_eq!(values(&data), expected);
    assert!(data.is_missing(0, 2).unwrap() && !data.is_missing(1, 2).unwrap());
    let message = data.text(1, 1).unwrap_err().to_string();
    let expected = "rows.jsonl: row 1 (counted from 0): column \"note\" is null; expected a text in every row";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_title_may_be_null_or_absent() {
    for (lines, expected) in [
        (
            "{\"_id\": \"1\", \"title\": null, \"text\": \"x\"}\n{\"_id\": \"2\", \"title\": \"T\", \"text\": \"y\"}\n",
            [true, false],
        ),
        ("{\"_id\": \"1\", \"text\": \"x\"}\n{\"_id\": \"2\", \"title\": \"T\", \"text\": \"y\"}\n", [true, false]),
        ("{\"_id\": \"1\", \"title\": \"\", \"text\": \"x\"}\n{\"_id\": \"2\", \"text\": \"y\"}\n", [true, true]),
    ] {
        let data = load_as("corpus.jsonl", lines).unwrap();
        let title = data.columns().iter().position(|name| *name == "title").unwrap();
        assert_eq!([0, 1].map(|row| data.is_missing(row, title).unwrap()), expected, "{lines}");
    }
}

#[test]
fn a_column_may_hold_values_of_several_types() {
    let data = load("{\"x\": \"7\"}\n{\"x\": 8}\n{\"x\": [\"a\"]}\n{\"x\": {\"y\": 1}}\n{\"x\": 0.5}\n").unwrap();
    assert!(data.description().ends_with("x (mixed)"), "{}", data.description());
    let list = Value::List(List::Texts(vec!["a".into()]));
    let expected = [text("7"), Value::Integer(8), list, Value::Other("object"), Value::Float(0.5)];
    assert_eq!(values(&data).concat(), expected);
    assert_eq!((data.text(0, 0).unwrap(), data.number(0, 0).unwrap(), data.integer(1, 0).unwrap()), ("7", 7.0, 8));
    for (message, expected) in [
        (data.text(1, 0).unwrap_err(), "row 1 (counted from 0): column \"x\" holds a number; expected a text"),
        (data.number(2, 0).unwrap_err(), "row 2 (counted from 0): column \"x\": a list of texts; expected a number"),
        (data.list(3, 0).unwrap_err(), "column \"x\": not a list of numbers or texts (object)"),
    ] {
        assert!(message.to_string().ends_with(expected), "{message}");
    }
}

#[test]
fn lists_may_hold_numbers_or_texts() {
    let data = load(
        "{\"id\": 9007199254740993, \"ids\": [9007199254740993, -1], \"scores\": [], \"documents\": [\"é\", \"\"]}\n\
         {\"id\": -7, \"ids\": [], \"scores\": [1, 0.5], \"documents\": null}\n\
         {\"id\": 0, \"ids\": [true], \"scores\": [[1]], \"documents\": [null]}\n",
    )
    .unwrap();
    assert_eq!(data.columns(), ["id", "ids", "scores", "documents"]);
    assert!(
        data.description().ends_with(
            "3 rows; id (number), ids (list of numbers), scores (list of numbers), documents (list of texts)"
        )
    );
    assert_eq!((data.integer(0, 0).unwrap(), data.integer(1, 0).unwrap()), (9_007_199_254_740_993, -7));
    let list = |row, column| data.list(row, column).unwrap();
    assert_eq!(list(0, 1), List::Integers(vec![9_007_199_254_740_993, -1]));
    assert_eq!(list(0, 3), List::Texts(vec!["é".into(), "".into()]));
    assert_eq!((list(0, 2), list(1, 1)), (List::Integers(vec![]), List::Integers(vec![])));
    assert_eq!((list(1, 2), list(2, 1)), (List::Floats(vec![1.0, 0.5]), List::Integers(vec![1])));
    for (row, column, expected) in [
        (1, 3, "rows.jsonl: row 1 (counted from 0): column \"documents\": not a list of numbers or texts (null)"),
        (
            2,
            3,
            "row 2 (counted from 0): column \"documents\": not a list of numbers or texts (a list with a null in it)",
        ),
        (2, 2, "(a list of values that are neither numbers nor texts)"),
    ] {
        let message = data.list(row, column).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
    let message = data.list(0, 0).unwrap_err().to_string();
    assert!(message.starts_with("column 0 is not a list column; found: id (number)"), "{message}");
}

#[test]
fn numbers_of_one_column_are_each_as_they_are() {
    let data = load("{\"x\": 9007199254740993}\n{\"x\": 0.0}\n{\"x\": null}\n{\"x\": 18446744073709551615}\n").unwrap();
    let ids: Vec<_> = (0..4).map(|row| data.value(row, 0).unwrap().id().map(|id| id.into_owned())).collect();
    assert_eq!(ids, [Some("9007199254740993".to_owned()), Some("0".to_owned()), None, None]);
    assert_eq!(data.integer(1, 0).unwrap(), 0);
    let message = data.number(2, 0).unwrap_err().to_string();
    let expected = "rows.jsonl: row 2 (counted from 0): column \"x\": null or NaN; expected a number";
    assert!(message.ends_with(expected), "{message}");
    let message = data.integer(3, 0).unwrap_err().to_string();
    assert!(message.ends_with("column \"x\": 18446744073709552000; expected an integer of 64 bits"), "{message}");
}

#[test]
fn an_array_or_lines_under_any_name() {
    // import json, pandas as pd
    // rows = [{"query": "a, ]}", "n": 1}, {"query": "b", "n": None}]
    // json.dump(rows, f); json.dump(rows, f, indent=1); [f.write(json.dumps(row, indent=1)) for row in rows]
    // pd.DataFrame(rows).to_json(path, orient="records", lines=True)
    let lines = "{\"query\": \"a, ]}\", \"n\": 1}\n{\"query\": \"b\", \"n\": null}\n";
    let array = "[{\"query\": \"a, ]}\", \"n\": 1}, {\"query\": \"b\", \"n\": null}]";
    let indented = "[\n {\n  \"query\": \"a, ]}\",\n  \"n\": 1\n },\n {\n  \"query\": \"b\",\n  \"n\": null\n }\n]";
    let objects = "{\n \"query\": \"a, ]}\",\n \"n\": 1\n}\n{\n \"query\": \"b\",\n \"n\": null\n}";
    for content in [lines, array, indented, objects] {
        for name in ["train.json", "train.jsonl", "train.ndjson"] {
            let data = load_as(name, content).unwrap();
            assert_eq!(data.columns(), ["query", "n"]);
            let expected = [vec![text("a, ]}"), Value::Integer(1)], vec![text("b"), Value::Null]];
            assert_eq!(values(&data), expected, "{name}: {content}");
        }
    }
    // The first line is a whole object, so the content is certain.
    assert_eq!(load_as("train.csv", lines).unwrap().columns(), ["query", "n"]);
}

#[test]
fn arrays_a_line_are_rows_of_ms_marco() {
    let ids = load("[1, 20, 30]\n[2, 40, 50]\n").unwrap();
    assert_eq!(ids.columns(), ["query_id", "positive_id", "negative_id"]);
    assert_eq!(values(&ids)[1], [2, 40, 50].map(Value::Integer));
    let texts = load_as("triples.json", "[\"what is a\", \"b c\", \"d\"]\n[\"e\", \"f\", \"g\"]\n").unwrap();
    assert_eq!(texts.columns(), ["query", "positive", "negative"]);
    assert_eq!(values(&texts)[1], ["e", "f", "g"].map(text));
    let scores = load_as("examples.json", "[1, [20, 0.5], [30, -2]]\n[\"2\", [\"d4\", 1]]\n").unwrap();
    assert_eq!(scores.columns(), ["query_id", "document_ids", "scores"]);
    assert_eq!(scores.list(0, 1).unwrap(), List::Integers(vec![20, 30]));
    assert_eq!(scores.list(0, 2).unwrap(), List::Floats(vec![0.5, -2.0]));
    assert_eq!(scores.list(1, 1).unwrap(), List::Texts(vec!["d4".into()]));
    let array = load_as("triples.json", "[[1, 20, 30],\n [2, 40, 50]]").unwrap();
    assert_eq!(values(&array), values(&ids));
    for (lines, expected) in [
        ("[1, 2]\n", "rows.jsonl:1: a list; expected one JSON object a line"),
        ("[1, 2, 3]\n[1, 2]\n", "rows.jsonl:2: a list that is not [query_id, positive_id, negative_id]"),
        ("[1, [2, 3]]\n[1, 2, 3]\n", "rows.jsonl:2: a list that is not [query_id, [document_id, score], …]"),
        ("[1, 2, 3\n", "rows.jsonl:1: not JSON (EOF while parsing a list"),
    ] {
        let message = load(lines).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn errors_name_the_line_and_the_key() {
    let good = "{\"query\": \"a\", \"label\": 1}\n";
    for (line, expected) in [
        (
            "{\"query\": \"a\", \"lab",
            "rows.jsonl:2: not JSON (EOF while parsing a string at character 19); expected one JSON object a line",
        ),
        ("3", "rows.jsonl:2: a number; expected one JSON object a line"),
        ("{} {}", "rows.jsonl:2: not JSON (trailing characters at character 4)"),
        ("{\"query\": \"a\", \"label\": 1e999}", "rows.jsonl:2: not JSON (number out of range"),
    ] {
        let message = load(format!("{good}{line}\n{good}")).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
        assert!(!message.contains('\n'));
    }
    for (text, expected) in [
        (&b"{}"[..], "rows.jsonl: no column of texts, numbers or lists of either"),
        (b" \n\n", "rows.jsonl: no rows"),
        (b"[]", "rows.jsonl: no rows"),
        (b"", "rows.jsonl: an empty file"),
        (b"{\"query\": \"\xff\"}", "rows.jsonl:1: not JSON (invalid unicode code point"),
        (
            b"{\"query\": [\"a\", \"b\"], \"positive\": [\"c\", \"d\"]}",
            "rows.jsonl: one JSON object of columns; expected one object a row",
        ),
        (b"{\"query\": {\"0\": \"a\"},\n \"positive\": {\"0\": \"c\"}}", "rows.jsonl: one JSON object of columns"),
        (b"[{\"a\": 1},\n{\"a\": }]", "rows.jsonl:2: not JSON (expected value at character 7)"),
    ] {
        let message = load(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
    }
}

#[test]
fn keys_that_are_values_are_an_error() {
    let keys: Vec<String> = (0..10_001).map(|key| format!("\"key {key}\": 1")).collect();
    let message = load(format!("{{{}}}", keys.join(", "))).unwrap_err().to_string();
    assert!(
        message.contains("rows.jsonl:1: not JSON (key \"key 10000\" would be one of more than 10000 columns"),
        "{message}"
    );
}

#[test]
fn files_need_one_column_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.jsonl", "{\"query\": \"a\"}\n");
    write("b.jsonl", "{\"query\": 1, \"label\": 2}\n");
    let data = Dataset::load(folder.path()).unwrap();
    assert_eq!(values(&data), [vec![text("a"), Value::Null], vec![Value::Integer(1), Value::Integer(2)]]);
    for (lines, expected) in [
        ("{\"query\": \"b\"}\n{", "b.jsonl:2: not JSON"),
        ("{\"anchor\": \"b\"}\n", "b.jsonl: no column in common with "),
    ] {
        write("b.jsonl", lines);
        let message = Dataset::load(folder.path().join("*.jsonl")).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
    }
}

#[test]
fn records_have_the_keys_of_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("a.jsonl");
    fs::write(&path, "{\"query\": \"a\"}\n\n{\"note\": null, \"query\": \"b\"}\n").unwrap();
    fs::write(folder.path().join("b.jsonl"), "{\"query\": \"c\", \"n\": 3}\n").unwrap();
    let mut records = Records::open(&Source::new(folder.path())).unwrap();
    assert_eq!(records.columns(), ["query"]);
    let mut found = Vec::new();
    while let Some(record) = records.next().unwrap() {
        let place = record.place().to_string().rsplit('/').next().unwrap().to_owned();
        let names = record.names().collect::<Vec<_>>().join(" ");
        found.push((place, names, record.value("query").id().unwrap().into_owned(), record.value("n") == Value::Null));
    }
    let row =
        |place: &str, names: &str, query: &str, lacks| (place.to_owned(), names.to_owned(), query.to_owned(), lacks);
    let expected = [
        row("a.jsonl:1", "query", "a", true),
        row("a.jsonl:3", "query note", "b", true),
        row("b.jsonl:1", "query n", "c", false),
    ];
    assert_eq!(found, expected);
    assert!(records.next().unwrap().is_none());
    assert_eq!(records.files().len(), 2);
}
