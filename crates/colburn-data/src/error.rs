//! The errors between a file of triplets and a batch of tokens. Every message is one line with the file, the place in it,
//! the value found and the value expected, because a data set that stops a run is usually fixed by somebody who did not
//! write it.

use std::fmt;
use std::path::PathBuf;

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The texts of a data set could not be written to the temporary file that rows are read from.
    #[error(
        "cannot keep the texts of a data set in a temporary file under {}: {source}; set TMPDIR to a writable directory with room for them",
        directory.display()
    )]
    Temporary {
        /// The directory of temporary files.
        directory: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The temporary file was changed after it was written.
    #[error(
        "row {row}, column \"{column}\": the temporary file that holds the texts was changed while in use; load the data set again"
    )]
    Damaged {
        /// Row of the file or files together, counted from 0.
        row: usize,
        /// Column name.
        column: String,
    },
    /// The path or pattern matches no data file.
    #[error(
        "no data file matches \"{spec}\"; expected a .parquet, .jsonl, .json, .csv, .tsv, .arrow or .txt file, a pattern such as \"data/train-*.parquet\", or a folder of such files"
    )]
    NotFound {
        /// The path or pattern as it was given.
        spec: String,
    },
    /// There is no such file, and the hub has no such data set.
    #[cfg(feature = "hub")]
    #[error("no data file matches \"{name}\", and from the hub: {source}")]
    Hub {
        /// The name as given.
        name: String,
        /// The error of the hub or its cache.
        source: colburn_hub::Error,
    },
    /// A file that is no data: its name has no known ending, or its content is of another kind.
    #[error("{}: {found}; {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The kind of the file.
        found: String,
        /// The way to a file that can be read.
        expected: String,
    },
    /// A directory or pattern that could mean several data sets.
    #[error("{spec}: holds {found}; name one of them, for example \"{example}\"")]
    Ambiguous {
        /// The directory or pattern as it was given.
        spec: String,
        /// The files found there.
        found: String,
        /// A pattern that would be unambiguous.
        example: String,
    },
    /// A split that a folder or pattern does not have.
    #[error("{spec}: no split \"{split}\"; found: {found}")]
    Split {
        /// The directory or pattern as it was given.
        spec: String,
        /// The split that was asked for.
        split: String,
        /// The splits found there.
        found: String,
    },
    /// A file, or a whole data set, without rows or without columns.
    #[error("{}: {reason}", path.display())]
    Empty {
        /// The file, or the first file of the data set.
        path: PathBuf,
        /// The missing part.
        reason: &'static str,
    },
    /// A file that is damaged, or not wholly there.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A Parquet file that cannot be written.
    #[error("{}: cannot be written ({reason})", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The error of the writer.
        reason: String,
    },
    /// A file of rows that cannot be written.
    #[error("{}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The problem and the expected form.
        reason: String,
    },
    /// Embeddings that do not fit into the columns of their file.
    #[error("{}: row {row} of those to be written: {reason}", path.display())]
    Embeddings {
        /// The file.
        path: PathBuf,
        /// The row among those of one call, counted from 0.
        row: usize,
        /// The problem.
        reason: String,
    },
    /// An option of a source that its files cannot have.
    #[error("{}: {reason}", spec.display())]
    Option {
        /// The source as it was given.
        spec: PathBuf,
        /// The option, and the expected value.
        reason: String,
    },
    /// A value beyond the limit of its length.
    #[error("{place}: column \"{column}\" holds a value of more than {limit}; expected shorter ones")]
    TooLong {
        /// File and row.
        place: Place,
        /// Column name.
        column: String,
        /// The greatest length.
        limit: &'static str,
    },
    /// A line that is not a CSV record or JSON object of this data set.
    #[error("{place}: {reason}")]
    Line {
        /// File and line.
        place: Place,
        /// The problem and the expected form.
        reason: String,
    },
    /// A missing text.
    #[error("{place}: column \"{column}\" is null; expected a {expected} in every row")]
    Null {
        /// File and row.
        place: Place,
        /// Column name.
        column: String,
        /// The expected value.
        expected: &'static str,
    },
    /// A value that has to be a number, or a text that spells one.
    #[error("{place}: column \"{column}\": {found}; expected a number")]
    NoNumber {
        /// File and row.
        place: Place,
        /// Column name.
        column: String,
        /// The value found.
        found: String,
    },
    /// A number that has to be an integer, such as an id.
    #[error("{place}: column \"{column}\": {found}; expected an integer of 64 bits")]
    NoInteger {
        /// File and row.
        place: Place,
        /// Column name.
        column: String,
        /// The value found.
        found: String,
    },
    /// A value that is not a list of numbers or texts.
    #[error("{place}: column \"{column}\": not a list of numbers or texts ({reason})")]
    NoList {
        /// File and row.
        place: Place,
        /// Column name.
        column: String,
        /// The value found.
        reason: String,
    },
    /// A value of another type than it has to be.
    #[error("{place}: column \"{column}\" holds a {found}; expected a {expected}")]
    Type {
        /// File and row.
        place: Place,
        /// Column name.
        column: String,
        /// "text".
        expected: &'static str,
        /// The type of this value.
        found: String,
    },
    /// Two files of one data set without a common column, one file with the same column twice, or a damaged list of files.
    #[error("{}: {reason}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// Rows given in memory that do not fit the columns given with them.
    #[error("rows in memory: {reason}")]
    Rows {
        /// The problem.
        reason: String,
    },
    /// A row that the data set does not have.
    #[error("row {row} of a data set of {rows} rows; rows are counted from 0")]
    NoRow {
        /// The requested row.
        row: usize,
        /// The number of rows.
        rows: usize,
    },
    /// A column that the data set does not have, or one of another type.
    #[error("column {column} is not a {expected} column; found: {found}")]
    NoColumn {
        /// The requested column, counted from 0.
        column: usize,
        /// "text", "number", "list" or "kept".
        expected: &'static str,
        /// The columns of the data set with their types.
        found: String,
    },
    /// A test share or size outside the data set.
    #[error(
        "test_size = {test_size} of {rows} rows; expected a share above 0 and below 1, or a whole number of rows from 1 to {}, such that both parts keep a row",
        rows.saturating_sub(1)
    )]
    TestSize {
        /// The requested size.
        test_size: f64,
        /// Rows in the data set.
        rows: usize,
    },
    /// Columns without a query or documents.
    #[error(
        "{data}: {problem}; found: {found}; expected columns of texts named query, positive, negative, … (ids, labels and scores are no texts), or their names in [data.columns]"
    )]
    Roles {
        /// The data set.
        data: String,
        /// The rule that the columns break.
        problem: String,
        /// The columns of the data set with their types.
        found: String,
    },
    /// Columns of which none, or more than one, could be the ids or the texts.
    #[error("{data}: {problem}")]
    Columns {
        /// The data set.
        data: String,
        /// The problem, and the columns that there are.
        problem: String,
    },
    /// Roles that are given to columns that do not exist, or twice to one.
    #[error("{data}: columns: `{role}`: {problem}")]
    Mapping {
        /// The data set.
        data: String,
        /// The role.
        role: String,
        /// The problem.
        problem: String,
    },
    /// Rows of which none can be used.
    #[error("{data}: {problem}")]
    NoRows {
        /// The data set.
        data: String,
        /// The reason, and the number of rows.
        problem: String,
    },
    /// A table of a distillation data set that lacks a column, or has it with another type.
    #[error("{data}: {problem}; found: {found}; expected for the {role} of a distillation data set: {expected}")]
    Table {
        /// The data set.
        data: String,
        /// "train rows", "queries" or "documents".
        role: &'static str,
        /// The column that is missing or of another type.
        problem: String,
        /// The columns of the data set with their types.
        found: String,
        /// The columns that it needs.
        expected: &'static str,
    },
    /// A row of a distillation data set, or of one with lists, that is not a valid example.
    #[error("{place}: {problem}")]
    Example {
        /// File and row.
        place: Place,
        /// The problem, with the id of the row's query if it has one, and the expected value.
        problem: String,
    },
    /// A distillation data set and a documents table that share no id.
    #[error(
        "{documents}: none of the {count} document_ids that {train} names is a document_id here; is this the documents table of other rows?"
    )]
    NoDocument {
        /// The documents table.
        documents: String,
        /// The train rows.
        train: String,
        /// The number of ids looked for.
        count: usize,
    },
    /// Too few documents for a distillation.
    #[error("n_ways = {n_ways}; expected at least 2, because the scores are those of documents beside each other")]
    NWays {
        /// The number that was given.
        n_ways: usize,
    },
    /// A prompt for a column that is not a text column of the data set.
    #[error("prompts: {data} has no text column \"{column}\"{nearest}; expected one of {known}")]
    Prompts {
        /// The data set.
        data: String,
        /// The column named.
        column: String,
        /// `; the nearest is "…"`, or nothing.
        nearest: String,
        /// The columns that are texts.
        known: String,
    },
    /// A sampler over several data sets got none.
    #[error("a sampler over several data sets needs at least one")]
    NoSampler,
    /// A batch of no rows.
    #[error("batch_size = 0; expected at least 1")]
    BatchSize,
    /// A shuffle buffer of no rows.
    #[error("buffer_size = 0; expected at least 1")]
    BufferSize,
    /// A sampler of rows that are streamed.
    #[error("{data}; a sampler needs the number of the rows, and data that is not streamed is expected")]
    Streamed {
        /// The data set.
        data: String,
    },
    /// The tokenizer refused a text.
    #[error(transparent)]
    Tokenizer(#[from] colburn_model::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// The place of a row in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file, counted from 1 as editors do.
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// A row of a Parquet file, counted from 0 as data frames do.
    Row {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
    },
    /// A row given in memory, counted from 0.
    Memory {
        /// The row.
        row: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { path, line } => write!(f, "{}:{line}", path.display()),
            Place::Row { path, row } => write!(f, "{}: row {row} (counted from 0)", path.display()),
            Place::Memory { row } => write!(f, "row {row} in memory (counted from 0)"),
        }
    }
}

/// Names in quotes, separated by commas, as all messages list columns.
pub(crate) fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("\"{}\"", name.as_ref())).collect();
    names.join(", ")
}
