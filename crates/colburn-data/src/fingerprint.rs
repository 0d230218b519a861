//! A fingerprint of the rows that a run trains on. A resumed run compares it with the one in its checkpoint: other rows
//! under the same name, or the same rows in another order, are another run.
//!
//! The fingerprint is written into checkpoints, so its definition must not change; a new one needs a new [`VERSION`].
//! It is the hash of [`hash`](crate::hash) over one run of bytes. Every part of it is a *field*: its length as 8
//! little-endian bytes, then its bytes.
//!
//! - The fields of the header are [`VERSION`], the number of rows, and the name and the type of each column. The columns
//!   of a distillation data set are `query`, `documents` and, if there is a teacher, `scores`, with `n_ways` in the type of the last two. Roles that are
//!   given, `positives` and `n_negatives` add fields of their own, and each row then the place of its positive if each makes a row. A stream
//!   adds `streamed` and the size of its buffer.
//! - A field follows for each sampled row: the hash of the row's own fields. Row `i * (rows - 1) / (SAMPLES - 1)`,
//!   rounded down, is sampled for each `i` below [`SAMPLES`], which includes the first and the last row. All rows are
//!   sampled where there are no more than that.
//! - A text is a field. A number is a field of 8 bytes with a letter before them: `i` and the integer if it is a whole
//!   number of 64 bits, otherwise `f` and the bits of the float, or `-` alone where it is missing. So a number is the
//!   same in a column of integers and in one of floats. A list is a field with the number of its values, then its values
//!   as texts and numbers. Any other value, and none, is `-`. A score is the bits of its 32-bit float.

use crate::dataset::Dataset;
use crate::distillation::KdProcessing;
use crate::error::Result;
use crate::examples::{Examples, KnownRows};
use crate::hash::hash;
use crate::roles::mapping::Roles;
use crate::roles::options::{Positives, RowOptions, ShortRows};
use crate::roles::rows::TextRows;
use crate::table::lists::List;
use crate::table::numbers::whole;
use crate::table::value::Value;

/// The first field of every fingerprint.
const VERSION: &[u8] = b"colburn.fingerprint.1";
/// The number of sampled rows of a large data set.
const SAMPLES: usize = 1000;
/// A missing value.
const MISSING: &[u8] = b"-";

impl Examples {
    /// A hash of the rows, 16 hexadecimal digits: of the names and types of the columns, the number of rows, and the
    /// content of up to 1,000 evenly spaced rows, the first and the last among them. Of a distillation data set the texts
    /// and scores of those rows count, wherever the three tables have them. It is the same for the same values in another
    /// file format, on any machine and in any version of this crate. A number in a CSV file is a text, and so another value.
    ///
    /// Of a stream the rows of its head count, and the size of its buffer.
    ///
    /// A data set of more than 1,000 rows can change without another fingerprint: rows between the samples are not read.
    /// Columns of other types than text, number and list do not count.
    ///
    /// ```
    /// use colburn_data::{Dataset, Examples};
    ///
    /// let rows = [["what is rust", "a language"], ["what is colbert", "a retrieval model"]];
    /// let data = Dataset::from_rows(&["query", "positive"], rows.map(|row| row.map(String::from).to_vec()))?;
    /// let swapped = data.select(&[1, 0])?;
    /// assert_eq!(Examples::from(&data).fingerprint()?, Examples::from(data.select(&[0, 1])?).fingerprint()?);
    /// assert_ne!(Examples::from(&data).fingerprint()?, Examples::from(swapped).fingerprint()?);
    /// # Ok::<(), colburn_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the temporary file of the texts is damaged, or a sampled row of a distillation data set has no query, too few
    /// documents or a wrong score.
    pub fn fingerprint(&self) -> Result<String> {
        let mut fields = Fields::default();
        fields.push(VERSION);
        fields.push(&(self.len() as u64).to_le_bytes());
        match self.known() {
            KnownRows::Texts(rows) => {
                for column in rows.dataset().table().columns() {
                    fields.push(column.name.as_bytes());
                    fields.push(column.kind.name().as_bytes());
                }
                push_choice(&mut fields, rows)?;
            }
            KnownRows::Distillation(data) => {
                let ways = data.ways();
                for (name, kind) in [
                    (KdProcessing::QUERY, "text".to_owned()),
                    (KdProcessing::DOCUMENTS, format!("{ways} texts")),
                    ("scores", format!("{ways} scores")),
                ] {
                    if name != "scores" || data.has_scores() {
                        fields.push(name.as_bytes());
                        fields.push(kind.as_bytes());
                    }
                }
            }
        }
        if let Examples::Stream(rows) = self {
            fields.push(b"streamed");
            fields.push(&(rows.buffer_size() as u64).to_le_bytes());
        }
        for row in sampled(self.len()) {
            let row = match self.known() {
                KnownRows::Texts(rows) => {
                    let mut fields = cells(rows.dataset(), row)?;
                    if rows.has_picks() {
                        fields.push(&(rows.pick(row) as u64).to_le_bytes());
                    }
                    fields
                }
                KnownRows::Distillation(data) => texts_and_scores(data, row)?,
            };
            fields.push(&row.hash().to_le_bytes());
        }
        Ok(format!("{:016x}", fields.hash()))
    }
}

