//! The rows that a model is trained or evaluated on. A [`Dataset`] is a view: a list of rows of a table that all its views
//! share, so splitting, selecting and cloning copy no text.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Place, Result, quoted};
use crate::read;
use crate::roles::mapping::Roles;
use crate::shuffle::{Purpose, permutation};
use crate::source::Source;
use crate::table::builder::TableBuilder;
use crate::table::lists::List;
use crate::table::spool::SpoolWriter;
use crate::table::value::Value;
use crate::table::{ColumnKind, IN_MEMORY, Table};

/// So many rows touch about all parts of a large data set.
const FEW: usize = 10_000;

/// Rows of texts, numbers and lists, read from disk on demand. Cheap to clone; can be read from several threads.
///
/// ```
/// use colburn_data::Dataset;
///
/// let rows = [["what is rust", "a language"], ["what is colbert", "a retrieval model"]];
/// let data = Dataset::from_rows(&["query", "positive"], rows.map(|row| row.map(String::from).to_vec()))?;
/// assert_eq!(data.columns(), ["query", "positive"]);
/// assert_eq!(data.text(1, 0)?, "what is colbert");
/// let (train, test) = data.train_test_split(1.0, 42)?;
/// assert_eq!((train.len(), test.len()), (1, 1));
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone)]
pub struct Dataset {
    table: Arc<Table>,
    rows: Rows,
    /// The roles that are given to columns.
    roles: Option<Arc<Roles>>,
}

#[derive(Clone)]
enum Rows {
    Run(Range<usize>),
    Picked(Arc<[usize]>),
}

impl Dataset {
    /// Loads all rows of a file, a folder, a pattern or a data set on the hub: [`from_source`](Self::from_source) of
    /// [`Source::new`].
    ///
    /// # Errors
    /// As [`from_source`](Self::from_source).
    pub fn load(spec: impl AsRef<Path>) -> Result<Self> {
        Self::from_source(&Source::new(spec))
    }

    /// Loads all rows of a source.
    ///
    /// Columns of texts, of numbers (integers, floats, booleans) and of lists of either are kept, in the order in which the files
    /// name them. A value may be missing; that is an error for those who need it.
    ///
    /// Memory holds neither the files nor their texts. Parquet files, and Arrow files without dictionaries, stay as they are: only their
    /// footers are read here. The values of a column in some thousand consecutive rows are decoded when one of them is first read, and kept in
    /// an unlinked temporary file from then on. Files of other formats are read here, and all their values are copied to such a file. The
    /// environment variable `TMPDIR` names its directory. [`Records`](crate::Records) reads the same rows one after the other, and copies
    /// nothing.
    ///
    /// # Errors
    /// When nothing matches or the name is ambiguous, when a file is of another kind, incomplete or malformed, when there are no
    /// rows, and when two files have no common column. The message names the file and the place in it. Damage within the values of a
    /// Parquet or Arrow file is an error when they are read.
    pub fn from_source(source: &Source) -> Result<Self> {
        Ok(Self::of_table(read::table(source)?))
    }

    /// Text columns from rows in memory, for small sets and tests.
    ///
    /// # Errors
    /// When there are no rows or columns, two columns have one name, or a row does not have one text for each column.
    pub fn from_rows(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<Self> {
        let values = rows.into_iter().map(|texts| texts.into_iter().map(|text| Value::Text(text.into())).collect());
        Self::in_memory(columns, values, "texts")
    }

    /// Rows in memory, with values of any type, for small sets and tests.
    ///
    /// ```
    /// use colburn_data::{Dataset, Value};
    ///
    /// let row = vec![Value::Text("what is rust".into()), Value::Text("a language".into()), Value::Float(0.9)];
    /// let data = Dataset::from_values(&["query", "positive", "label"], [row])?;
    /// assert_eq!(data.number(0, 2)?, 0.9);
    /// # Ok::<(), colburn_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_rows`](Self::from_rows).
    pub fn from_values<'a>(columns: &[&str], rows: impl IntoIterator<Item = Vec<Value<'a>>>) -> Result<Self> {
        Self::in_memory(columns, rows, "values")
    }

