//! The errors of this crate. Each is one line that names the file, key or tensor and says what would be right.

use std::path::{Path, PathBuf};

/// An error in loading, running or saving a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The folder does not exist.
    #[error("model directory `{}` does not exist; expected a folder with config.json, model.safetensors and tokenizer.json", path.display())]
    NoDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// The folder does not exist, and the hub has no such model, or it could not be fetched.
    #[cfg(feature = "hub")]
    #[error("there is no folder `{}`, and from the hub: {source}", name.display())]
    Hub {
        /// The path or name.
        name: PathBuf,
        /// The error of the hub or its cache.
        source: colburn_hub::Error,
    },
    /// A folder lacks a file that a model needs.
    #[error("`{}` has no {file}; {expected}", directory.display())]
    MissingFile {
        /// The folder.
        directory: PathBuf,
        /// The file.
        file: &'static str,
        /// The expected file, in words.
        expected: &'static str,
    },
    /// A Git LFS pointer in the place of a file of the model.
    #[error("{}: a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`, or download it anew", path.display())]
    Pointer {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the expected JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The error of the parser, with line and column.
        source: serde_json::Error,
    },
    /// A value in a configuration file, an option or an argument cannot be used.
    #[error("{place}: {message}")]
    Config {
        /// The file, or the name of the option or argument.
        place: String,
        /// The key, its value and the expected value.
        message: String,
    },
    /// A file of weights is damaged, has a weight of another type than f32, f64, f16 and bf16, or lacks a tensor that its index lists.
    #[error("{}: {message}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The problem.
        message: String,
    },
    /// Tensors that the configuration requires are missing in the checkpoint or have other shapes.
    #[error("{}: {}", path.display(), misfits(missing, misshaped))]
    Tensors {
        /// The file, or the index of several.
        path: PathBuf,
        /// The names of the missing ones.
        missing: Vec<String>,
        /// The ones with other shapes.
        misshaped: Vec<Misshaped>,
    },
    /// A model with NaN or infinite weights, as of a training run that diverged, was to be saved.
    #[error("{}: {tensors} tensor(s) hold NaN or infinite weights, `{first}` is the first; such a model is not saved", path.display())]
    NonFiniteWeights {
        /// The folder of the save.
        path: PathBuf,
        /// Hugging Face's name of the first of these tensors.
        first: String,
        /// The number of these tensors.
        tensors: usize,
    },
    /// A tokenizer file cannot be used, or a text cannot be encoded.
    #[error("{place}: {message}")]
    Tokenizer {
        /// The file.
        place: String,
        /// The error of the tokenizers library.
        message: String,
    },
    /// Vectors that are to be pooled are not finite, or their product is not.
    #[error("token vectors {first} and {second} of a text have distance {distance}; only finite vectors can be pooled")]
    NotFinite {
        /// The position of one vector in its text, counted from 0.
        first: usize,
        /// The position of the other one.
        second: usize,
        /// 1 − their dot product.
        distance: f32,
    },
    /// Reading from a device failed.
    #[error("reading from the device failed: {0}")]
    Device(String),
    /// An operation on packed sequences refused its input.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
    /// An error of code outside of this crate, see [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// A tensor of another shape than the configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshaped {
    /// The name.
    pub tensor: String,
    /// The shape by the configuration.
    pub expected: Vec<usize>,
    /// The shape in the checkpoint.
    pub found: Vec<usize>,
}

/// The missing and the misshaped tensors on one line: a few of each by name, and the number of the others.
fn misfits(missing: &[String], misshaped: &[Misshaped]) -> String {
    let lacking =
        format!("{} tensor(s) missing: {}", missing.len(), few(missing.iter().map(|name| format!("`{name}`"))));
    let shape = |tensor: &Misshaped| format!("`{}` {:?} instead of {:?}", tensor.tensor, tensor.found, tensor.expected);
    let wrong = few(misshaped.iter().map(shape));
    let wrong = format!("{} tensor(s) not of the shape that the configuration asks for: {wrong}", misshaped.len());
    match (missing, misshaped) {
        (_, []) => lacking,
        ([], _) => wrong,
        _ => format!("{lacking}; {wrong}"),
    }
}

/// The first names of a list and the number of the others.
pub(crate) fn few(names: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the caller's own code, for functions that return this crate's [`Result`].
    ///
    /// ```
    /// let error = colburn_model::Error::other("the teacher has no scores for this query");
    /// assert_eq!(error.to_string(), "the teacher has no scores for this query");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn config(place: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Config { place: place.as_ref().display().to_string(), message: message.into() }
    }

    pub(crate) fn tokenizer(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Tokenizer { place: path.display().to_string(), message: error.into().to_string() }
    }

    pub(crate) fn weights(path: impl AsRef<Path>, message: impl ToString) -> Self {
        Self::Weights { path: path.as_ref().to_owned(), message: message.to_string() }
    }
}
