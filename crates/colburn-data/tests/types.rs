//! Every type of column that a Parquet file may have, as another library writes them: integers of all sizes keep all their
//! bits, because they are ids, and lists come back value by value.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use colburn_data::{Dataset, List};

// import pyarrow as pa, pyarrow.parquet as pq
// rows = range(5)
// def lists(item): return [[item(i), item(i + 1)] for i in rows]
// table = pa.table({
//     "int8": pa.array([i - 128 for i in rows], pa.int8()),
//     "int16": pa.array([i - 32768 for i in rows], pa.int16()),
//     "uint8": pa.array([255 - i for i in rows], pa.uint8()),
//     "uint16": pa.array([65535 - i for i in rows], pa.uint16()),
//     "uint32": pa.array([2**32 - 1 - i for i in rows], pa.uint32()),
//     "int64": pa.array([2**63 - 1 - i for i in rows], pa.int64()),
//     "uint64": pa.array([2**63 - 2 + i for i in rows], pa.uint64()),
//     "missing": pa.array([None, 1, None, 3, None], pa.int64()),
//     "int8s": pa.array(lists(lambda i: i - 128), pa.list_(pa.int8())),
//     "uint16s": pa.array(lists(lambda i: 65535 - i), pa.large_list(pa.uint16())),
//     "int64s": pa.array(lists(lambda i: 2**63 - 1 - i), pa.list_(pa.int64())),
//     "uint64s": pa.array(lists(lambda i: 2**63 - 2 + i), pa.list_(pa.uint64())),
//     "fixed": pa.array(lists(lambda i: i / 2), pa.list_(pa.float32(), 2)),
//     "texts": pa.array([["é"] * i for i in rows], pa.list_(pa.string())),
//     "large": pa.array(lists(str), pa.large_list(pa.large_string())),
//     "holes": pa.array([None, [1, None], [], [2], None], pa.list_(pa.int64())),
//     "nested": pa.array([[[1]]] * 5, pa.list_(pa.list_(pa.int64()))),
//     "day": pa.array([0] * 5, pa.date32()),
// })
// pq.write_table(table, "types.parquet", row_group_size=2)
fn types() -> Dataset {
    Dataset::load(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/types.parquet")).unwrap()
}

fn column(data: &Dataset, name: &str) -> usize {
    data.columns().iter().position(|column| *column == name).unwrap()
}

#[test]
fn integers_of_every_size_are_exact() {
    let data = types();
    let first = |name: &str| -> i64 { data.integer(0, column(&data, name)).unwrap() };
    let (int8, int16, uint8, uint16, uint32) =
        (first("int8"), first("int16"), first("uint8"), first("uint16"), first("uint32"));
    assert_eq!((int8, int16, uint8, uint16, uint32), (-128, -32768, 255, 65535, 4_294_967_295));
    for row in 0..5 {
        let at = row as i64;
        let integer = |name: &str| data.integer(row, column(&data, name)).unwrap();
        assert_eq!((integer("int8"), integer("int16")), (at - 128, at - 32768));
        assert_eq!((integer("uint8"), integer("uint16")), (255 - at, 65535 - at));
        assert_eq!((integer("uint32"), integer("int64")), (4_294_967_295 - at, i64::MAX - at));
    }
}

#[test]
fn what_63_bits_do_not_hold_is_a_float() {
    let data = types();
    let unsigned = column(&data, "uint64");
    assert_eq!(data.number(4, unsigned).unwrap(), 9_223_372_036_854_775_810.0);
    let message = data.integer(4, unsigned).unwrap_err().to_string();
    let expected =
        "types.parquet: row 4 (counted from 0): column \"uint64\": 9223372036854776000; expected an integer of 64 bits";
    assert!(message.ends_with(expected), "{message}");
    let lists = column(&data, "uint64s");
    assert_eq!(data.list(0, lists).unwrap(), List::Integers(vec![i64::MAX - 1, i64::MAX]));
    assert!(matches!(data.list(1, lists).unwrap(), List::Floats(_)));
}

#[test]
fn a_missing_integer_leaves_the_others_exact() {
    let data = types();
    let missing = column(&data, "missing");
    assert_eq!((data.integer(1, missing).unwrap(), data.integer(3, missing).unwrap()), (1, 3));
    for row in [0, 2, 4] {
        let message = data.integer(row, missing).unwrap_err().to_string();
        let expected =
            format!("row {row} (counted from 0): column \"missing\": null or NaN; expected an integer of 64 bits");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn lists_come_back_value_by_value() {
    let data = types();
    for row in 0..5 {
        let at = row as i64;
        let list = |name: &str| data.list(row, column(&data, name)).unwrap();
        assert_eq!(list("int8s"), List::Integers(vec![at - 128, at - 127]));
        assert_eq!(list("uint16s"), List::Integers(vec![65535 - at, 65534 - at]));
        assert_eq!(list("int64s"), List::Integers(vec![i64::MAX - at, i64::MAX - at - 1]));
        assert_eq!(list("fixed"), List::Floats(vec![at as f64 / 2.0, (at + 1) as f64 / 2.0]));
        assert_eq!(list("texts").len(), row);
        assert_eq!(list("large"), List::Texts(vec![row.to_string().into(), (row + 1).to_string().into()]));
    }
    assert_eq!(data.list(2, column(&data, "texts")).unwrap(), List::Texts(vec!["é".into(), "é".into()]));
}

#[test]
fn a_hole_matters_to_whoever_asks_for_it() {
    let data = types();
    let holes = column(&data, "holes");
    assert_eq!(data.list(3, holes).unwrap(), List::Integers(vec![2]));
    assert!(data.list(2, holes).unwrap().is_empty());
    for (row, reason) in [(0, "null"), (1, "a list with a null in it"), (4, "null")] {
        let message = data.list(row, holes).unwrap_err().to_string();
        let place = format!("types.parquet: row {row} (counted from 0)");
        let expected = format!("{place}: column \"holes\": not a list of numbers or texts ({reason})");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn other_columns_are_left_out_by_name() {
    let data = types();
    assert!(!data.columns().contains(&"nested") && !data.columns().contains(&"day"));
    let description = data.description();
    assert!(description.contains("int8 (number), ") && description.contains("int8s (list of numbers), "));
    assert!(description.contains("texts (list of texts), "), "{description}");
    assert!(description.ends_with("nested (list of list of numbers), day (date32)"), "{description}");
}