/// The numbers of the sampled rows, in ascending order.
fn sampled(rows: usize) -> impl Iterator<Item = usize> {
    let count = rows.min(SAMPLES);
    (0..count).map(move |sample| match count == rows {
        true => sample,
        false => (sample as u128 * (rows as u128 - 1) / (SAMPLES as u128 - 1)) as usize,
    })
}

/// The cells of a row of texts, numbers and lists.
fn cells(data: &Dataset, row: usize) -> Result<Fields> {
    let mut fields = Fields::default();
    for column in 0..data.table().columns().len() {
        match data.value(row, column)? {
            Value::Null | Value::Other(_) => fields.push(MISSING),
            Value::Text(text) => fields.push(text.as_bytes()),
            Value::Integer(integer) => fields.push_integer(integer),
            Value::Float(float) if float.is_nan() => fields.push(MISSING),
            Value::Float(float) => fields.push_number(float),
            Value::List(list) => fields.push_list(&list),
        }
    }
    Ok(fields)
}

/// The header's fields of the choice of texts: nothing where the columns have their own roles and the options are the defaults.
fn push_choice(fields: &mut Fields, rows: &TextRows) -> Result<()> {
    let RowOptions { positives, n_negatives, short_rows, .. } = rows.options();
    if let Some(roles) = rows.dataset().roles().filter(|roles| **roles != Roles::default()) {
        let columns = rows.columns()?;
        let names = rows.dataset().columns();
        fields.push(b"roles");
        for column in std::iter::once(columns.query()).chain(columns.documents().iter().copied()) {
            fields.push(names[column].as_bytes());
        }
        fields.push(roles.label.as_deref().unwrap_or_default().as_bytes());
    }
    if positives != Positives::Error {
        fields.push(b"positives");
        fields.push(if positives == Positives::First { b"first" } else { b"each" });
    }
    if let Some(count) = n_negatives {
        fields.push(b"n_negatives");
        fields.push(&(count.get() as u64).to_le_bytes());
        fields.push(if short_rows == ShortRows::Drop { b"drop" } else { b"repeat" });
    }
    Ok(())
}

fn texts_and_scores(data: &KdProcessing, row: usize) -> Result<Fields> {
    let mut fields = Fields::default();
    fields.push(data.query(row)?.as_bytes());
    data.documents(row)?.iter().for_each(|text| fields.push(text.as_bytes()));
    data.scores(row)?.iter().for_each(|score| fields.push(&score.to_bits().to_le_bytes()));
    Ok(fields)
}

