//! Streams of rows: the order of passes, batches that are skipped, columns that change, and bad rows.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::Examples;
use crate::roles::options::Missing;
use crate::table::value::Value;

/// Files of numbered pairs, as many in each as `rows` says.
fn write(folder: &Path, rows: &[usize]) -> Source {
    let mut number = 0;
    for (file, &rows) in rows.iter().enumerate() {
        let line = |number: usize| format!("{{\"query\": \"q{number}\", \"positive\": \"p{number}\"}}\n");
        let lines: String = (number..number + rows).map(line).collect();
        fs::write(folder.join(format!("part-{file}.jsonl")), lines).unwrap();
        number += rows;
    }
    Source::new(folder)
}

fn open(source: &Source, buffer_size: usize) -> StreamRows {
    StreamRows::open(source, None, RowOptions::default(), buffer_size).unwrap()
}

/// The queries of the next batches.
fn queries(batches: &mut StreamBatches, count: usize) -> Vec<Vec<String>> {
    let query = |row: &StreamRow| row.chunk.query(row.row).unwrap().to_owned();
    (0..count).map(|_| batches.next().unwrap().rows.iter().map(query).collect()).collect()
}

#[test]
fn a_pass_has_every_row_once_and_another_order_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(&write(folder.path(), &[300, 1, 700, 22]), 100);
    let mut batches = rows.batches(50, true, false, 42);
    let mut passes = Vec::new();
    for _ in 0..3 {
        let pass = queries(&mut batches, 21);
        assert_eq!((pass[0].len(), pass[19].len(), pass[20].len()), (50, 50, 23));
        let pass = pass.concat();
        let distinct: HashSet<&String> = pass.iter().collect();
        assert_eq!((pass.len(), distinct.len()), (1023, 1023));
        passes.push(pass);
    }
    assert!(passes[0] != passes[1] && passes[1] != passes[2]);
    assert_eq!(batches.next().unwrap().pass(), 3);
    let other = queries(&mut rows.batches(50, true, false, 43), 21).concat();
    assert_ne!(other, passes[0]);
}

#[test]
fn without_shuffling_the_order_is_that_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(&write(folder.path(), &[3, 4]), 100);
    let found = queries(&mut rows.batches(5, false, false, 42), 3).concat();
    assert_eq!(found, ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q0", "q1", "q2", "q3", "q4"]);
    let found = queries(&mut rows.batches(5, false, true, 42), 2).concat();
    assert_eq!(found, ["q0", "q1", "q2", "q3", "q4", "q0", "q1", "q2", "q3", "q4"], "the rest of a pass is dropped");
}

#[test]
fn skipped_batches_are_those_that_would_have_come() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(&write(folder.path(), &[100, 57]), 30);
    let all = queries(&mut rows.batches(10, true, false, 7), 40);
    for skipped in [0, 1, 15, 16, 33] {
        let mut batches = rows.batches(10, true, false, 7);
        batches.skip(skipped).unwrap();
        assert_eq!(queries(&mut batches, 5), all[skipped..skipped + 5], "{skipped}");
    }
}

#[test]
fn later_rows_keep_the_columns_of_the_first_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    // The second thousand rows have other columns in another order, and a null in one that plays no part.
    let first = (0..HEAD).map(|row| format!("{{\"n\": {row}, \"query\": \"q{row}\", \"positive\": \"p{row}\"}}\n"));
    let later = (HEAD..2 * HEAD)
        .map(|row| format!("{{\"x\": [1], \"positive\": \"p{row}\", \"query\": \"q{row}\", \"n\": null}}\n"));
    fs::write(&path, first.chain(later).collect::<String>()).unwrap();
    let rows = open(&Source::new(&path), 500);
    assert_eq!(rows.head().len(), HEAD);
    let mut batches = rows.batches(HEAD, true, false, 42);
    for _ in 0..2 {
        for row in &batches.next().unwrap().rows {
            let (chunk, at) = row.place();
            let number = chunk.query(at).unwrap()[1..].to_owned();
            assert_eq!(chunk.documents(at).unwrap(), [format!("p{number}")]);
            assert_eq!(chunk.dataset().columns(), ["n", "query", "positive"]);
            let value = chunk.dataset().value(at, 0).unwrap();
            let number: usize = number.parse().unwrap();
            assert_eq!(value, if number < HEAD { Value::Integer(number as i64) } else { Value::Null });
        }
    }
}

#[test]
fn a_bad_row_is_named_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let line = |row: usize| match row {
        1500 => "{\"query\": \"q\", \"positive\": \"\"}\n".to_owned(),
        row => format!("{{\"query\": \"q{row}\", \"positive\": \"p{row}\"}}\n"),
    };
    fs::write(&path, (0..2000).map(line).collect::<String>()).unwrap();
    let source = Source::new(&path);
    let mut batches = open(&source, 10).batches(100, false, false, 42);
    let mut found = (0..16).map(|_| batches.next());
    let message = found.find_map(|batch| batch.err()).unwrap().to_string();
    assert!(
        message
            .contains("rows.jsonl: row 1500 (counted from 0): column \"positive\" is empty; expected a text in every"),
        "{message}"
    );
    let options = RowOptions { missing: Missing::Skip, ..RowOptions::default() };
    let rows = StreamRows::open(&source, None, options, 10).unwrap();
    let all = queries(&mut rows.batches(100, false, false, 42), 20).concat();
    assert_eq!((all.len(), all.iter().any(|query| query == "q")), (1999, false));
}

#[test]
fn what_cannot_be_streamed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let source = write(folder.path(), &[3]);
    let error = |buffer_size: usize| StreamRows::open(&source, None, RowOptions::default(), buffer_size).unwrap_err();
    assert_eq!(error(0).to_string(), "buffer_size = 0; expected at least 1");
    let rows = open(&source, 10);
    let message = rows.batches(4, true, true, 42).next().err().unwrap().to_string();
    assert!(message.ends_with(": a pass over it has no batch of 4 rows"), "{message}");
    let description = rows.description();
    assert!(description.ends_with(": streamed, buffer_size = 10; query (text), positive (text)"), "{description}");
    let examples = Examples::from(rows);
    assert_eq!((examples.rows(), examples.len(), examples.files().len()), (None, 3, 1));
    let message = crate::BatchSampler::new(&examples, 1, crate::Sampling::Random, false, 1).unwrap_err().to_string();
    assert!(message.ends_with("and data that is not streamed is expected"), "{message}");
}

#[test]
fn files_of_parquet_stream_too() {
    let source = Source::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pandas.parquet"));
    let roles = Roles { query: Some("query".into()), positive: vec!["__index_level_0__".into()], ..Roles::default() };
    let rows = StreamRows::open(&source, Some(roles), RowOptions::default(), 10).unwrap();
    let batch = rows.batches(2, false, false, 1).next().unwrap();
    let documents: Vec<String> =
        batch.rows.iter().map(|row| row.chunk.documents(row.row).unwrap()[0].to_string()).collect();
    assert_eq!(documents, ["first", "second"]);
}
