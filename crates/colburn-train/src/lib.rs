//! Training of late-interaction models: PyLate's and Hugging Face's trainer, by the same names and to the same numbers.
//!
//! A [`Trainer`] takes a model, a loss, [`TrainingArguments`] and data. Its unit is the optimizer step: every so many steps it logs,
//! evaluates and saves. In `output_dir` it leaves the final model with its card, [`TrainerState`] as `trainer_state.json`, the evaluators' CSV
//! files in `eval/`, and `checkpoint-N` folders, each a model that can be loaded, with the state of [`Optimizer`] and [`LearningRate`] beside it.
//! The empty file `.lock` keeps a second run out while one is running.
//!
//! The folders: `run` is the loop and everything around it, `data` are batches and positions, `optim` optimizers and learning rates, `checkpoint` the
//! folders on the disk, `callback` and `ranks` the traits by those names, `arguments` the arguments and their checks.
//!
//! The loop runs inside burn-train, whose metrics, renderer, event store and interrupter it uses; one file, `run/burn_train.rs`, knows burn-train.

mod arguments;
mod callback;
mod checkpoint;
mod data;
mod error;
mod optim;
mod ranks;
mod run;
mod trainer;

pub use arguments::TrainingArguments;
pub use arguments::names::{IntervalStrategy, LogLevel, OptimizerName, SaveStrategy, SchedulerType};
pub use arguments::prompts::RunPrompts;
pub use arguments::values::{ReportTo, ResumeFromCheckpoint};
pub use callback::early_stopping::EarlyStoppingCallback;
pub use callback::{Callback, CallbackContext, TrainerControl};
pub use colburn_ops::Clip;
#[cfg(feature = "hub")]
pub use colburn_report::push::PushOutput;
pub use colburn_report::{HubStrategy, LogEntry, ReporterKind, TRAINER_STATE_NAME, TrainerState};
pub use error::{Error, Result};
pub use optim::adamw::{AdamW, AdamWConfig, decays};
pub use optim::grad_scaler::GradScaler;
pub use optim::optimizer::{DeferredOptimizer, Optimizer};
pub use optim::schedule::{LearningRate, Schedule, ScheduleCurve, Slope};
pub use ranks::Ranks;
pub use ranks::alone::Alone;
pub use run::finish::TrainOutput;
pub use trainer::Trainer;
