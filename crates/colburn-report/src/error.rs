//! The errors of this crate: each is one line and names the file, the name or the argument.

use std::path::{Path, PathBuf};

/// An error of a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is not JSON, or not the JSON that belongs there.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// A name that no reporter has.
    #[error("unknown reporter `{name}`; {}known are {known}", nearest.map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default())]
    UnknownReporter {
        /// The name.
        name: String,
        /// The known name that is nearest to it.
        nearest: Option<&'static str>,
        /// The names that there are.
        known: String,
    },
    /// The page of a run cannot be made.
    #[error("report.html: {0}")]
    Page(#[from] minijinja::Error),
    /// A training argument has a value that it cannot have.
    #[cfg(feature = "hub")]
    #[error("training argument `{key}` is {value}; {expected}")]
    Argument {
        /// Its name.
        key: &'static str,
        /// The value that was given.
        value: String,
        /// The values that it can have.
        expected: String,
    },
    /// The hub does not take uploads.
    #[cfg(feature = "hub")]
    #[error("`push_to_hub`: {0}")]
    Hub(#[from] colburn_hub::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] colburn_data::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] colburn_model::Error),
    /// An error of a user's own reporter.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a user's own reporter: a message, or any other error.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// Names the path in an input or output error.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.as_ref().to_owned(), source }
    }

    /// Names the path in an error of JSON.
    pub(crate) fn json(path: impl AsRef<Path>) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { path: path.as_ref().to_owned(), source }
    }
}
