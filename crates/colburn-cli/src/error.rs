//! The errors of the binary itself. The library's errors pass through as they are: they name their file, key or row.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },

    /// Something in the description of a run; the place is `FILE:LINE`, `--set KEY=VALUE`, or the file.
    #[error("{place}: {message}")]
    Run { place: String, message: String },

    #[error("--resume resumes training, but do_train in [training] is false; leave one of them out")]
    NothingToResume,

    #[error("{place}: {message}")]
    Text { place: String, message: String },

    #[error("{}: {message}", path.display())]
    Texts { path: PathBuf, message: String },

    #[error(
        "two collections give the metric {metric}, so that one would hide the other; rename a folder, or measure them one by one"
    )]
    SameMetric { metric: String },

    #[error(transparent)]
    Device(#[from] colburn::ops::Error),

    #[error(transparent)]
    Model(#[from] colburn::model::Error),

    #[error(transparent)]
    Data(#[from] colburn::data::Error),

    #[error(transparent)]
    Evaluation(#[from] colburn::eval::Error),

    #[error(transparent)]
    Search(#[from] colburn::search::Error),

    #[error(transparent)]
    Training(#[from] colburn::train::Error),
}

pub type Result<T> = std::result::Result<T, Error>;
