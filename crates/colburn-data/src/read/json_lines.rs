//! JSON Lines: one object a line, all with the same keys. The keys of the first line are the columns, in their order; later
//! lines may have another order. Empty lines are skipped.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::files::open;
use crate::error::{Error, Place, Result, quoted};
use crate::table::builder::{Cell, TableBuilder};
use crate::table::lists::{Item, List};
use crate::table::{ColumnKind, ListItems};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(path: &Path, table: &mut TableBuilder) -> Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, open(path)?);
    let mut buffer = Vec::new();
    let mut started = false;
    for line in 1.. {
        buffer.clear();
        let read = reader.read_until(b'\n', &mut buffer);
        if read.map_err(|source| Error::Io { path: path.to_owned(), source })? == 0 {
            break;
        }
        let text = buffer.strip_prefix(if line == 1 { BYTE_ORDER_MARK } else { b"" }).unwrap_or(&buffer).trim_ascii();
        if text.is_empty() {
            continue;
        }
        let place = || Place::Line { path: path.to_owned(), line };
        let object = parse(text).map_err(|reason| Error::Line { place: place(), reason })?;
        if !started {
            let columns = object.iter().map(|(name, value)| Ok((name.clone(), kind(name, value, &place)?)));
            table.start(Some(path), columns.collect::<Result<_>>()?)?;
            started = true;
        }
        let cells = cells(&object, table).map_err(|reason| Error::Line { place: place(), reason })?;
        table.push(cells, place)?;
    }
    if started { Ok(()) } else { Err(Error::Empty { path: path.to_owned(), reason: "no rows" }) }
}

fn parse(text: &[u8]) -> std::result::Result<Map<String, Value>, String> {
    const EXPECTED: &str = "expected one JSON object a line, such as {\"query\": \"…\", \"positive\": \"…\"}";
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("a {}; {EXPECTED}", type_name(&other))),
        // The parser sees one line only, so its own line number would always be 1.
        Err(error) => {
            Err(format!("not JSON ({}); {EXPECTED}", error.to_string().replace(" at line 1 column ", " at character ")))
        }
    }
}

fn kind(name: &str, value: &Value, place: &impl Fn() -> Place) -> Result<ColumnKind> {
    match value {
        Value::String(_) => Ok(ColumnKind::Text),
        Value::Number(_) | Value::Bool(_) => Ok(ColumnKind::Number),
        Value::Array(_) => Ok(ColumnKind::List(ListItems::Unknown)),
        Value::Object(_) => Ok(ColumnKind::Other(type_name(value).to_owned())),
        Value::Null => Err(Error::Null { place: place(), column: name.to_owned(), expected: "text or number" }),
    }
}

fn cells<'a>(object: &'a Map<String, Value>, table: &TableBuilder) -> std::result::Result<Vec<Cell<'a>>, String> {
    let columns = table.columns();
    let found = || quoted(object.keys());
    let cells: std::result::Result<Vec<Cell<'a>>, String> = columns
        .iter()
        .map(|column| match object.get(&column.name) {
            Some(value) => Ok(cell(value)),
            None => Err(format!("key \"{}\" is missing; found: {}", column.name, found())),
        })
        .collect();
    let cells = cells?;
    match object.keys().find(|key| !columns.iter().any(|column| column.name == **key)) {
        Some(key) if object.len() > columns.len() => {
            let known = quoted(columns.iter().map(|column| &column.name));
            Err(format!("key \"{key}\" is not among those of the first line: {known}"))
        }
        _ => Ok(cells),
    }
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::String(text) => Cell::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Cell::Integer(integer),
            (None, Some(float)) => Cell::Float(float),
            (None, None) => Cell::Other("number beyond double precision"),
        },
        Value::Bool(flag) => Cell::Integer(i64::from(*flag)),
        Value::Null => Cell::Null,
        Value::Array(values) => Cell::List(List::collect(values.iter().map(|value| item(cell(value))))),
        Value::Object(_) => Cell::Other(type_name(value)),
    }
}

