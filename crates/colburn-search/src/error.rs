//! The errors of this crate. Each is one line that names the culprit and says what would be right.

use std::path::{Path, PathBuf};

/// What can go wrong in searching and reranking.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Embeddings of different widths meet.
    #[error("{what} have {found} dimensions, {expected} are expected: both sides must come from one model")]
    Dimensions {
        /// Whose width is wrong.
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
        /// What was given.
        value: String,
        /// What would be right.
        message: String,
    },
    /// A file or folder of an index cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder is no index, or not one that can be used, or a file of it is damaged.
    #[error("{}: {message}", path.display())]
    Index {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        message: String,
    },
    /// Somebody else writes to an index.
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
        /// How many there are.
        count: usize,
        /// The first few of them.
        shown: String,
    },
    /// A document that cannot be put into an index.
    #[error("document {id:?}: {message}")]
    Document {
        /// Its id.
        id: String,
        /// What is wrong with it.
        message: String,
    },
    /// Lists that belong together differ in length.
    #[error("{found} {what}; {expected} are expected")]
    Length {
        /// What there are too many or too few of.
        what: String,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A score is no number, so that nothing can be ordered by it.
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
