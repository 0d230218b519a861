//! CSV with a header line: comma-separated, quoted as in RFC 4180, so a field may span lines. CSV knows no types: a
//! column in which every value of the data set is a number holds numbers, every other one text. An empty field is an
//! empty text.

use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::files::open;
use crate::error::{Error, Place, Result};
use crate::table::ColumnKind;
use crate::table::builder::{Cell, TableBuilder};

pub(super) fn read(path: &Path, table: &mut TableBuilder) -> Result<()> {
    let mut reader = ReaderBuilder::new().from_reader(open(path)?);
    let header = reader.headers().map_err(|error| line_error(path, &error))?.clone();
    let order = table.start(Some(path), header.iter().map(|name| (name.to_owned(), ColumnKind::Untyped)).collect())?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| line_error(path, &error))? {
        let cells = order.iter().map(|&at| Cell::Text(&record[at]));
        let line = record.position().map_or(0, csv::Position::line);
        table.push(cells, || Place::Line { path: path.to_owned(), line })?;
    }
    Ok(())
}

fn line_error(path: &Path, error: &csv::Error) -> Error {
    let (position, reason) = match error.kind() {
        ErrorKind::Io(source) => {
            let source = std::io::Error::new(source.kind(), source.to_string());
            return Error::Io { path: path.to_owned(), source };
        }
        ErrorKind::Utf8 { pos, err } => {
            (pos.as_ref(), format!("field {} is not UTF-8; expected text in UTF-8", err.field() + 1))
        }
        ErrorKind::UnequalLengths { pos, expected_len, len } => (
            pos.as_ref(),
            format!(
                "{len} fields; expected {expected_len} as in the header (a field with a comma, quote or line break needs double quotes around it)"
            ),
        ),
        _ => (error.position(), error.to_string()),
    };
    let line = position.map_or(1, csv::Position::line);
    Error::Line { place: Place::Line { path: path.to_owned(), line }, reason }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::dataset::Dataset;

    fn load(text: impl AsRef<[u8]>) -> crate::Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        fs::write(&path, text).unwrap();
        Dataset::load(&path)
    }

    #[test]
    fn quotes_line_breaks_and_unicode() {
        let data =
            load("\u{feff}query,positive\n\"a, \"\"b\"\"\n\nc\",naïve 日本語\r\n,\"\"\nlast, spaced \n").unwrap();
        assert_eq!(data.columns(), ["query", "positive"]);
        assert_eq!(data.len(), 3);
        assert_eq!(data.text(0, 0).unwrap(), "a, \"b\"\n\nc");
        assert_eq!(data.text(0, 1).unwrap(), "naïve 日本語");
        assert_eq!((data.text(1, 0).unwrap(), data.text(1, 1).unwrap()), ("", ""));
        assert_eq!(data.text(2, 1).unwrap(), " spaced ");
    }

    #[test]
    fn a_column_of_numbers_only_holds_numbers() {
        let data = load("query,label,year,odd\na,1,1984,1\nb,0.5,1985a,nan\nc,-2e3,1986,3\n").unwrap();
        assert_eq!((0..3).map(|row| data.number(row, 1).unwrap()).collect::<Vec<_>>(), [1.0, 0.5, -2000.0]);
        assert_eq!((0..3).map(|row| data.text(row, 2).unwrap()).collect::<Vec<_>>(), ["1984", "1985a", "1986"]);
        assert_eq!((0..3).map(|row| data.text(row, 3).unwrap()).collect::<Vec<_>>(), ["1", "nan", "3"]);
        let message = data.text(0, 1).unwrap_err().to_string();
        assert!(message.contains("column 1 is not a text column") && message.contains("label (number)"), "{message}");
        assert!(data.number(0, 0).unwrap_err().to_string().contains("not a number column"));
        let ids = load("query_id,document_ids\n9007199254740993,\"[1, 2]\"\n-1,\"['a']\"\n").unwrap();
        assert_eq!((ids.integer(0, 0).unwrap(), ids.integer(1, 0).unwrap()), (9_007_199_254_740_993, -1));
        assert_eq!(ids.list(0, 1).unwrap(), crate::List::Integers(vec![1, 2]));
        let message = data.integer(1, 1).unwrap_err().to_string();
        assert_eq!(message, "row 1, column \"label\": 0.5; expected an integer of 64 bits");
    }

    #[test]
    fn a_number_column_may_turn_to_text_in_a_later_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("part-0.csv"), "query,positive\n1,one\n2,two\n").unwrap();
        fs::write(folder.path().join("part-1.csv"), "positive,query\nthree,x\n").unwrap();
        let data = Dataset::load(folder.path()).unwrap();
        let rows: Vec<_> = (0..3).map(|row| (data.text(row, 0).unwrap(), data.text(row, 1).unwrap())).collect();
        assert_eq!(rows, [("1", "one"), ("2", "two"), ("x", "three")]);
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
        ] {
            let message = load(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
            assert!(!message.contains('\n'));
        }
    }

    #[test]
    fn files_of_one_data_set_need_the_same_columns() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("part-0.csv"), "query,positive\na,b\n").unwrap();
        for (header, expected) in [
            ("query,negative", "part-1.csv: column \"positive\" of "),
            ("query,positive,negative", "part-1.csv: column \"negative\" is not in "),
        ] {
            fs::write(folder.path().join("part-1.csv"), format!("{header}\n")).unwrap();
            let message = Dataset::load(folder.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
