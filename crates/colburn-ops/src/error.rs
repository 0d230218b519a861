//! The errors of this crate.

/// What can go wrong in an operation on packed sequences.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More keys than tokens were asked for.
    #[error("sequence {sequence} has {length} tokens but {keys} keys; a sequence can attend to at most its own tokens")]
    KeysExceedLength {
        /// Position of the sequence in the batch.
        sequence: usize,
        /// Its number of tokens.
        length: usize,
        /// The number of keys that was asked for.
        keys: usize,
    },
    /// A list that goes with the spans is of another length.
    #[error("{what} has {found} entries; the spans have {expected}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Queries and documents of different widths.
    #[error("queries have {queries} dimensions and documents {documents}; scores need the same")]
    Dimensions {
        /// Width of the query vectors.
        queries: usize,
        /// Width of the document vectors.
        documents: usize,
    },
    /// The documents do not divide into one group a query.
    #[error("{documents} documents cannot be shared out evenly to {queries} queries")]
    Groups {
        /// Number of queries.
        queries: usize,
        /// Number of documents.
        documents: usize,
    },
    /// XTR that keeps nothing.
    #[error("k = 0; XTR keeps at least 1 match of each query token")]
    NothingKept,
    /// The device failed.
    #[error("the device could not be read: {0}")]
    Device(String),
    /// A device that this build does not have.
    #[error("device `{name}` is not in this build; rebuild with `--features {feature}` (this build has: {available})")]
    MissingBackend {
        /// The name that was asked for.
        name: String,
        /// The feature that brings the backend.
        feature: String,
        /// The backends of this build.
        available: String,
    },
    /// The backend is there, the device is not.
    #[error("no device `{name}`: this machine has {found} for that backend (is its driver installed?)")]
    NoDevice {
        /// The name that was asked for.
        name: String,
        /// How many devices the backend sees.
        found: usize,
    },
    /// A name that is no device at all.
    #[error(
        "unknown device `{name}`; one of flex, ndarray, wgpu, cuda, cuda:N is expected (this build has: {available})"
    )]
    UnknownDevice {
        /// The name that was asked for.
        name: String,
        /// The backends of this build.
        available: String,
    },
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;
