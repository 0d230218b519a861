//! The errors of this crate: each is one line and names the argument, the file or the step.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// An error of a training run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A training argument has a wrong value.
    #[error("training argument `{key}` is {value}; {expected}")]
    Argument {
        /// Its name, as in [`TrainingArguments`](crate::TrainingArguments).
        key: &'static str,
        /// The value that was given.
        value: String,
        /// The values that would be right.
        expected: Cow<'static, str>,
    },
    /// The trainer has nothing to train on.
    #[error("there is no training data; give it by `Trainer::train_dataset`, or by the key `train` of `[data]`")]
    NoTrainDataset,
    /// Evaluation was asked for, but there is nothing to evaluate.
    #[error(
        "`{key}` asks for evaluation, but there is neither an eval dataset nor an evaluator; give one, or leave `{key}` out"
    )]
    NothingToEvaluate {
        /// The argument that asks for it.
        key: &'static str,
    },
    /// A dataset with too few rows for a batch.
    #[error(
        "the {which} dataset has {rows} rows, which make no batch of {batch_size}; give more rows, or set `dataloader_drop_last` to false"
    )]
    NoBatch {
        /// `train` or `eval`.
        which: &'static str,
        /// Its number of rows.
        rows: usize,
        /// The batch size.
        batch_size: usize,
    },
    /// A dataset that is streamed where one has to be read whole.
    #[error("{data}: {problem}; a dataset that is not streamed is expected")]
    Streamed {
        /// The dataset.
        data: String,
        /// The reason.
        problem: &'static str,
    },
    /// A second run in the output folder of the first.
    #[error(
        "{}: another run is writing into this folder; wait until it is over, or give another `output_dir`",
        path.display()
    )]
    OutputInUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is not JSON, or not the expected JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// An optimizer state that cannot be written, or does not fit the model.
    #[error("{}: {message}", path.display())]
    OptimizerState {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// Losses or gradients that are not finite, in too many consecutive steps. Such a step changes no weight.
    #[error(
        "step {step}: the {what} is {value}, for the {skipped}th step in a row; lower `learning_rate`, raise `warmup_steps`, or raise \
         the temperature of the loss (those steps were skipped: weights and checkpoints are those of step {good})"
    )]
    NonFinite {
        /// The optimizer step, counted from 1.
        step: usize,
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The number of skipped steps.
        skipped: usize,
        /// The last step that was not skipped.
        good: usize,
    },
    /// A gradient scaler with a number that cannot be.
    #[error("the `{name}` of the gradient scaler is {value}; {expected} is expected")]
    GradScaler {
        /// The field of [`GradScaler`](crate::GradScaler).
        name: &'static str,
        /// Its value.
        value: f64,
        /// The values that would be right.
        expected: &'static str,
    },
    /// Gradients that are not finite at any scale of the loss. No step has changed a weight since they were.
    #[error(
        "step {step}: the gradient norm is {norm}, though the loss was multiplied by {scale} only; lower `learning_rate`, or train with `bf16` \
         in place of `fp16` (steps whose gradients are not finite were skipped: weights and checkpoints are those of before)"
    )]
    ScaleExhausted {
        /// The optimizer step, counted from 1.
        step: usize,
        /// The norm.
        norm: f64,
        /// The scale of the loss.
        scale: f64,
    },
    /// A checkpoint that cannot be resumed.
    #[error("the checkpoint {} cannot be used: {message}", path.display())]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// A checkpoint of a newer version of colburn.
    #[error("{name} has format version {version}; this colburn reads up to {newest}; update colburn to resume from it")]
    CheckpointVersion {
        /// The name of its folder.
        name: String,
        /// Its version.
        version: u64,
        /// The newest version that is read.
        newest: u64,
    },
    /// There is no checkpoint to resume from.
    #[error(
        "{} holds no checkpoint to resume from ({damaged} damaged); leave `resume_from_checkpoint` out to start from the beginning",
        output_dir.display()
    )]
    NoCheckpoint {
        /// The output folder.
        output_dir: PathBuf,
        /// The number of damaged checkpoints.
        damaged: usize,
    },
    /// Two datasets with one name.
    #[error(
        "two datasets have the name `{name}`; give each of several a name of its own, by `Trainer::named_train_dataset`"
    )]
    SameDataset {
        /// The name.
        name: String,
    },
    /// A name that no dataset has.
    #[error("there is no dataset `{name}`; the datasets are: {known}")]
    NoDataset {
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
    /// Two callbacks with one name.
    #[error(
        "the name `{name}` of a callback, under which its state is saved, is taken; give each callback one of its own"
    )]
    SameCallback {
        /// The name.
        name: String,
    },
    /// A callback that ends the run with an error.
    #[error("callback `{name}`: {message}")]
    Callback {
        /// Its name.
        name: String,
        /// The reason.
        message: String,
    },
    /// An error in the test of the first rows, before any long work.
    #[error("before the run: {of}: {message}")]
    Preflight {
        /// The dataset.
        of: String,
        /// The reason.
        message: String,
    },
    /// The data thread ended before the data did.
    #[error(
        "the thread that reads and tokenizes batches stopped before batch {batch}; its own message is above this one"
    )]
    DataThread {
        /// The number of the missing micro-batch.
        batch: usize,
    },
    /// Two evaluators with a metric of one name.
    #[error("two evaluations give the metric {metric}; name the evaluators, so that their metrics differ")]
    SameMetric {
        /// The metric, with `eval_` before it.
        metric: String,
    },
    /// The metric of the best model is one of which a smaller value is better, and it is compared in the other direction.
    #[error(
        "`metric_for_best_model` is {metric}, of which a smaller value is better; set `greater_is_better` to false"
    )]
    SmallerIsBetter {
        /// The metric, with `eval_` before it.
        metric: String,
    },
    /// `metric_for_best_model` is not one of the metrics of the evaluation.
    #[error("`metric_for_best_model` is {metric}, which the evaluation does not give; it gives {known}")]
    UnknownMetric {
        /// The metric, with `eval_` before it.
        metric: String,
        /// The known ones.
        known: String,
    },
    /// The state of a callback in a checkpoint cannot be read.
    #[error(
        "the checkpoint's state of the callback `{name}` cannot be read: {message}; leave the callback out, or start a new run"
    )]
    CallbackState {
        /// The callback.
        name: String,
        /// The reason.
        message: String,
    },
    /// burn-train stopped with an error of its own.
    #[error("the training loop stopped: {0}")]
    Engine(String),
    /// A tensor could not be read from the device.
    #[error("step {step}: the results could not be read from the device: {message}")]
    Device {
        /// The optimizer step, counted from 1.
        step: usize,
        /// The backend's message.
        message: String,
    },
    /// A report, the state of the run, or an upload.
    #[error(transparent)]
    Report(#[from] colburn_report::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] colburn_data::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] colburn_model::Error),
    /// The loss.
    #[error(transparent)]
    Loss(#[from] colburn_loss::Error),
    /// An evaluator.
    #[error(transparent)]
    Eval(#[from] colburn_eval::Error),
    /// An error of your own callback, optimizer or ranks; see [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of any type, or a message.
    ///
    /// ```
    /// assert_eq!(colburn_train::Error::other("the disk is full").to_string(), "the disk is full");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// The message of a backend, on one line and without its backtrace.
    pub(crate) fn device(step: usize, error: &impl std::fmt::Display) -> Self {
        let message = error.to_string();
        let lines = message.lines().map(str::trim).take_while(|line| !line.to_lowercase().contains("backtrace"));
        Self::Device { step, message: lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ") }
    }

    /// Names the path in an input or output error.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.as_ref().to_owned(), source }
    }
}
