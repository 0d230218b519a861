//! The state of the training loop beyond [`TrainerState`]: positions, sums and counts that a resumed run needs to log the same numbers and read the
//! same rows as an uninterrupted one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use colburn_report::TrainerState;

use crate::GradScaler;

/// Its key in `stateful_callbacks`.
pub(crate) const KEY: &str = "LoopState";

/// Its key in checkpoints of format version 1.
const FIRST_KEY: &str = "Tally";

/// The keys in `stateful_callbacks` that callbacks cannot have.
pub(crate) const KEYS: [&str; 2] = [KEY, FIRST_KEY];

/// The state of the loop after a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoopState {
    /// The next step of the plan. It is larger than `global_step` after a callback has ended an epoch early.
    pub cursor: usize,
    /// The epoch that has begun and not ended.
    #[serde(default)]
    pub epoch: Option<usize>,
    /// The mean of the losses since the start.
    #[serde(default)]
    pub loss: Mean,
    /// The mean of the losses since the last log.
    #[serde(default)]
    pub loss_since_log: Mean,
    /// The number of steps since the last log.
    #[serde(default)]
    pub steps_since_log: usize,
    /// The learning rate of the last step.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// The gradient norm of the last step before clipping; none if it was not finite.
    #[serde(default)]
    pub grad_norm: Option<f64>,
    /// The number of steps whose loss or gradient was not finite, and that changed no weight.
    #[serde(default)]
    pub skipped: usize,
    /// The number of those since the last step that was finite, or whose gradient alone was not and may be so at another scale of the loss.
    #[serde(default)]
    pub skipped_in_a_row: usize,
    /// The scaler of the loss after the last step, if the loss is scaled.
    #[serde(default)]
    pub grad_scaler: Option<GradScaler>,
    /// The number of texts of a mini-batch, if it was found by trial and differs from the arguments.
    #[serde(default)]
    pub mini_batch_size: Option<usize>,
    /// The number of rows of each training dataset: positions in other data would mean other rows.
    pub rows: Vec<usize>,
}

/// A running mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    sum: f64,
    count: usize,
    /// A sum that is not finite cannot be written as JSON.
    not_finite: bool,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        if value.is_finite() {
            self.sum += value;
        } else {
            self.not_finite = true;
        }
    }

    /// The mean; none without a value, NaN if a value was not finite.
    pub fn get(&self) -> Option<f64> {
        let mean = if self.not_finite { f64::NAN } else { self.sum / self.count as f64 };
        (self.count > 0).then_some(mean)
    }
}

impl LoopState {
    /// Counts a step.
    pub fn count_step(&mut self) {
        self.cursor += 1;
        self.steps_since_log += 1;
    }

    /// Counts the loss of a step. One that is not finite is left out of the means if `filter` is true (`logging_nan_inf_filter`).
    pub fn count_loss(&mut self, loss: f64, skipped: bool, filter: bool) {
        if !filter || loss.is_finite() {
            self.loss.add(loss);
            self.loss_since_log.add(loss);
        }
        self.skipped += usize::from(skipped);
        let overflowed = self.grad_scaler.is_some() && loss.is_finite();
        self.skipped_in_a_row = if skipped && !overflowed { self.skipped_in_a_row + 1 } else { 0 };
        if let Some(scaler) = &mut self.grad_scaler {
            scaler.update(skipped);
        }
    }

    /// The factor that takes the scale of the loss out of the gradients of the step that is under way; 1 if it is not scaled.
    pub fn unscale(&self) -> f64 {
        self.grad_scaler.as_ref().map_or(1.0, GradScaler::unscale)
    }

    /// The step of the schedule, after so many steps: it does not count those that an overflow in f16 has skipped.
    pub fn schedule_step(&self, steps: usize) -> usize {
        steps.saturating_sub(self.grad_scaler.map_or(0, |scaler| scaler.skipped_steps))
    }

    /// Starts the counts since the last log anew.
    pub fn logged(&mut self) {
        self.loss_since_log = Mean::default();
        self.steps_since_log = 0;
    }

