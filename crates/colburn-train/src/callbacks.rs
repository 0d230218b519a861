//! The callbacks of a run, called one after the other, and what they ask for.

use std::path::Path;

use serde_json::{Value, json};

use crate::callback::{Callback, Moment, TrainerControl};
use crate::tally;
use crate::{Error, LogEntry, Result, TrainerState, TrainingArguments};

/// The key of the requests in `stateful_callbacks`, as in transformers.
const CONTROL: &str = "TrainerControl";

/// Keys that the trainer uses itself.
const TAKEN: [&str; 2] = [CONTROL, tally::KEY];

/// What is told to callbacks.
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
    /// What they ask for.
    pub control: TrainerControl,
}

impl Callbacks {
    /// # Errors
    /// When two have one name, or one has that of an entry of the trainer's, so that their states could not be told apart.
    pub fn new(list: Vec<Box<dyn Callback>>) -> Result<Self> {
        for (index, callback) in list.iter().enumerate() {
            let name = callback.name();
            if TAKEN.contains(&name.as_str()) || list[..index].iter().any(|other| other.name() == name) {
                return Err(Error::SameCallback { name });
            }
        }
        Ok(Self { list, control: TrainerControl::default() })
    }

    /// Tells all of them. The first error ends it, but for the end of training, which all must learn of: then it is returned at the end.
    pub fn tell(&mut self, event: &Event, args: &TrainingArguments, state: &TrainerState) -> Result<()> {
        let (now, control) = (Moment { args, state }, &mut self.control);
        let mut first = Ok(());
        for callback in &mut self.list {
            let told = match event {
                Event::TrainBegin => callback.on_train_begin(now, control),
                Event::EpochBegin => callback.on_epoch_begin(now, control),
                Event::StepBegin => callback.on_step_begin(now, control),
                Event::StepEnd => callback.on_step_end(now, control),
                Event::EpochEnd => callback.on_epoch_end(now, control),
                Event::Log(log) => callback.on_log(now, control, log),
                Event::Evaluate(metrics) => callback.on_evaluate(now, control, metrics),
                Event::Save(checkpoint) => callback.on_save(now, control, checkpoint),
                Event::TrainEnd => callback.on_train_end(now, control),
            };
            first = first.and(told);
            if first.is_err() && !matches!(event, Event::TrainEnd) {
                break;
            }
        }
        first
    }

    /// Puts what they must remember into the state.
    pub fn store(&self, state: &mut TrainerState) {
        let TrainerControl { should_training_stop, should_epoch_stop, should_save, should_evaluate, should_log } =
            self.control;
        let control = json!({
            "should_epoch_stop": should_epoch_stop,
            "should_evaluate": should_evaluate,
            "should_log": should_log,
            "should_save": should_save,
            "should_training_stop": should_training_stop,
        });
        state.stateful_callbacks.insert(CONTROL.to_owned(), json!({"args": control, "attributes": {}}));
        for callback in &self.list {
            match callback.state() {
                Some(value) => state.stateful_callbacks.insert(callback.name(), value),
                None => state.stateful_callbacks.remove(&callback.name()),
            };
        }
    }

    /// Takes back what the state remembers.
    pub fn load(&mut self, state: &TrainerState) -> Result<()> {
        let asked = |request: &str| {
            let control = state.stateful_callbacks.get(CONTROL).and_then(|control| control.get("args"));
            control.and_then(|control| control.get(request)).and_then(Value::as_bool).unwrap_or(false)
        };
        self.control = TrainerControl {
            should_training_stop: asked("should_training_stop"),
            should_epoch_stop: asked("should_epoch_stop"),
            should_save: asked("should_save"),
            should_evaluate: asked("should_evaluate"),
            should_log: asked("should_log"),
        };
        for callback in &mut self.list {
            if let Some(value) = state.stateful_callbacks.get(&callback.name()) {
                // What a callback with other settings asked for is no wish of this one: a run may go on with more patience.
                let settings = callback.state().and_then(|state| state.get("args").cloned());
                self.control.should_training_stop &= settings.as_ref() == value.get("args");
                callback.load_state(value)?;
            }
        }
        Ok(())
    }
}
