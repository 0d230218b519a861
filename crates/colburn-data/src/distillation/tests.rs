//! The rows of a distillation, and every way in which one can be wrong.

use super::*;
use std::path::PathBuf;

const TRAIN: [&str; 3] = ["query_id", "document_ids", "scores"];

fn table(columns: &[&str], rows: &[&[&str]]) -> Dataset {
    Dataset::from_rows(columns, rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect())).unwrap()
}

fn queries() -> Dataset {
    table(&["query_id", "text"], &[&["1", "first"], &["q2", "second"]])
}

fn documents() -> Dataset {
    table(&["text", "document_id", "title"], &[&["one", "1", "-"], &["two", "2", "-"], &["three", "d3", "-"]])
}

fn rows(rows: &[&[&str]]) -> Result<KdProcessing> {
    KdProcessing::new(table(&TRAIN, rows), queries(), documents())
}

fn write(folder: &Path, name: &str, lines: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, lines).unwrap();
    path
}

#[test]
fn lists_and_ids_may_be_texts_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let queries = write(
        folder.path(),
        "queries.jsonl",
        "{\"query_id\": 1, \"text\": \"first\"}\n{\"query_id\": 2, \"text\": \"second\"}\n",
    );
    let documents = write(
        folder.path(),
        "documents.csv",
        "document_id,text\n10,ten\n9007199254740993,big\n9007199254740992,near\n",
    );
    for train in [
        write(
            folder.path(),
            "lists.jsonl",
            "{\"query_id\": 2, \"document_ids\": [9007199254740993, 10], \"scores\": [1, 0.25]}\n",
        ),
        write(
            folder.path(),
            "texts.jsonl",
            "{\"query_id\": \"2\", \"document_ids\": [\"9007199254740993\", \"10\"], \"scores\": \"[1, 0.25]\"}\n",
        ),
        write(folder.path(), "repr.csv", "query_id,document_ids,scores\n2,\"[9007199254740993, 10]\",\"[1, 0.25]\"\n"),
        write(
            folder.path(),
            "quotes.csv",
            "query_id,document_ids,scores\n2,\"['9007199254740993', '10']\",\"(1, 0.25)\"\n",
        ),
        write(
            folder.path(),
            "floats.jsonl",
            "{\"query_id\": 2.0, \"document_ids\": \"[9007199254740993, 10]\", \"scores\": [1, 0.25]}\n",
        ),
    ] {
        let data = KdProcessing::load(&train, &queries, &documents).unwrap();
        assert_eq!((data.len(), data.ways(), data.query(0).unwrap()), (1, 2, "second"), "{}", train.display());
        assert_eq!(data.documents(0).unwrap(), ["big", "ten"]);
        assert_eq!(data.scores(0).unwrap(), [1.0, 0.25]);
        assert_eq!(data.check().unwrap(), 0);
    }
}

#[test]
fn the_first_n_ways_are_kept() {
    let data = rows(&[&["1", "[2, 3, 1]", "[3, 2, 1]"]]).unwrap();
    assert_eq!(data.ways(), 3);
    let two = data.clone().n_ways(2).unwrap();
    assert_eq!((two.documents(0).unwrap(), two.scores(0).unwrap()), (vec!["two", ""], vec![3.0, 2.0]));
    for n_ways in [0, 1] {
        let message = data.clone().n_ways(n_ways).unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "n_ways = {n_ways}; expected at least 2, because the scores are those of documents beside each other"
            )
        );
    }
    let many: Vec<String> = (0..40).map(|i| i.to_string()).collect();
    let list = format!("[{}]", many.join(", "));
    assert_eq!(rows(&[&["1", &list, &list]]).unwrap().ways(), 32);
    let none = rows(&[&["1", "[1, 2]", "[1, 2]"]]).unwrap().take(0);
    assert_eq!((none.is_empty(), none.check().unwrap()), (true, 0));
}

#[test]
fn a_missing_document_is_an_empty_text() {
    let data = rows(&[&["1", "['1', 'd3']", "[1, 2]"], &["q2", "['d4', '2']", "[1, 2]"]]).unwrap();
    assert_eq!(data.documents(0).unwrap(), ["one", "three"]);
    assert_eq!(data.documents(1).unwrap(), ["", "two"]);
    assert_eq!((data.check().unwrap(), data.slice(0..1).unwrap().check().unwrap()), (1, 0));
    let message = rows(&[&["1", "[7, 8]", "[1, 2]"]]).unwrap().check().unwrap_err().to_string();
    assert!(message.starts_with("rows in memory: none of the 2 document_ids that rows in memory names"), "{message}");
}

