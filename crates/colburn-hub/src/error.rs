//! The errors of this crate. Each is one line that names the repository, the revision and the file, and says what to do. No token is
//! ever part of one.

use std::path::PathBuf;

/// What can go wrong between a name and its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No repository can be called that.
    #[error("{name:?} is no name of a repository: {message}")]
    Name {
        /// What was given.
        name: String,
        /// What would be right.
        message: String,
    },
    /// The hub refused, or answered something else than a hub does.
    #[error("{what}: {message}")]
    Hub {
        /// What was asked for: kind, repository, revision, and file if it was one.
        what: String,
        /// What happened, and what to do.
        message: String,
    },
    /// There was no answer, or none but that the hub is busy, however often it was asked.
    #[error("{what}: {message}")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// What happened, and what to do.
        message: String,
    },
    /// Something is needed that is not in the cache, and the network is not to be used.
    #[error("{what}: {message}")]
    Offline {
        /// What was asked for.
        what: String,
        /// What is missing, and what to do.
        message: String,
    },
    /// A data set has not the configuration, the split or the files that were asked for.
    #[error("{what}: {message}")]
    Dataset {
        /// The data set.
        what: String,
        /// What is wrong, and what there is.
        message: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;