fn item(cell: Cell<'_>) -> Item<'_> {
    match cell {
        Cell::Text(text) => Item::Text(text.into()),
        Cell::Integer(integer) => Item::Integer(integer),
        Cell::Float(float) => Item::Float(float),
        Cell::Null => Item::Null,
        Cell::List(_) | Cell::Other(_) => Item::Other,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::dataset::Dataset;
    use crate::table::lists::List;

    fn load(text: impl AsRef<[u8]>) -> crate::Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        fs::write(&path, text).unwrap();
        Dataset::load(&path)
    }

    #[test]
    fn keys_of_the_first_line_are_the_columns() {
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
    fn objects_are_left_out() {
        let data = load("{\"query\": \"a\", \"meta\": {}, \"positive\": \"b\"}\n").unwrap();
        assert_eq!(data.columns(), ["query", "positive"]);
        assert_eq!(data.text(0, 1).unwrap(), "b");
        assert!(data.description().contains("meta (object)"), "{}", data.description());
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
        assert!(data.description().ends_with(
            "3 rows; id (number), ids (list of numbers), scores (list of numbers), documents (list of texts)"
        ));
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
    fn lists_of_a_column_are_of_one_type() {
        let message = load("{\"x\": []}\n{\"x\": [\"a\"]}\n{\"x\": [1]}\n").unwrap_err().to_string();
        let expected = "rows.jsonl:3: column \"x\" holds a list of numbers; the rows before it hold a list of texts";
        assert!(message.ends_with(expected), "{message}");
        assert!(
            load("{\"x\": [1]}\n{\"x\": 1}\n")
                .unwrap_err()
                .to_string()
                .contains("column \"x\" holds a number; the rows before it hold a list of numbers")
        );
    }

    #[test]
    fn a_missing_number_matters_when_it_is_asked_for() {
        let data = load("{\"query\": \"a\", \"label\": 1}\n{\"query\": \"b\", \"label\": null}\n").unwrap();
        assert_eq!(data.number(0, 1).unwrap(), 1.0);
        let message = data.number(1, 1).unwrap_err().to_string();
        assert_eq!(message, "row 1, column \"label\": null or NaN; expected a number");
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        let good = "{\"query\": \"a\", \"label\": 1}\n";
        for (line, expected) in [
            (
                "{\"query\": \"a\", \"lab",
                "rows.jsonl:2: not JSON (EOF while parsing a string at character 19); expected one JSON object a line",
            ),
            ("[1]", "rows.jsonl:2: a list; expected one JSON object a line"),
            ("{\"query\": \"a\"}", "rows.jsonl:2: key \"label\" is missing; found: \"query\""),
            (
                "{\"query\": \"a\", \"label\": 1, \"x\": 2}",
                "rows.jsonl:2: key \"x\" is not among those of the first line: \"query\", \"label\"",
            ),
            ("{\"query\": null, \"label\": 1}", "rows.jsonl:2: column \"query\" is null; expected a text in every row"),
            (
                "{\"query\": 7, \"label\": 1}",
                "rows.jsonl:2: column \"query\" holds a number; the rows before it hold a text",
            ),
            ("{\"query\": [\"a\"], \"label\": 1}", "rows.jsonl:2: column \"query\" holds a list"),
            (
                "{\"query\": \"a\", \"label\": \"1\"}",
                "rows.jsonl:2: column \"label\" holds a text; the rows before it hold a number",
            ),
        ] {
            let message = load(format!("{good}{line}\n{good}")).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
            assert!(!message.contains('\n'));
        }
        for (text, expected) in [
            (&b"{\"query\": null}"[..], "rows.jsonl:1: column \"query\" is null"),
            (b"{}", "rows.jsonl: no columns"),
            (b" \n\n", "rows.jsonl: no rows"),
            (b"", "rows.jsonl: an empty file"),
            (b"{\"query\": \"\xff\"}", "rows.jsonl:1: not JSON (invalid unicode code point"),
        ] {
            let message = load(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
        }
    }

    #[test]
    fn a_broken_line_of_a_second_file_is_named_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.jsonl"), "{\"query\": \"a\"}\n").unwrap();
        for (text, expected) in [
            ("{\"query\": \"b\"}\n{", "b.jsonl:2: not JSON"),
            ("{\"query\": 1}\n", "b.jsonl: column \"query\" holds number values, but text in "),
            ("{\"anchor\": \"b\"}\n", "b.jsonl: column \"query\" of "),
        ] {
            fs::write(folder.path().join("b.jsonl"), text).unwrap();
            let message = Dataset::load(folder.path().join("*.jsonl")).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
        }
    }
}