#[test]
fn rows_that_cannot_be_used_are_named() {
    let good: &[&str] = &["1", "[1, 2]", "[1, 2]"];
    for (row, expected) in [
        (
            &["q3", "[1, 2]", "[1, 2]"],
            "row 1 in memory (counted from 0): query_id \"q3\": not a query_id of rows in memory",
        ),
        (
            &["q2", "[1]", "[1]"],
            "query_id \"q2\": 1 document_ids where n_ways = 2; expected at least as many in every row",
        ),
        (&["1", "[1, 2, 3]", "[1, 2]"], "query_id 1: 3 document_ids but 2 scores; expected a score for each document"),
        (&["1", "[1, 2]", "[1, nan]"], "query_id 1: score 1 (counted from 0) is NaN; expected a finite number"),
        (&["1", "[1, 2]", "[1, 1e39]"], "score 1 (counted from 0) is inf"),
        (&["1", "[1, 2]", "['1', '2']"], "query_id 1: scores holds texts; expected numbers"),
        (&["1", "[1, 2.5]", "[1, 2]"], "query_id 1: document_ids holds 2.5; expected integers or texts"),
        (
            &["1", "1, 2", "[1, 2]"],
            "row 1 in memory (counted from 0): column \"document_ids\": no list of numbers or texts ('1' at character 1",
        ),
    ] {
        let data = rows(&[good, row]).unwrap();
        let message = data.check().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
        assert!(!message.contains('\n'));
        assert_eq!(data.take(1).check().unwrap(), 0);
    }
    assert!(rows(&[good]).unwrap().query(1).unwrap_err().to_string().starts_with("row 1 of a data set of 1 rows"));
}

#[test]
fn a_row_of_a_file_is_named_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "part-0.csv", "query_id,document_ids,scores\n1,\"[1, 2]\",\"[1, 2]\"\n");
    write(
        folder.path(),
        "part-1.csv",
        "query_id,document_ids,scores\n1,\"[1, 2]\",\"[1, 2]\"\nq9,\"[1, 2]\",\"[1, 2]\"\n",
    );
    let train = Dataset::load(folder.path()).unwrap();
    let data = KdProcessing::new(train, queries(), documents()).unwrap();
    let message = data.check().unwrap_err().to_string();
    assert!(message.contains("part-1.csv: row 1 (counted from 0): query_id \"q9\": not a query_id of"), "{message}");
}

#[test]
fn tables_are_checked_first() {
    let train = || table(&TRAIN, &[&["1", "[1, 2]", "[1, 2]"]]);
    let new = |train, queries, documents| KdProcessing::new(train, queries, documents).unwrap_err().to_string();
    for (message, expected) in [
        (
            new(train(), documents(), queries()),
            "rows in memory: no column \"query_id\"; found: text (text), document_id (text), title (text); expected for the queries of a distillation data set: query_id (integer or text) and text (text)",
        ),
        (
            new(train(), queries(), queries()),
            "no column \"document_id\"; found: query_id (text), text (text); expected for the documents of a",
        ),
        (
            new(queries(), queries(), documents()),
            "no column \"document_ids\"; found: query_id (text), text (text); expected for the train rows of a distillation data set: query_id (integer or text), document_ids (list",
        ),
    ] {
        assert!(message.contains(expected), "{message}\nexpected: {expected}");
    }
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, lines: &str| Dataset::load(write(folder.path(), name, lines)).unwrap();
    let numbers = load("numbers.csv", "document_id,text\n1,2\n");
    assert!(
        new(train(), queries(), numbers)
            .contains("column \"text\" holds other values than expected; found: document_id (number), text (number)")
    );
    let scores = load("scores.jsonl", "{\"query_id\": 1, \"document_ids\": [1, 2], \"scores\": [\"1\"]}\n");
    assert!(new(scores, queries(), documents()).contains("column \"scores\" holds other values"));
    let fractions = load("fractions.csv", "document_id,text\n1.5,a\n");
    assert!(new(train(), queries(), fractions).contains("column \"document_id\": 1.5; expected an integer of 64 bits"));
    let few = rows(&[&["1", "[1]", "[1]"]]).unwrap_err().to_string();
    assert_eq!(few, "row 0 in memory (counted from 0): query_id 1: 1 document_ids; expected at least 2 to compare");
}

#[test]
fn parts_share_the_tables() {
    let row: &[&str] = &["1", "[1, 2]", "[1, 2]"];
    let data = rows(&[row, &["q2", "[2, 1]", "[3, 4]"], row]).unwrap();
    let (train, test) = data.train_test_split(1.0, 42).unwrap();
    assert_eq!((train.len(), test.len()), (2, 1));
    for part in [data.select(&[1]).unwrap(), data.slice(1..2).unwrap(), data.slice(1..3).unwrap().take(1)] {
        assert_eq!((part.query(0).unwrap(), part.documents(0).unwrap()), ("second", vec!["two", "one"]));
        assert_eq!(part.scores(0).unwrap(), [3.0, 4.0]);
        assert!(Arc::ptr_eq(&part.documents, &data.documents));
    }
    assert!(data.select(&[3]).is_err() && data.slice(2..4).is_err());
    assert!(format!("{data:?}").starts_with("KdProcessing(\"rows in memory: 3 rows;"));
}
