//! The errors of this crate. Each is one line with the repository, the revision and the file, and what to do. None contains a token.

use std::path::{Path, PathBuf};

/// The errors between a name and its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is not the name of a repository.
    #[error("{name:?} is not the name of a repository: {message}")]
    Name {
        /// The name as given.
        name: String,
        /// The expected form.
        message: String,
    },
    /// The hub refused, or its answer is not that of a hub.
    #[error("{what}: {message}")]
    Hub {
        /// The requested resource: kind, repository, revision, and the file if there is one.
        what: String,
        /// The problem, and what to do.
        message: String,
    },
    /// There was no answer, or the hub was busy at every attempt.
    #[error("{what}: {message}")]
    Unavailable {
        /// The requested resource.
        what: String,
        /// The problem, and what to do.
        message: String,
    },
    /// A resource is not in the cache, and the network must not be used.
    #[error("{what}: {message}")]
    Offline {
        /// The requested resource.
        what: String,
        /// The missing resource, and what to do.
        message: String,
    },
    /// A data set lacks the requested configuration, split or files.
    #[error("{what}: {message}")]
    Dataset {
        /// The data set.
        what: String,
        /// The problem, and the available names.
        message: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a file or folder.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}
