//! Arrow files as pyarrow, pandas and `datasets` write them; `data/make_arrow.py` made the files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use colburn_data::{Dataset, List, Records, Source, Value};

fn path(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn column<'a>(data: &'a Dataset, name: &str) -> Vec<Value<'a>> {
    let column = data.columns().iter().position(|column| *column == name).unwrap();
    (0..data.len()).map(|row| data.value(row, column).unwrap()).collect()
}

fn texts<'a>(texts: &[Option<&'a str>]) -> Vec<Value<'a>> {
    texts.iter().map(|text| text.map_or(Value::Null, |text| Value::Text(text.into()))).collect()
}

fn integers(integers: &[Option<i64>]) -> Vec<Value<'static>> {
    integers.iter().map(|integer| integer.map_or(Value::Null, Value::Integer)).collect()
}

fn check_train(data: &Dataset) {
    // import datasets
    // print(datasets.load_from_disk("dict")["train"].to_dict())
    assert_eq!(data.columns(), ["query", "positive", "n", "ids"]);
    assert_eq!(column(data, "query"), texts(&[Some("a"), Some("é"), Some("c")]));
    assert_eq!(column(data, "positive"), texts(&[Some("x"), None, Some("z")]));
    assert_eq!(column(data, "n"), integers(&[Some(1), Some(2), None]));
    let lists = [vec![1, 2], vec![], vec![3]].map(|list| Value::List(List::Integers(list)));
    assert_eq!(column(data, "ids"), lists);
}

#[test]
fn folders_of_save_to_disk_are_read() {
    check_train(&Dataset::load(path("dict/train")).unwrap());
    check_train(&Dataset::load(path("dict/train/*.arrow")).unwrap());
    check_train(&Dataset::from_source(&Source::new(path("dict")).with_split("train")).unwrap());
    let test = Dataset::from_source(&Source::new(path("dict")).with_split("test")).unwrap();
    assert_eq!((test.len(), test.text(0, 0).unwrap()), (1, "t"));
    let message = Dataset::load(path("dict")).unwrap_err().to_string();
    assert!(
        message.contains("dict: holds several splits (\"train\", \"test\"); name one of them, for example"),
        "{message}"
    );
    let message = Dataset::from_source(&Source::new(path("dict")).with_split("dev")).unwrap_err().to_string();
    assert!(message.ends_with("dict: no split \"dev\"; found: \"train\", \"test\""), "{message}");
}

#[test]
fn every_type_of_arrow_is_read() {
    for name in ["types.feather", "zstd.arrow"] {
        let data = Dataset::load(path(name)).unwrap();
        assert_eq!(column(&data, "category"), texts(&[Some("b"), Some("a"), None, Some("b"), Some("c")]));
        assert_eq!(column(&data, "large"), texts(&[Some("1"), Some("2"), Some("3"), Some("4"), Some("é")]));
        let long = "a text that is longer than twelve bytes";
        assert_eq!(column(&data, "view"), texts(&[Some("short"), Some(long), None, Some(""), Some("é")]));
        assert_eq!(column(&data, "int8"), integers(&[Some(-128), Some(0), Some(127), None, Some(1)]));
        assert_eq!(column(&data, "uint16"), integers(&[Some(0), Some(65535), Some(1), Some(2), Some(3)]));
        assert_eq!(column(&data, "int64"), integers(&[0, 1, 2, 3, 4].map(|row| Some(i64::MAX - row))));
        assert_eq!(column(&data, "uint64")[..2], integers(&[Some(i64::MAX - 1), Some(i64::MAX)]));
        assert_eq!(column(&data, "uint64")[2], Value::Float(9_223_372_036_854_775_808.0));
        let floats = [Value::Float(0.5), Value::Null, Value::Float(2.0), Value::Float(-1.0)];
        assert_eq!(column(&data, "float")[..4], floats);
        assert!(matches!(column(&data, "float")[4], Value::Float(float) if float.is_nan()));
        assert_eq!(column(&data, "flag"), integers(&[Some(1), Some(0), None, Some(1), Some(0)]));
        assert_eq!(column(&data, "nothing"), integers(&[None; 5]));
        let list = |texts: &[&'static str]| Value::List(List::Texts(texts.iter().map(|&text| text.into()).collect()));
        let lists = column(&data, "texts");
        assert_eq!((&lists[0], &lists[2], &lists[4]), (&list(&["é", "b"]), &Value::Null, &list(&["c"])));
        assert_eq!(
            (&lists[1], &lists[3]),
            (&Value::List(List::Integers(vec![])), &Value::Other("a list with a null in it"))
        );
        assert_eq!(column(&data, "fixed")[3], Value::List(List::Floats(vec![1.5, 3.0])));
        let description = data.description();
        assert!(
            description.contains("category (text), ")
                && description.contains("nothing (all missing)")
                && description.ends_with("struct (struct), day (date32)"),
            "{description}"
        );
    }
}

#[test]
fn records_name_the_row_of_an_arrow_file() {
    let mut records = Records::open(&Source::new(path("types.feather"))).unwrap();
    let mut places = Vec::new();
    while let Some(record) = records.next().unwrap() {
        assert_eq!(record.names().count(), 14);
        assert_eq!(record.value("struct"), Value::Other("struct"));
        places.push(record.place().to_string().rsplit('/').next().unwrap().to_owned());
    }
    assert_eq!(places.len(), 5);
    assert_eq!(places[4], "types.feather: row 4 (counted from 0)");
}

#[test]
fn a_damaged_arrow_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("rows.arrow");
    for name in ["types.feather", "dict/train/data-00000-of-00002.arrow"] {
        let bytes = std::fs::read(path(name)).unwrap();
        let mut cases: Vec<Vec<u8>> =
            [8, 9, 40, bytes.len() / 2, bytes.len() - 9].map(|end| bytes[..end].to_vec()).into();
        for start in (8..bytes.len() - 8).step_by(16) {
            let mut zeros = bytes.clone();
            zeros[start..bytes.len().min(start + 16)].fill(0xff);
            cases.push(zeros);
        }
        for (number, case) in cases.iter().enumerate() {
            std::fs::write(&copy, case).unwrap();
            // Damage in a text or a number cannot be seen; everything else is an error of one line.
            if let Err(error) = Dataset::load(&copy) {
                let message = error.to_string();
                assert!(message.contains("rows.arrow: ") && !message.contains('\n'), "{number}: {message}");
            }
        }
    }
}

#[test]
fn the_index_of_pandas_is_a_column() {
    let data = Dataset::load(path("pandas.parquet")).unwrap();
    assert_eq!(data.columns(), ["query", "_id", "__index_level_0__"]);
    assert_eq!(column(&data, "__index_level_0__"), texts(&[Some("first"), Some("second")]));
    let ids: Vec<Option<String>> = column(&data, "_id").iter().map(|id| id.id().map(|id| id.into_owned())).collect();
    assert_eq!(ids, [Some("0".to_owned()), None]);
}