/// Fields, one after the other.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn push(&mut self, field: &[u8]) {
        self.0.extend((field.len() as u64).to_le_bytes());
        self.0.extend(field);
    }

    fn push_integer(&mut self, integer: i64) {
        let mut field = [b'i'; 9];
        field[1..].copy_from_slice(&integer.to_le_bytes());
        self.push(&field);
    }

    /// A float that is a whole number is that integer.
    fn push_number(&mut self, float: f64) {
        match whole(float) {
            Some(integer) => self.push_integer(integer),
            None => self.push_float(float),
        }
    }

    fn push_float(&mut self, float: f64) {
        let mut field = [b'f'; 9];
        field[1..].copy_from_slice(&float.to_bits().to_le_bytes());
        self.push(&field);
    }

    fn push_list(&mut self, list: &List<'_>) {
        self.push(&(list.len() as u64).to_le_bytes());
        match list {
            List::Integers(integers) => integers.iter().for_each(|&integer| self.push_integer(integer)),
            List::Floats(floats) => floats.iter().for_each(|&float| self.push_number(float)),
            List::Texts(texts) => texts.iter().for_each(|text| self.push(text.as_bytes())),
        }
    }

    fn hash(&self) -> u64 {
        hash(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::NonZeroUsize;

    use super::*;

    fn of(examples: impl Into<Examples>) -> String {
        examples.into().fingerprint().unwrap()
    }

    fn numbered(rows: usize, change: impl Fn(usize) -> String) -> Dataset {
        let rows = (0..rows).map(|row| vec![format!("query {row}"), change(row)]);
        Dataset::from_rows(&["query", "positive"], rows).unwrap()
    }

    /// The data set in a file of this name.
    fn file(name: &str, text: &str) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Dataset::load(&path).unwrap()
    }

    #[test]
    fn a_fingerprint_never_changes() {
        // import struct
        // def fold(x): p = x * 0xa0761d6478bd642f; return p % 2**64 ^ p >> 64
        // def hash(b):
        //     s = len(b) * 0x9e3779b97f4a7c15 % 2**64
        //     for i in range(0, len(b), 8): s = fold(s ^ int.from_bytes(b[i:i + 8], "little"))
        //     return fold(s ^ 0x9e3779b97f4a7c15)
        // def fields(*fields): return b"".join(struct.pack("<Q", len(f)) + f for f in fields)
        // def number(n): return b"i" + struct.pack("<q", n) if n == int(n) else b"f" + struct.pack("<d", n)
        // def u64(n): return struct.pack("<Q", n)
        // def fingerprint(rows, columns, cells):
        //     header = [b"colburn.fingerprint.1", u64(rows), *(part.encode() for column in columns for part in column)]
        //     print("%016x" % hash(fields(*header, *(u64(hash(fields(*row))) for row in cells))))
        // fingerprint(2, [("query", "text"), ("label", "number"), ("documents", "list of texts")], [
        //     ["é".encode(), number(3), u64(2), b"a", b""], [b"", number(0.5), u64(0)]])
        // fingerprint(1, [("query", "text"), ("documents", "2 texts"), ("scores", "2 scores")], [
        //     [b"first", b"one", b"", struct.pack("<f", 0.5), struct.pack("<f", -1)]])
        let data = file(
            "rows.jsonl",
            "{\"query\": \"é\", \"label\": 3, \"documents\": [\"a\", \"\"]}\n{\"query\": \"\", \"label\": 0.5, \"documents\": []}\n",
        );
        assert_eq!(of(data), "73737eef6dae35b6");
        assert_eq!(of(distillation("[10, 20]", "[0.5, -1]")), "d21ef67fcd79c46f");
    }

    fn distillation(ids: &str, scores: &str) -> KdProcessing {
        let table = |names: &[&str], rows: &[&[&str]]| {
            let rows = rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect());
            Dataset::from_rows(names, rows).unwrap()
        };
        let train = table(&["query_id", "document_ids", "scores"], &[&["1", ids, scores]]);
        let queries = table(&["query_id", "text"], &[&["0", "other"], &["1", "first"]]);
        let documents = table(&["document_id", "text"], &[&["10", "one"], &["20", ""], &["30", "three"]]);
        KdProcessing::new(train, queries, documents).unwrap()
    }

    #[test]
    fn the_file_format_does_not_count() {
        let csv = file("a.csv", "query,positive,label,weight\na,\"b, c\",1,0.5\né,,-2,3\n");
        let array = file(
            "a.json",
            "[{\"query\": \"a\", \"positive\": \"b, c\", \"label\": 1, \"weight\": 0.5},\n\
             {\"query\": \"é\", \"positive\": \"\", \"label\": -2, \"weight\": 3.0}]",
        );
        let json = file(
            "b.ndjson",
            "{\"query\": \"a\", \"positive\": \"b, c\", \"label\": 1.0, \"weight\": 0.5}\n\
             {\"weight\": 3, \"positive\": \"\", \"query\": \"é\", \"label\": -2}\n",
        );
        assert_eq!(of(&array), of(&json));
        assert_ne!(of(&csv), of(&json), "numbers are texts in CSV");
        let texts = file("c.csv", "query,positive\na,\"b, c\"\né,\n");
        let memory = Dataset::from_rows(
            &["query", "positive"],
            [["a", "b, c"], ["é", ""]].map(|row| row.map(String::from).to_vec()),
        );
        assert_eq!(of(&texts), of(memory.unwrap()));
        assert_ne!(of(&texts), of(&csv), "two columns more");
    }

    #[test]
    fn a_parquet_file_has_the_fingerprint_of_its_rows_elsewhere() {
        let path = format!("{}/../../examples/data/triplets-test.parquet", env!("CARGO_MANIFEST_DIR"));
        let parquet = Dataset::load(path).unwrap();
        let names = parquet.columns();
        let mut lines = String::new();
        for row in 0..parquet.len() {
            let cells = names.iter().enumerate().map(|(column, name)| {
                ((*name).to_owned(), serde_json::Value::from(parquet.text(row, column).unwrap()))
            });
            let object: serde_json::Map<_, _> = cells.collect();
            lines.push_str(&serde_json::to_string(&object).unwrap());
            lines.push('\n');
        }
        assert_eq!(of(file("rows.jsonl", &lines)), of(&parquet));
    }

    #[test]
    fn content_order_and_names_count() {
        let data = numbered(10, |row| format!("answer {row}"));
        let own = of(&data);
        assert_eq!(own, of(data.slice(0..10).unwrap()));
        assert_ne!(own, of(numbered(10, |row| format!("answer {}", row.min(8)))), "one cell");
        assert_ne!(own, of(data.select(&[0, 1, 2, 4, 3, 5, 6, 7, 8, 9]).unwrap()), "swapped rows");
        assert_ne!(own, of(data.take(9)), "fewer rows");
        let (train, test) = data.train_test_split(0.5, 1).unwrap();
        assert!(of(&train) != of(&test) && of(&train) != of(data.train_test_split(0.5, 2).unwrap().0));
        let rows = || (0..10).map(|row| vec![format!("query {row}"), format!("answer {row}")]);
        assert_eq!(own, of(Dataset::from_rows(&["query", "positive"], rows()).unwrap()));
        assert_ne!(own, of(Dataset::from_rows(&["query", "document"], rows()).unwrap()), "another name");
        // A text that moves from one cell to the next, and from the name of a column to its type.
        let cells = |cells: [&str; 2]| Dataset::from_rows(&["a", "b"], [cells.map(String::from).to_vec()]).unwrap();
        assert_ne!(of(cells(["xy", "z"])), of(cells(["x", "yz"])));
        assert_eq!(of(file("a.csv", "a,b\nx,1\n")), of(cells(["x", "1"])));
        assert_ne!(of(file("a.jsonl", "{\"a\": \"x\", \"b\": 1}")), of(cells(["x", "1"])), "a number is no text");
    }

    #[test]
    fn values_of_lists_and_missing_ones_count() {
        let list = |value: &str| of(file("rows.jsonl", &format!("{{\"x\": {value}, \"y\": 1}}\n")));
        assert_eq!(list("[1, 2]"), list("[1.0, 2.0]"));
        assert_eq!(list("[0.5, 2]"), list("[0.5, 2.0]"));
        let different = ["[1, 2]", "[2, 1]", "[1]", "[12]", "[0.5]", "[]", "[null]", "[\"1\", \"2\"]"].map(list);
        for (at, one) in different.iter().enumerate() {
            assert!(!different[..at].contains(one), "{at}");
        }
        let number = |value: &str| of(file("rows.jsonl", &format!("{{\"y\": 1}}\n{{\"y\": {value}}}\n")));
        assert!(number("null") != number("0") && number("0") != number("0.5"));
        assert_eq!(number("-0.0"), number("0"));
    }

    #[test]
    fn the_choice_of_texts_counts() {
        let row = "{\"query\": \"a\", \"positive\": [\"b\", \"c\"], \"negative\": [\"d\", \"e\"]}\n";
        let rows = |options: RowOptions| of(TextRows::new(file("rows.jsonl", row), options).unwrap());
        let first = RowOptions { positives: Positives::First, ..RowOptions::default() };
        let one = first.n_negatives.or(NonZeroUsize::new(1));
        let all = [
            of(file("rows.jsonl", row)),
            rows(first),
            rows(RowOptions { positives: Positives::Each, ..first }),
            rows(RowOptions { n_negatives: one, ..first }),
            rows(RowOptions { n_negatives: NonZeroUsize::new(2), ..first }),
            rows(RowOptions { n_negatives: one, short_rows: ShortRows::Drop, ..first }),
            of(file("rows.jsonl", row)
                .with_columns(Roles { drop: vec!["negative".into()], ..Roles::default() })
                .unwrap()),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        let none = file("rows.jsonl", row).with_columns(Roles::default()).unwrap();
        assert_eq!(of(none), all[0]);
    }

    #[test]
    fn large_data_sets_are_sampled_with_both_ends() {
        for rows in [0, 1, 2, 999, 1000, 1001, 1500, 1_000_000_007] {
            let sampled: Vec<usize> = sampled(rows).collect();
            assert_eq!(sampled.len(), rows.min(SAMPLES));
            assert!(sampled.windows(2).all(|two| two[0] < two[1]), "{rows}");
            let ends = (sampled.first().copied(), sampled.last().copied());
            assert_eq!(ends, ((rows > 0).then_some(0), rows.checked_sub(1)));
        }
        let data =
            |changed: usize| numbered(3000, |row| if row == changed { String::new() } else { format!("p{row}") });
        let own = of(data(usize::MAX));
        for changed in [0, 3, 6, 2999] {
            assert_ne!(own, of(data(changed)), "{changed}");
        }
        assert_eq!(own, of(data(1)), "a row between two samples is not seen");
    }

    #[test]
    fn a_distillation_is_its_texts_and_scores() {
        let own = of(distillation("[10, 20]", "[0.5, -1]"));
        assert_eq!(own, of(distillation("['10', '20']", "(0.5, -1.0)")), "the same texts and scores");
        for other in [
            distillation("[20, 10]", "[0.5, -1]"),
            distillation("[10, 30]", "[0.5, -1]"),
            distillation("[10, 20]", "[0.5, -2]"),
            distillation("[10, 20, 30]", "[0.5, -1, 0]"),
        ] {
            assert_ne!(own, of(other));
        }
        let three = || distillation("[10, 20, 30]", "[0.5, -1, 0]");
        assert_eq!(own, of(three().n_ways(2).unwrap()), "documents beyond n_ways are not trained on");
        assert!(Examples::from(three().n_ways(4).unwrap()).fingerprint().is_err());
    }
}
