//! A run: set-up, the training loop, evaluation, resuming, and the end.

mod burn_train;
pub(crate) mod evaluation;
pub(crate) mod finish;
mod interrupt;
mod loop_state;
mod output_lock;
pub(crate) mod parts;
mod reporting;
mod resume;
pub(crate) mod setup;
mod step;
mod throughput;
mod training_loop;
