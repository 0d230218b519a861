//! The errors of this crate.

use std::path::PathBuf;

/// An error of an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data does not have the columns or rows that the evaluator needs.
    #[error("{evaluator}: {message}")]
    Data {
        /// The evaluator.
        evaluator: &'static str,
        /// The problem, and what would be right.
        message: String,
    },
    /// A collection that nothing can be retrieved from, or whose files do not fit together.
    #[error("{place}: {message}")]
    Collection {
        /// The folder, or the file and the row in it.
        place: String,
        /// The problem, and what would be right.
        message: String,
    },
    /// A collection that is not there and cannot be fetched from the hub.
    #[cfg(feature = "hub")]
    #[error("{name}: {looked}; from the hub: {source}")]
    Hub {
        /// The collection.
        name: String,
        /// The place where it was looked for.
        looked: String,
        /// The error of the hub, or of its cache.
        source: colburn_hub::Error,
    },
    /// An option of an evaluator cannot be used.
    #[error("{option} = {value}: {message}")]
    Option {
        /// Its name.
        option: &'static str,
        /// The value that was given.
        value: String,
        /// The values that would be right.
        message: String,
    },
    /// A setting of a configuration file that cannot be used.
    #[error("{key}: {message}")]
    Setting {
        /// Its key.
        key: &'static str,
        /// The problem, and what would be right.
        message: String,
    },
    /// Vectors that nothing can be scored with.
    #[error("{text}: the vectors hold NaN or infinite values; is the model damaged, or has its training diverged?")]
    NotFinite {
        /// The text: `document "d1"`.
        text: String,
    },
    /// A score by which documents cannot be ordered.
    #[error(
        "score {position} of {scores} (counted from 0) is NaN: nothing can be ordered by it; finite scores are expected"
    )]
    Score {
        /// Its position.
        position: usize,
        /// The number of scores.
        scores: usize,
    },
    /// There is no metric of this name.
    #[error("metric \"{metric}\": {message}")]
    Metric {
        /// The name.
        metric: String,
        /// The values that would be right.
        message: String,
    },
    /// Results or judgements of a query that nothing can be computed from.
    #[error("query \"{query}\", document \"{document}\": {message}")]
    Judgement {
        /// The query's id.
        query: String,
        /// The document's id.
        document: String,
        /// The problem, and what would be right.
        message: String,
    },
    /// A results file cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Scores could not be read from the device.
    #[error("reading from the device failed: {0}")]
    Device(String),
    /// A row cannot be read.
    #[error(transparent)]
    Dataset(#[from] colburn_data::Error),
    /// A text cannot be encoded.
    #[error(transparent)]
    Model(#[from] colburn_model::Error),
    /// Searching a corpus failed.
    #[error(transparent)]
    Search(#[from] colburn_search::Error),
    /// Scores cannot be computed.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
    /// The error of an evaluator of one's own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The error of an evaluator of one's own, from an error or a text.
    ///
    /// ```
    /// let error = colburn_eval::Error::other("no answer from the judge");
    /// assert_eq!(error.to_string(), "no answer from the judge");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// The result of an evaluation.
pub type Result<T> = std::result::Result<T, Error>;
