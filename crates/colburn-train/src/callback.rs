//! Callbacks: code of one's own at the events of a run, as transformers' `TrainerCallback`.
//!
//! A callback sees the arguments and the state, and may ask through [`TrainerControl`] for what the trainer would not do by itself: log,
//! evaluate, save, end the epoch, end the run. What it must remember over a restart goes through [`Callback::state`] into
//! `stateful_callbacks` of `trainer_state.json`.

use std::path::Path;

use serde_json::Value;

use crate::{LogEntry, Result, TrainerState, TrainingArguments};

/// What a callback may ask for. A request is met at the next opportunity and then taken back, but for the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainerControl {
    /// End the run after this step.
    pub should_training_stop: bool,
    /// End the epoch after this step.
    pub should_epoch_stop: bool,
    /// Save a checkpoint after this step.
    pub should_save: bool,
    /// Evaluate after this step.
    pub should_evaluate: bool,
    /// Log after this step.
    pub should_log: bool,
}

/// Where a run is when a callback is called.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// What the run was told.
    pub args: &'a TrainingArguments,
    /// Where it stands.
    pub state: &'a TrainerState,
}

/// Code that is called at the events of a run. Every method does nothing unless it is written; an error ends the run.
#[expect(unused_variables, reason = "the names of the arguments are their documentation")]
pub trait Callback: Send {
    /// Distinguishes callbacks of one run; the key of its state in `stateful_callbacks`.
    fn name(&self) -> String;

    /// Before the first step, also of a run that goes on: then `state.global_step` is not 0.
    fn on_train_begin(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// Before the first step of an epoch.
    fn on_epoch_begin(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// Before an optimizer step.
    fn on_step_begin(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// After an optimizer step, before anything is logged, evaluated or saved.
    fn on_step_end(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// After the last step of an epoch.
    fn on_epoch_end(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// After an entry was added to the log; `log` is that entry.
    fn on_log(&mut self, now: Moment<'_>, control: &mut TrainerControl, log: &LogEntry) -> Result<()> {
        Ok(())
    }

    /// After an evaluation; `metrics` are its numbers, named `eval_…`. The best metric in the state is that of the evaluations before.
    fn on_evaluate(&mut self, now: Moment<'_>, control: &mut TrainerControl, metrics: &[(String, f64)]) -> Result<()> {
        Ok(())
    }

    /// After a checkpoint was saved. What the callback remembers went into it before: to count checkpoints, count those that there are.
    fn on_save(&mut self, now: Moment<'_>, control: &mut TrainerControl, checkpoint: &Path) -> Result<()> {
        Ok(())
    }

    /// After the last step, when the final numbers are logged; also when the run was interrupted or stopped early, but not when it failed.
    fn on_train_end(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// What must be remembered over a restart; goes into every checkpoint.
    fn state(&self) -> Option<Value> {
        None
    }

    /// Takes back what [`Callback::state`] gave when the checkpoint was written, before [`Callback::on_train_begin`].
    fn load_state(&mut self, state: &Value) -> Result<()> {
        Ok(())
    }
}
