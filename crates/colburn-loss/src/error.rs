//! The errors of this crate.

/// An error of the batch or the settings of a loss.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A contrastive batch without anything to contrast.
    #[error(
        "the batch has {queries} queries and {documents} documents; at least one document a query, and as many for each, is expected"
    )]
    Groups {
        /// Number of queries.
        queries: usize,
        /// Number of documents.
        documents: usize,
    },
    /// Groups of documents that a teacher's scores cannot tell apart.
    #[error(
        "the batch has {queries} queries and {documents} documents; the loss `{loss}` compares the documents of a query, so at least two for each (`n_ways`), and as many for each, are expected"
    )]
    Candidates {
        /// The loss.
        loss: &'static str,
        /// Number of queries.
        queries: usize,
        /// Number of documents.
        documents: usize,
    },
    /// A loss that learns from a teacher, on data without one.
    #[error(
        "the loss `{loss}` learns from a teacher's scores, and the data has none; it needs rows of `query_id`, `document_ids` and `scores`, with a table of queries and one of documents"
    )]
    NoScores {
        /// The loss.
        loss: &'static str,
    },
    /// A loss that learns from positives, on the data of a teacher.
    #[error(
        "the loss `{loss}` takes the first document of a row for its positive, and the data has a teacher's scores instead; it needs columns of text (query, positive, negatives), or use `distillation` or `margin_mse`"
    )]
    NoPositives {
        /// The loss.
        loss: &'static str,
    },
    /// Scores and documents that do not correspond.
    #[error("the loss `{loss}` got {scores} scores for {documents} documents; one score a document is expected")]
    ScoreCount {
        /// The loss.
        loss: &'static str,
        /// Number of the teacher's scores.
        scores: usize,
        /// Number of documents.
        documents: usize,
    },
    /// A score that nothing can be learnt from.
    #[error(
        "the teacher's score of document {document} of row {row} of the batch is {value}; a finite number is expected"
    )]
    Score {
        /// Position of the row in the batch, from 0.
        row: usize,
        /// Position of the document in its row, from 0.
        document: usize,
        /// The score.
        value: f32,
    },
    /// A temperature that cannot divide scores.
    #[error("temperature = {0}; a positive number is expected")]
    Temperature(f64),
    /// A setting of a configuration file that cannot be used.
    #[error("{key}: {message}")]
    Setting {
        /// Its key.
        key: &'static str,
        /// The problem, and what would be right.
        message: String,
    },
    /// Scores could not be computed.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
    /// The error of a loss of one's own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The error of a loss of one's own, from an error or a text.
    ///
    /// ```
    /// let error = colburn_loss::Error::other("margin = -1; a positive number is expected");
    /// assert_eq!(error.to_string(), "margin = -1; a positive number is expected");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// The result of a loss.
pub type Result<T> = std::result::Result<T, Error>;

/// Checks that scores can be divided by a temperature.
pub(crate) fn check_temperature(temperature: f64) -> Result<()> {
    if temperature.is_finite() && temperature > 0.0 { Ok(()) } else { Err(Error::Temperature(temperature)) }
}
