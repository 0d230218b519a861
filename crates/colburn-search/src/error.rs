//! The errors of this crate. Each is one line with the cause and the expected value.

use std::path::{Path, PathBuf};

/// The errors of searching and reranking.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Embeddings of two widths.
    #[error("{what} have {found} dimensions, {expected} are expected: both sides must come from one model")]
    Dimensions {
        /// The side with the wrong width.
        what: String,
        /// The width of the other side.
        expected: usize,
        /// Their width.
        found: usize,
    },
    /// An argument cannot be used.
    #[error("{name} = {value}: {message}")]
    Argument {
        /// Its name.
        name: &'static str,
        /// The value.
        value: String,
        /// The expected value.
        message: String,
    },
    /// A file or folder of an index cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A folder is not an index that can be used, or a file of it is damaged.
    #[error("{}: {message}", path.display())]
    Index {
        /// The folder, or the file in it.
        path: PathBuf,
        /// The problem, and the expected state.
        message: String,
    },
    /// Another writer has the index open.
    #[error("{}: another writer has this index open; wait for it to end", path.display())]
    Locked {
        /// The folder of the index.
        path: PathBuf,
    },
    /// Ids that an index does not have.
    #[error("{}: {count} of the ids are not in the index: {shown}", path.display())]
    UnknownIds {
        /// The folder of the index.
        path: PathBuf,
        /// The number of them.
        count: usize,
        /// The first few of them.
        shown: String,
    },
    /// A document that cannot be put into an index.
    #[error("document {id:?}: {message}")]
    Document {
        /// Its id.
        id: String,
        /// The problem.
        message: String,
    },
    /// Lists that belong together differ in length.
    #[error("{found} {what}; {expected} are expected")]
    Length {
        /// The items that are too many or too few.
        what: String,
        /// The expected number.
        expected: usize,
        /// The number of them.
        found: usize,
    },
    /// A score is not finite, so nothing can be ordered by it.
    #[error(
        "the score of query {query} with document {document} is {score}: the embeddings hold values that are not finite"
    )]
    Score {
        /// The query, counted from 0.
        query: usize,
        /// The document, by the caller's number.
        document: usize,
        /// The score.
        score: f32,
    },
    /// Scores could not be read from the device.
    #[error("reading from the device failed: {0}")]
    Device(String),
    /// Reading or writing files of a model's crate.
    #[error(transparent)]
    Model(#[from] colburn_model::Error),
    /// An operation on packed embeddings refused its input.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn index(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Index { path: path.as_ref().to_owned(), message: message.into() }
    }

    pub(crate) fn document(id: &str, message: impl Into<String>) -> Self {
        Self::Document { id: id.to_owned(), message: message.into() }
    }
}
