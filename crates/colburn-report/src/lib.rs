//! Reports of training runs.
//!
//! The trainer keeps the record of a run ([`TrainerState`], `trainer_state.json`) and passes it to [`Reporter`]s at the events of the run. Those
//! that `report_to` names ([`ReporterKind`]) write `logs.jsonl`, `report.html`, TensorBoard's event files and wandb's offline runs; none of these
//! tools has to be installed where the model trains. [`Console`] is the live view on stderr. [`card`] makes the model card of a run,
//! and, with the feature `hub`, `push` uploads its results to the Hugging Face hub.
//!
//! This crate knows nothing of the trainer: it is given plain values ([`RunInfo`], [`RunContext`], [`StepNumbers`]).

mod append;
pub mod card;
mod console;
mod error;
mod host;
mod html;
mod hub_strategy;
mod jsonl;
mod kinds;
#[cfg(feature = "hub")]
pub mod push;
mod record;
mod reporter;
mod run;
mod scalars;
mod tensorboard;
#[cfg(test)]
mod testing;
mod wandb;

pub use console::{Console, StepNumbers};
pub use error::{Error, Result};
pub use hub_strategy::HubStrategy;
pub use kinds::{ReporterKind, reporters};
pub use record::{LogEntry, RunLimits, TRAINER_STATE_NAME, TrainerState};
pub use reporter::{NonFatal, Reporter};
pub use run::{DatasetInfo, Ending, RunContext, RunInfo, arguments_as_json};