    /// Rows in memory; `noun` names their values in messages.
    fn in_memory<'a>(columns: &[&str], rows: impl IntoIterator<Item = Vec<Value<'a>>>, noun: &str) -> Result<Self> {
        let path = || PathBuf::from(IN_MEMORY);
        if columns.is_empty() {
            return Err(Error::Empty { path: path(), reason: "no columns" });
        }
        let mut table = TableBuilder::new(SpoolWriter::in_memory());
        for (at, name) in columns.iter().enumerate() {
            if table.column(name, Some(&ColumnKind::Missing)) != at {
                return Err(Error::Schema { path: path(), reason: read::named_twice(name) });
            }
        }
        for (row, values) in rows.into_iter().enumerate() {
            if values.len() != columns.len() {
                let (found, expected) = (values.len(), quoted(columns));
                let reason = format!("row {row} has {found} {noun}; expected one for each column: {expected}");
                return Err(Error::Rows { reason });
            }
            table.push(|column| values[column].clone(), || Place::Memory { row })?;
        }
        Ok(Self::of_table(table.finish()?))
    }

    /// All rows of a table.
    pub(crate) fn of_table(table: Table) -> Self {
        let rows = Rows::Run(0..table.rows());
        Self { table: Arc::new(table), rows, roles: None }
    }

    fn with_rows(&self, rows: Rows) -> Self {
        Self { rows, ..self.clone() }
    }

    /// The same rows with these roles of their columns, in place of those that the names and the order of the columns say.
    ///
    /// # Errors
    /// When there is no column of a name, or a column has two roles; the message has the nearest name.
    pub fn with_columns(self, roles: Roles) -> Result<Self> {
        roles.check(&self.origin(), &self.columns())?;
        Ok(Self { roles: Some(Arc::new(roles)), ..self })
    }

    /// The roles that are given to columns.
    pub(crate) fn roles(&self) -> Option<&Roles> {
        self.roles.as_deref()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Run(run) => run.len(),
            Rows::Picked(rows) => rows.len(),
        }
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the columns of texts, numbers and lists; a column's place in this list is its number.
    pub fn columns(&self) -> Vec<&str> {
        self.table.columns().iter().map(|column| column.name.as_str()).collect()
    }

    /// The value in a row of any column.
    ///
    /// # Errors
    /// When there is no such row or column.
    pub fn value(&self, row: usize, column: usize) -> Result<Value<'_>> {
        self.table.value(self.table_row(row)?, column)
    }

    /// True if the row has no value in this column, or only white space.
    ///
    /// # Errors
    /// When there is no such row or column.
    pub fn is_missing(&self, row: usize, column: usize) -> Result<bool> {
        Ok(self.value(row, column)?.is_missing())
    }

    /// The text in a row of a column of texts.
    ///
    /// # Errors
    /// When there is no such row or column of texts, and when the row has no text there.
    pub fn text(&self, row: usize, column: usize) -> Result<&str> {
        self.table.text(self.table_row(row)?, column)
    }

    /// The number in a row of a column of numbers, or of texts that spell them. Integers are exact up to 2^53, and
    /// [`integer`](Self::integer) is always; booleans are 0 and 1.
    ///
    /// # Errors
    /// When there is no such row or column, or no number there.
    pub fn number(&self, row: usize, column: usize) -> Result<f64> {
        self.table.number(self.table_row(row)?, column)
    }

    /// The integer in a row of a column of numbers, or of texts that spell them, such as an id: exact in all 64 bits. A float
    /// without a fraction below 2^53 is one too, because writers turn integers to floats where a row lacks one.
    ///
    /// # Errors
    /// When there is no such row or column, or no such integer there.
    pub fn integer(&self, row: usize, column: usize) -> Result<i64> {
        self.table.integer(self.table_row(row)?, column)
    }

    /// The list in a row of a column of lists, or of texts that are lists, written as JSON or Python do: `[1, 2]`, `['a', 'b']`.
    ///
    /// # Errors
    /// When there is no such row or column, or the value is not a list of numbers or texts.
    pub fn list(&self, row: usize, column: usize) -> Result<List<'_>> {
        self.table.list(self.table_row(row)?, column)
    }

    /// The given rows in the given order; a row may occur more than once.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let picked = rows.iter().map(|&row| self.table_row(row)).collect::<Result<_>>()?;
        Ok(self.with_rows(Rows::Picked(picked)))
    }

    /// Consecutive rows.
    ///
    /// # Errors
    /// When the range is not within the data set.
    pub fn slice(&self, rows: Range<usize>) -> Result<Self> {
        if rows.start > rows.end || rows.end > self.len() {
            return Err(Error::NoRow { row: rows.start.max(rows.end), rows: self.len() });
        }
        let rows = match &self.rows {
            Rows::Run(run) => Rows::Run(run.start + rows.start..run.start + rows.end),
            Rows::Picked(picked) => Rows::Picked(picked[rows].into()),
        };
        Ok(self.with_rows(rows))
    }

    /// The first `count` rows, or all of them when there are fewer.
    pub fn take(&self, count: usize) -> Self {
        let rows = match &self.rows {
            Rows::Run(run) => Rows::Run(run.start..run.start + count.min(run.len())),
            Rows::Picked(picked) => Rows::Picked(picked[..count.min(picked.len())].into()),
        };
        self.with_rows(rows)
    }

    /// Splits the rows at random in a training and a test part, `(train, test)`. A `test_size` below 1 is a share, of
    /// which the rows are rounded up; from 1 on it is a number of rows: `Dataset.train_test_split` of Hugging Face's
    /// `datasets`, but with another random order. The same seed gives the same split on every machine.
    ///
    /// # Errors
    /// When `test_size` is neither a share nor a whole number, or would leave a part without rows.
    pub fn train_test_split(&self, test_size: f64, seed: u64) -> Result<(Self, Self)> {
        let rows = self.len();
        let test = if test_size < 1.0 { (test_size * rows as f64).ceil() } else { test_size };
        // Written so that it is false for NaN.
        let possible = test_size > 0.0 && test >= 1.0 && test < rows as f64 && test.fract() == 0.0;
        if !possible {
            return Err(Error::TestSize { test_size, rows });
        }
        let order = permutation(rows, Purpose::Split, seed, 0);
        let (test, train) = order.split_at(test as usize);
        Ok((self.select(train)?, self.select(test)?))
    }

    /// The files that the rows come from; none for rows in memory.
    pub fn files(&self) -> &[PathBuf] {
        self.table.files()
    }

    /// One line for reports and messages: where the rows come from, how many there are, and the columns.
    pub fn description(&self) -> String {
        format!("{}: {} rows; {}", self.origin(), self.len(), self.table.column_list())
    }

    pub(crate) fn origin(&self) -> String {
        match self.files() {
            [] => IN_MEMORY.to_owned(),
            [file] => file.display().to_string(),
            [first, .., last] => format!("{} … {} ({} files)", first.display(), last.display(), self.files().len()),
        }
    }

    /// The file of a row and its place in there.
    pub(crate) fn place(&self, row: usize) -> Place {
        self.table_row(row).map_or(Place::Memory { row }, |row| self.table.place(row))
    }

    /// The length of a text in bytes; the text is not read.
    pub(crate) fn text_length(&self, row: usize, column: usize) -> Result<usize> {
        self.table.text_length(self.table_row(row)?, column)
    }

    /// True if these columns are known to hold a text with more than white space in every row, see [`Table::are_texts`].
    pub(crate) fn are_texts(&self, columns: &[usize]) -> Result<bool> {
        match &self.rows {
            Rows::Run(run) => self.table.are_texts(columns, run.clone()),
            // A few rows are faster read one by one than all others with them.
            Rows::Picked(picked) if picked.len() < FEW => Ok(false),
            Rows::Picked(_) => self.table.are_texts(columns, 0..self.table.rows()),
        }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    fn table_row(&self, row: usize) -> Result<usize> {
        let found = match &self.rows {
            Rows::Run(run) => (row < run.len()).then(|| run.start + row),
            Rows::Picked(rows) => rows.get(row).copied(),
        };
        found.ok_or(Error::NoRow { row, rows: self.len() })
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dataset").field(&self.description()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(rows: usize) -> Dataset {
        let rows = (0..rows).map(|i| vec![format!("q{i}"), format!("p{i}")]);
        Dataset::from_rows(&["query", "positive"], rows).unwrap()
    }

    fn queries(data: &Dataset) -> Vec<String> {
        (0..data.len()).map(|row| data.text(row, 0).unwrap().to_owned()).collect()
    }

    #[test]
    fn views_compose() {
        let data = numbered(10);
        assert_eq!(queries(&data.slice(2..5).unwrap()), ["q2", "q3", "q4"]);
        assert_eq!(queries(&data.slice(2..8).unwrap().slice(1..3).unwrap()), ["q3", "q4"]);
        let picked = data.slice(5..10).unwrap().select(&[4, 0, 0, 2]).unwrap();
        assert_eq!(queries(&picked), ["q9", "q5", "q5", "q7"]);
        assert_eq!(queries(&picked.slice(1..3).unwrap()), ["q5", "q5"]);
        assert_eq!(queries(&picked.select(&[3, 0]).unwrap()), ["q7", "q9"]);
        assert_eq!(queries(&picked.take(1)), ["q9"]);
        assert_eq!(queries(&data.take(2)), ["q0", "q1"]);
        assert_eq!((data.take(99).len(), picked.take(99).len()), (10, 4));
        assert!(
            data.take(0).is_empty() && data.select(&[]).unwrap().is_empty() && data.slice(3..3).unwrap().is_empty()
        );
    }

    #[test]
    fn views_share_the_texts() {
        let data = numbered(10);
        let text = data.text(7, 1).unwrap().as_ptr();
        let (train, test) = data.train_test_split(0.5, 1).unwrap();
        for view in [data.clone(), data.slice(7..8).unwrap(), data.select(&[7]).unwrap(), train, test] {
            assert!(Arc::ptr_eq(&view.table, &data.table));
            let row = (0..view.len()).find(|&row| view.text(row, 1).unwrap() == "p7");
            assert!(row.is_none_or(|row| view.text(row, 1).unwrap().as_ptr() == text));
        }
    }

    #[test]
    fn rows_and_columns_out_of_range_are_errors() {
        let data = numbered(3);
        let message = "row 3 of a data set of 3 rows; rows are counted from 0";
        assert_eq!(data.text(3, 0).unwrap_err().to_string(), message);
        assert_eq!(data.select(&[0, 3]).unwrap_err().to_string(), message);
        for (start, end) in [(0, 4), (4, 4), (2, 1), (usize::MAX, usize::MAX)] {
            assert!(data.slice(start..end).is_err());
        }
        let expected = "column 2 is not a text column; found: query (text), positive (text)";
        assert_eq!(data.text(0, 2).unwrap_err().to_string(), expected);
        assert!(data.select(&[]).unwrap().text(0, 0).is_err());
    }

    #[test]
    fn rows_in_memory_are_checked() {
        let load =
            |columns: &[&str], rows: Vec<Vec<String>>| Dataset::from_rows(columns, rows).unwrap_err().to_string();
        assert_eq!(load(&["query"], vec![]), "rows in memory: no rows");
        assert_eq!(load(&[], vec![vec![]]), "rows in memory: no columns");
        assert!(load(&["query", "query"], vec![]).contains("two columns are named \"query\""));
        let row = load(&["query", "positive"], vec![vec!["a".into(), "b".into()], vec!["c".into()]]);
        assert_eq!(row, "rows in memory: row 1 has 1 texts; expected one for each column: \"query\", \"positive\"");
    }

    #[test]
    fn descriptions_name_files_and_columns() {
        assert_eq!(numbered(3).description(), "rows in memory: 3 rows; query (text), positive (text)");
        assert!(numbered(3).files().is_empty());
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.csv", "c.csv"] {
            std::fs::write(folder.path().join(name), "query,label\nx,1\n").unwrap();
        }
        let data = Dataset::load(folder.path()).unwrap();
        assert_eq!(data.files().len(), 3);
        let place = |row: usize| data.place(row).to_string();
        assert!(
            place(0).ends_with("a.csv: row 0 (counted from 0)") && place(2).ends_with("c.csv: row 0 (counted from 0)")
        );
        let description = data.take(2).description();
        assert!(description.ends_with("c.csv (3 files): 2 rows; query (text), label (text)"), "{description}");
        assert_eq!(format!("{data:?}"), format!("Dataset({:?})", data.description()));
    }

    #[test]
    fn many_threads_may_read() {
        fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
        let data = numbered(100);
        check(&data);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let data = &data;
                scope.spawn(move || {
                    for row in (thread..100).step_by(3) {
                        assert_eq!(data.text(row, 1).unwrap(), format!("p{row}"));
                    }
                });
            }
        });
    }

    #[test]
    fn a_split_has_the_sizes_of_hugging_face() {
        // from datasets import Dataset
        // for n, size in [(10, 0.01), (10, 0.25), (30, 0.1), (7, 0.5), (10, 3), (10, 9)]:
        //     split = Dataset.from_dict({"x": range(n)}).train_test_split(size); print(len(split["train"]), len(split["test"]))
        for (rows, size, train_rows, test_rows) in
            [(10, 0.01, 9, 1), (10, 0.25, 7, 3), (30, 0.1, 27, 3), (7, 0.5, 3, 4), (10, 3.0, 7, 3), (10, 9.0, 1, 9)]
        {
            let (train, test) = numbered(rows).train_test_split(size, 42).unwrap();
            assert_eq!((train.len(), test.len()), (train_rows, test_rows), "{rows} {size}");
            let mut all = [queries(&train), queries(&test)].concat();
            all.sort_unstable();
            let mut expected = queries(&numbered(rows));
            expected.sort_unstable();
            assert_eq!(all, expected);
        }
    }

    #[test]
    fn a_split_never_changes() {
        // The order is that of shuffle::permutation(8, Split, 42, 0); its first rows are the test part.
        let (train, test) = numbered(8).train_test_split(0.25, 42).unwrap();
        assert_eq!(queries(&test), ["q6", "q0"]);
        assert_eq!(queries(&train), ["q3", "q7", "q4", "q1", "q2", "q5"]);
    }

    #[test]
    fn a_split_of_a_view_stays_in_the_view() {
        let (train, test) = numbered(10).slice(5..9).unwrap().train_test_split(0.5, 3).unwrap();
        let mut all = [queries(&train), queries(&test)].concat();
        all.sort_unstable();
        assert_eq!(all, ["q5", "q6", "q7", "q8"]);
    }

    #[test]
    fn a_split_without_rows_on_one_side_is_an_error() {
        let infinite = f64::INFINITY;
        for size in [0.0, -0.1, -1.0, 10.0, 11.0, 2.5, 0.99, 1e300, f64::NAN, infinite, -infinite] {
            let message = numbered(10).train_test_split(size, 42).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("test_size = {size} of 10 rows; expected a share above 0")),
                "{message}"
            );
        }
        assert!(numbered(1).train_test_split(0.5, 42).is_err());
        assert!(numbered(1).take(0).train_test_split(1.0, 42).is_err());
    }
}
