//! One error for scripts that use several of the crates.

/// An error of any of colburn's crates, or of the script itself.
///
/// ```
/// fn run() -> colburn::Result<()> {
///     let limit: f64 = "0.5".parse().map_err(colburn::Error::other)?;
///     if limit > 1.0 {
///         return Err(colburn::Error::other("the limit is at most 1"));
///     }
///     Ok(())
/// }
/// # run().unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading, splitting or collating data.
    #[error(transparent)]
    Data(#[from] colburn_data::Error),
    /// Evaluating a model.
    #[error(transparent)]
    Eval(#[from] colburn_eval::Error),
    /// Downloads from the Hugging Face hub, and uploads.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] colburn_hub::Error),
    /// Computing a loss.
    #[error(transparent)]
    Loss(#[from] colburn_loss::Error),
    /// Loading, running or saving a model.
    #[error(transparent)]
    Model(#[from] colburn_model::Error),
    /// An operation on packed sequences, or the choice of a device.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
    /// Writing a report.
    #[error(transparent)]
    Report(#[from] colburn_report::Error),
    /// Searching, reranking, or an index.
    #[error(transparent)]
    Search(#[from] colburn_search::Error),
    /// Training.
    #[error(transparent)]
    Train(#[from] colburn_train::Error),
    /// An error of the script.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error of the script: a message, or any other error.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// The result of a script.
pub type Result<T> = std::result::Result<T, Error>;
