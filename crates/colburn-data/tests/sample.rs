//! The sample in `examples/data`: real rows in real Parquet files, written by another library than the one that reads them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::HashSet;

use colburn_data::{Columns, Dataset};

fn load(name: &str) -> Dataset {
    Dataset::load(format!("{}/../../examples/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn column(data: &Dataset, column: usize) -> Vec<&str> {
    (0..data.len()).map(|row| data.text(row, column).unwrap()).collect()
}

#[test]
fn rows_are_those_of_the_readme() {
    for (name, rows, positives) in [("triplets-train.parquet", 5000, 3677), ("triplets-test.parquet", 500, 194)] {
        let data = load(name);
        assert_eq!(data.columns(), ["query", "positive", "negative"]);
        assert_eq!(data.len(), rows);
        assert_eq!(column(&data, 1).into_iter().collect::<HashSet<_>>().len(), positives);
        assert!((0..3).all(|c| column(&data, c).iter().all(|text| !text.trim().is_empty())));
        let columns = Columns::of(&data).unwrap();
        assert_eq!((columns.query(), columns.documents(), columns.label()), (0, &[1, 2][..], None));
    }
}

#[test]
fn training_and_test_rows_share_no_text() {
    let (train, test) = (load("triplets-train.parquet"), load("triplets-test.parquet"));
    let seen: HashSet<&str> = (0..3).flat_map(|c| column(&train, c)).collect();
    assert!((0..3).all(|c| column(&test, c).iter().all(|text| !seen.contains(text))));
}
