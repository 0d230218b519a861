//! The errors of this crate. Each is one line that names the culprit and says what would be right.

use std::path::{Path, PathBuf};

/// What can go wrong in loading, running and saving a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no such folder.
    #[error("model directory `{}` does not exist; expected a folder with config.json, model.safetensors and tokenizer.json", path.display())]
    NoDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such folder, and the hub has no such model that could be fetched.
    #[cfg(feature = "hub")]
    #[error("there is no folder `{}`, and from the hub: {source}", name.display())]
    Hub {
        /// What was given.
        name: PathBuf,
        /// What the hub, or its cache, has to say.
        source: colburn_hub::Error,
    },
    /// A folder lacks a file that a model needs.
    #[error("`{}` has no {file}; {expected}", directory.display())]
    MissingFile {
        /// The folder.
        directory: PathBuf,
        /// The file.
        file: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// A file is not the JSON that it should be.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
    /// A value in a configuration file, or an option, cannot be used.
    #[error("{place}: {message}")]
    Config {
        /// The file, or the name of the options.
        place: String,
        /// The key, its value, and what would be right.
        message: String,
    },
    /// A file of weights cannot be read as what it is, holds a weight that is none of f32, f64, f16, bf16, or lacks what its index promises.
    #[error("{}: {message}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Tensors that the configuration asks for are not in the checkpoint, or are of other shapes.
    #[error("{}: {}", path.display(), misfits(missing, misshaped))]
    Tensors {
        /// The file, or the index of several.
        path: PathBuf,
        /// The names of those that are missing.
        missing: Vec<String>,
        /// Those of other shapes.
        misshaped: Vec<Misshaped>,
    },
    /// Weights that are NaN or infinite: the file is damaged, or the training run diverged.
    #[error("{}: {tensors} tensor(s) hold NaN or infinite weights, `{first}` is the first; only finite weights are loaded and saved", path.display())]
    NonFiniteWeights {
        /// The file that was read, or the folder that was to be written.
        path: PathBuf,
        /// Hugging Face's name of the first of these tensors.
        first: String,
        /// The number of these tensors.
        tensors: usize,
    },
    /// A tokenizer file that cannot be used, or a text that it cannot encode.
    #[error("{place}: {message}")]
    Tokenizer {
        /// The file, or "tokenizer".
        place: String,
        /// What the tokenizers library said.
        message: String,
    },
    /// Vectors that are to be pooled are not finite, or too large for their product.
    #[error("token vectors {first} and {second} of a text have distance {distance}; only finite vectors can be pooled")]
    NotFinite {
        /// One vector, counted from 0 within its text.
        first: usize,
        /// The other one.
        second: usize,
        /// 1 − their dot product.
        distance: f32,
    },
    /// A device failed to hand over its results.
    #[error("reading from the device failed: {0}")]
    Device(String),
    /// An operation on packed sequences refused its input.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
}

/// A tensor of another shape than the configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshaped {
    /// Its name.
    pub tensor: String,
    /// Shape by the configuration.
    pub expected: Vec<usize>,
    /// Shape in the checkpoint.
    pub found: Vec<usize>,
}

/// What is missing and what is misshaped, on one line: a few of each by name, and how many more there are.
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

/// The first ones of a list, and how many more it has.
pub(crate) fn few(names: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn config(place: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Config { place: place.as_ref().display().to_string(), message: message.into() }
    }

    pub(crate) fn weights(path: impl AsRef<Path>, message: impl ToString) -> Self {
        Self::Weights { path: path.as_ref().to_owned(), message: message.to_string() }
    }
}
