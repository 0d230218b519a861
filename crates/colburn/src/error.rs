//! One error for scripts that use several of the crates.

/// Whatever went wrong in one of colburn's crates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading, splitting or collating data.
    #[error(transparent)]
    Data(#[from] colburn_data::Error),
    /// Evaluating a model.
    #[error(transparent)]
    Eval(#[from] colburn_eval::Error),
    /// Computing a loss.
    #[error(transparent)]
    Loss(#[from] colburn_loss::Error),
    /// Loading, running or saving a model.
    #[error(transparent)]
    Model(#[from] colburn_model::Error),
    /// An operation on packed sequences, or the choice of a device.
    #[error(transparent)]
    Ops(#[from] colburn_ops::Error),
    /// Searching, reranking, or an index.
    #[error(transparent)]
    Search(#[from] colburn_search::Error),
    /// Training.
    #[error(transparent)]
    Train(#[from] colburn_train::Error),
}

/// The result of a script.
pub type Result<T> = std::result::Result<T, Error>;