    /// Writes this into the state of the run. `inputs` describes what the run was started with, as JSON.
    pub fn store(&self, state: &mut TrainerState, inputs: &Value) {
        state.stateful_callbacks.remove(FIRST_KEY);
        state.stateful_callbacks.insert(KEY.to_owned(), json!({"args": inputs, "attributes": self}));
    }

    /// The loop state in the state of a run; none if the run is not one of colburn.
    ///
    /// # Errors
    /// When a value is missing or wrong.
    pub fn read(state: &TrainerState) -> serde_json::Result<Option<Self>> {
        let attributes = entry(state).and_then(|entry| entry.get("attributes"));
        attributes.map(Self::deserialize).transpose()
    }

    /// The description of the inputs that [`LoopState::store`] wrote; none in format version 1.
    pub fn read_inputs(state: &TrainerState) -> Option<&Value> {
        entry(state)?.get("args")
    }
}

fn entry(state: &TrainerState) -> Option<&Value> {
    KEYS.iter().find_map(|key| state.stateful_callbacks.get(*key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use colburn_report::RunLimits;

    #[test]
    fn a_skipped_step_is_counted_as_the_arguments_say() {
        for (filter, mean) in [(true, Some(2.0)), (false, None)] {
            let mut counted = LoopState::default();
            for (loss, skipped) in [(1.0, false), (f64::NAN, true), (f64::INFINITY, true), (3.0, false)] {
                counted.count_step();
                counted.count_loss(loss, skipped, filter);
            }
            assert_eq!(counted.loss_since_log.get().filter(|mean| mean.is_finite()), mean);
            assert_eq!(
                (counted.cursor, counted.steps_since_log, counted.skipped, counted.skipped_in_a_row),
                (4, 4, 2, 0)
            );
            counted.logged();
            assert_eq!((counted.loss_since_log.get(), counted.steps_since_log), (None, 0));
        }
    }

    #[test]
    fn survives_the_state_to_the_last_bit() {
        let mut state = TrainerState::new(RunLimits::default());
        assert_eq!(LoopState::read(&state).unwrap(), None);
        let mut counted = LoopState::default();
        for loss in [0.1, 0.2, f64::NAN] {
            counted.count_step();
            counted.count_loss(loss, loss.is_nan(), false);
        }
        counted.store(&mut state, &json!({"losses": []}));
        let state: TrainerState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(LoopState::read(&state).unwrap(), Some(counted));
        assert_eq!(LoopState::read_inputs(&state), Some(&json!({"losses": []})));
    }

    #[test]
    fn the_first_format_is_read_and_errors_are_reported() {
        let mut state = TrainerState::new(RunLimits::default());
        // what the code before format version 2 wrote, with a field that this one does not know
        let first = json!({"args": {}, "attributes": {"cursor": 3, "epoch": 0, "grad_norm": 2.5, "learning_rate": 1e-5,
            "loss": {"count": 3, "not_finite": false, "sum": 1.5}, "loss_since_log": {"count": 0, "not_finite": false, "sum": 0.0},
            "mini_batch_size": null, "rows": [16], "skipped": 0, "skipped_in_a_row": 0, "steps_since_log": 0, "unknown": 1}});
        state.stateful_callbacks.insert("Tally".to_owned(), first);
        let read = LoopState::read(&state).unwrap().unwrap();
        assert_eq!((read.cursor, read.rows.as_slice(), read.loss.get()), (3, [16].as_slice(), Some(0.5)));
        read.store(&mut state, &json!({}));
        assert!(!state.stateful_callbacks.contains_key("Tally"), "the old entry is replaced");

        state.stateful_callbacks.insert(KEY.to_owned(), json!({"attributes": {"cursor": 3, "rows": "x"}}));
        let message = LoopState::read(&state).unwrap_err().to_string();
        assert!(message.contains("invalid type: string \"x\""), "{message}");
        state.stateful_callbacks.insert(KEY.to_owned(), json!({"attributes": {"rows": [3]}}));
        assert!(LoopState::read(&state).unwrap_err().to_string().contains("missing field `cursor`"));
        state.stateful_callbacks.insert(KEY.to_owned(), json!({"attributes": {"cursor": 3, "rows": [3]}}));
        assert_eq!(LoopState::read(&state).unwrap().unwrap().steps_since_log, 0);
    }
}
