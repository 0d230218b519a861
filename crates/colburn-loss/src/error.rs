//! The errors of this crate.

/// What can be wrong with the batch or the settings of a loss.
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
    /// A temperature that cannot divide scores.
    #[error("temperature = {0}; a positive number is expected")]
    Temperature(f64),
    /// Scores could not be computed.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
}

/// The result of a loss.
pub type Result<T> = std::result::Result<T, Error>;
