//! Training of late-interaction models: PyLate's and Hugging Face's trainer, by the same names and to the same numbers.
//!
//! A [`Trainer`] takes a model, a loss, [`TrainingArguments`] and data. Its unit is the optimizer step: every so many steps it logs,
//! evaluates and saves. What it leaves in `output_dir` is the final model with its card, [`TrainerState`] as `trainer_state.json`, the evaluators' CSV
//! files in `eval/`, and `checkpoint-N` folders, each a model that can be loaded and the state of [`Optimizer`] and [`LearningRate`] beside it.
//! The empty `.lock` keeps a second run out while one goes on.
//!
//! The loop runs inside burn-train, whose metrics, renderer, event store and interrupter it uses; no other crate knows burn-train.

mod adamw;
mod arguments;
mod best;
mod burn_optimizer;
mod cached;
mod callback;
mod callbacks;
mod card;
mod checkpoint;
mod curve;
mod datasets;
mod due;
mod early_stopping;
mod error;
mod evaluation;
mod files;
mod gradients;
mod interrupt;
mod launch;
mod learning_rates;
mod loader;
mod manifest;
mod memory;
mod meter;
mod metrics;
mod optimizer;
mod optimizer_state;
mod output;
mod pass;
mod plan;
mod preflight;
mod progress;
#[cfg(feature = "hub")]
mod push;
mod report;
mod resume;
mod schedule;
mod scheduler_kwargs;
mod state;
mod strategy;
mod tally;
mod trainer;
mod training;
mod training_model;
mod validate;
mod validate_together;

pub use adamw::{AdamW, AdamWConfig, decays};
pub use arguments::{
    HubStrategy, IntervalStrategy, LogLevel, ReportTo, Reporter, ResumeFromCheckpoint, RunPrompts, SaveStrategy,
    SchedulerType, TrainingArguments,
};
pub use callback::{Callback, Moment, TrainerControl};
pub use curve::{Curve, Slope};
pub use early_stopping::EarlyStoppingCallback;
pub use error::{Error, Result};
pub use optimizer::Optimizer;
#[cfg(feature = "hub")]
pub use push::PushOutput;
pub use schedule::{LearningRate, Schedule};
pub use state::{LogEntry, TRAINER_STATE_NAME, TrainerState};
pub use trainer::{TrainOutput, Trainer};
