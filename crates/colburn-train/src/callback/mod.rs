//! Callbacks: your own code at the events of a run, as transformers' `TrainerCallback`.
//!
//! A callback sees the arguments, the state and the model, and may ask through [`TrainerControl`] for more than the trainer does by itself: log,
//! evaluate, save, end the epoch, end the run. State that must survive a restart goes through [`Callback::state`] into
//! `stateful_callbacks` of `trainer_state.json`.

pub(crate) mod early_stopping;
pub(crate) mod list;

use std::fmt;
use std::path::Path;

use colburn_model::ColBert;
use colburn_report::{LogEntry, TrainerState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Result, TrainingArguments};

/// The requests of callbacks. A request is met at the next opportunity and then cleared, except for the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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

/// A run when a callback is called.
#[derive(Clone, Copy)]
pub struct CallbackContext<'a> {
    /// The arguments of the run.
    pub args: &'a TrainingArguments,
    /// The state of the run.
    pub state: &'a TrainerState,
    /// The model. During the run it is on the training device with autodiff; `model.valid()` (of `burn::module::Module`) is the same model without.
    pub model: &'a ColBert,
}

impl fmt::Debug for CallbackContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackContext").field("args", self.args).field("state", self.state).finish_non_exhaustive()
    }
}

/// Code that is called at the events of a run. Every method does nothing by default; an error ends the run.
/// [`Error::other`](crate::Error::other) makes one of any error of yours.
///
/// ```
/// use colburn_train::{Callback, CallbackContext, Error, LogEntry, Result, TrainerControl};
///
/// /// Ends the run when the loss is small enough.
/// struct GoodEnough(f64);
///
/// impl Callback for GoodEnough {
///     fn name(&self) -> String {
///         "GoodEnough".to_owned()
///     }
///     fn on_log(&mut self, _: CallbackContext<'_>, control: &mut TrainerControl, log: &LogEntry) -> Result<()> {
///         let Some(loss) = log.get("loss") else { return Ok(()) };
///         let loss = loss.as_f64().ok_or_else(|| Error::other("the loss is not a number"))?;
///         control.should_training_stop |= loss < self.0;
///         Ok(())
///     }
/// }
/// ```
#[expect(unused_variables, reason = "the names of the arguments are their documentation")]
pub trait Callback: Send {
    /// Distinguishes callbacks of one run; the key of its state in `stateful_callbacks`.
    fn name(&self) -> String;

    /// Before the first step, also of a resumed run: then `state.global_step` is not 0.
    fn on_train_begin(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// Before the first step of an epoch.
    fn on_epoch_begin(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// Before an optimizer step.
    fn on_step_begin(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// After an optimizer step, before anything is logged, evaluated or saved.
    fn on_step_end(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// After the last step of an epoch.
    fn on_epoch_end(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// After an entry was added to the log; `log` is that entry.
    fn on_log(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl, log: &LogEntry) -> Result<()> {
        Ok(())
    }

    /// After an evaluation; `metrics` are its numbers, named `eval_…`. The best metric in the state is that of earlier evaluations.
    fn on_evaluate(
        &mut self,
        context: CallbackContext<'_>,
        control: &mut TrainerControl,
        metrics: &[(String, f64)],
    ) -> Result<()> {
        Ok(())
    }

    /// After a checkpoint was saved. The checkpoint holds the state of the callback from before this call.
    fn on_save(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl, checkpoint: &Path) -> Result<()> {
        Ok(())
    }

    /// After the last step, when the final numbers are logged; also when the run was interrupted or stopped early, but not when it failed. The model
    /// is the final one, without autodiff.
    fn on_train_end(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(())
    }

    /// The state that must survive a restart; it goes into every checkpoint. A run that is resumed with another value of its key `args` forgets that
    /// a callback asked for the end of the run.
    fn state(&self) -> Option<Value> {
        None
    }

    /// Restores the state that [`Callback::state`] gave when the checkpoint was written, before [`Callback::on_train_begin`].
    fn load_state(&mut self, state: &Value) -> Result<()> {
        Ok(())
    }
}
