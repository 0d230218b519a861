//! The callbacks of a run, called one after the other, and their requests.

use std::path::Path;

use colburn_report::{LogEntry, TrainerState};
use serde::Deserialize;
use serde_json::json;

use super::{Callback, CallbackContext, TrainerControl};
use crate::{Error, Result};

/// The key of the requests in `stateful_callbacks`, as in transformers.
const CONTROL: &str = "TrainerControl";

/// An event of a run.
pub(crate) enum Event<'a> {
    TrainBegin,
    EpochBegin,
    StepBegin,
    StepEnd,
    EpochEnd,
    Log(&'a LogEntry),
    Evaluate(&'a [(String, f64)]),
    Save(&'a Path),
    TrainEnd,
}

/// Callbacks in the order in which they were given.
#[derive(Default)]
pub(crate) struct Callbacks {
    list: Vec<Box<dyn Callback>>,
    /// Their requests.
    pub control: TrainerControl,
}

impl Callbacks {
    /// The callbacks of a run; `reserved` are the keys in `stateful_callbacks` that the trainer itself uses.
    ///
    /// # Errors
    /// When two callbacks have one name, or one has a reserved name, so that their states could not be distinguished.
    pub fn new(list: Vec<Box<dyn Callback>>, reserved: &[&str]) -> Result<Self> {
        for (index, callback) in list.iter().enumerate() {
            let name = callback.name();
            let taken = name == CONTROL || reserved.contains(&name.as_str());
            if taken || list[..index].iter().any(|other| other.name() == name) {
                return Err(Error::SameCallback { name });
            }
        }
        Ok(Self { list, control: TrainerControl::default() })
    }

    /// Calls all of them. The first error is returned, at once or, at the end of training, after all were called.
    pub fn call(&mut self, event: &Event<'_>, context: CallbackContext<'_>) -> Result<()> {
        let control = &mut self.control;
        let mut first = Ok(());
        for callback in &mut self.list {
            let result = match event {
                Event::TrainBegin => callback.on_train_begin(context, control),
                Event::EpochBegin => callback.on_epoch_begin(context, control),
                Event::StepBegin => callback.on_step_begin(context, control),
                Event::StepEnd => callback.on_step_end(context, control),
                Event::EpochEnd => callback.on_epoch_end(context, control),
                Event::Log(log) => callback.on_log(context, control, log),
                Event::Evaluate(metrics) => callback.on_evaluate(context, control, metrics),
                Event::Save(checkpoint) => callback.on_save(context, control, checkpoint),
                Event::TrainEnd => callback.on_train_end(context, control),
            };
            first = first.and(result);
            if first.is_err() && !matches!(event, Event::TrainEnd) {
                break;
            }
        }
        first
    }

    /// Writes the requests and the states of the callbacks into the state of the run.
    pub fn store(&self, state: &mut TrainerState) {
        state.stateful_callbacks.insert(CONTROL.to_owned(), json!({"args": self.control, "attributes": {}}));
        for callback in &self.list {
            match callback.state() {
                Some(value) => state.stateful_callbacks.insert(callback.name(), value),
                None => state.stateful_callbacks.remove(&callback.name()),
            };
        }
    }

    /// Restores the requests and the states of the callbacks from the state of the run.
    ///
    /// # Errors
    /// When a callback cannot read its state.
    pub fn load(&mut self, state: &TrainerState) -> Result<()> {
        // A state of transformers may hold other requests, or none.
        let control = state.stateful_callbacks.get(CONTROL).and_then(|control| control.get("args"));
        self.control = control.and_then(|control| TrainerControl::deserialize(control).ok()).unwrap_or_default();
        for callback in &mut self.list {
            if let Some(value) = state.stateful_callbacks.get(&callback.name()) {
                // A request of a callback with other settings does not count any more: a run may be resumed with more patience.
                let settings = callback.state().and_then(|state| state.get("args").cloned());
                self.control.should_training_stop &= settings.as_ref() == value.get("args");
                callback.load_state(value)?;
            }
        }
        Ok(())
    }
}
