//! The errors of this crate.

/// An error of an operation on packed sequences.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sequence with more keys than tokens.
    #[error("sequence {sequence} has {length} tokens but {keys} keys; a sequence can attend to at most its own tokens")]
    KeysExceedLength {
        /// Position of the sequence in the batch.
        sequence: usize,
        /// Its number of tokens.
        length: usize,
        /// Its number of keys.
        keys: usize,
    },
    /// A list that goes with the spans is of another length.
    #[error("{what} has {found} entries; the spans have {expected}")]
    Length {
        /// The name of the list.
        what: &'static str,
        /// The expected number of entries.
        expected: usize,
        /// The number of entries.
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
    /// Queries and documents that were prepared for products of different precision.
    #[error("queries are prepared in {queries} and documents in {documents}; scores need the same precision")]
    Precisions {
        /// Precision of the queries.
        queries: String,
        /// Precision of the documents.
        documents: String,
    },
    /// Documents that do not divide into one group a query.
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
        /// The name as it was given.
        name: String,
        /// The feature that brings the backend.
        feature: String,
        /// The backends of this build.
        available: String,
    },
    /// A device that the machine does not have, of a backend that the build has.
    #[error("no device `{name}`: this machine has {found} for that backend (is its driver installed?)")]
    NoDevice {
        /// The name as it was given.
        name: String,
        /// The number of devices that the backend sees.
        found: usize,
    },
    /// A precision that a device does not compute in.
    #[error("the device {device} does not compute in {precision}; it has {available}")]
    Precision {
        /// Its name.
        precision: &'static str,
        /// The device.
        device: &'static str,
        /// The precisions of the device.
        available: String,
    },
    /// A name of no known device.
    #[error(
        "unknown device `{name}`; one of flex, ndarray, wgpu, cuda, cuda:N is expected (this build has: {available})"
    )]
    UnknownDevice {
        /// The name as it was given.
        name: String,
        /// The backends of this build.
        available: String,
    },
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;
