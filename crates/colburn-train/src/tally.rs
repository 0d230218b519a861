//! What a run counts from step to step beyond [`TrainerState`], and must still know when it goes on from a checkpoint: without it, a
//! resumed run would log another mean loss than one that was not disturbed, or read other rows.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::TrainerState;

/// The key in `stateful_callbacks`.
pub(crate) const KEY: &str = "Tally";

/// Sums and positions of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// The step of the plan that comes next. It runs ahead of `global_step` when a callback has ended an epoch early.
    pub cursor: usize,
    /// The epoch that was begun and whose end is still to come.
    pub epoch: Option<usize>,
    /// Losses since the start.
    pub loss: Mean,
    /// Losses since the last log.
    pub loss_since_log: Mean,
    /// Steps since the last log.
    pub steps_since_log: usize,
    /// The learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Its gradient norm before clipping; none where that was not finite.
    pub grad_norm: Option<f64>,
    /// Steps whose loss or gradient was not finite, and that changed nothing.
    pub skipped: usize,
    /// Those since the last one that was finite.
    pub skipped_in_a_row: usize,
    /// Texts of a mini-batch, where that was found by trial and is not what the arguments say.
    pub mini_batch_size: Option<usize>,
    /// Rows of each training dataset: positions in other data would mean other rows.
    pub rows: Vec<usize>,
}

/// A sum and what goes into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    sum: f64,
    count: usize,
    /// A sum that is not finite has no form in JSON.
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

    /// Nothing without a value; not a number when one of them was not finite.
    pub fn get(&self) -> Option<f64> {
        let mean = if self.not_finite { f64::NAN } else { self.sum / self.count as f64 };
        (self.count > 0).then_some(mean)
    }
}

impl Tally {
    /// Counts a step. A loss that is not finite is left out of the means when `filter` says so (`logging_nan_inf_filter`).
    pub fn step(&mut self, loss: f64, skipped: bool, filter: bool) {
        self.cursor += 1;
        self.steps_since_log += 1;
        if !filter || loss.is_finite() {
            self.loss.add(loss);
            self.loss_since_log.add(loss);
        }
        self.skipped += usize::from(skipped);
        self.skipped_in_a_row = if skipped { self.skipped_in_a_row + 1 } else { 0 };
    }

    /// Starts a new window.
    pub fn logged(&mut self) {
        self.loss_since_log = Mean::default();
        self.steps_since_log = 0;
    }

    pub fn store(&self, state: &mut TrainerState) {
        state.stateful_callbacks.insert(KEY.to_owned(), json!({"args": {}, "attributes": self}));
    }

    /// What a state remembers; nothing when it is not one of this crate.
    pub fn of(state: &TrainerState) -> Option<Self> {
        let attributes = state.stateful_callbacks.get(KEY)?.get("attributes")?.clone();
        serde_json::from_value(attributes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TrainingArguments, plan::Plan};

    #[test]
    fn a_skipped_step_counts_as_told() {
        for (filter, mean) in [(true, Some(2.0)), (false, None)] {
            let mut tally = Tally::default();
            for (loss, skipped) in [(1.0, false), (f64::NAN, true), (f64::INFINITY, true), (3.0, false)] {
                tally.step(loss, skipped, filter);
            }
            assert_eq!(tally.loss_since_log.get().filter(|mean| mean.is_finite()), mean);
            assert_eq!((tally.cursor, tally.steps_since_log, tally.skipped, tally.skipped_in_a_row), (4, 4, 2, 0));
            tally.logged();
            assert_eq!((tally.loss_since_log.get(), tally.steps_since_log), (None, 0));
        }
    }

    #[test]
    fn survives_the_state_to_the_last_bit() {
        let args = TrainingArguments::default();
        let mut state = TrainerState::new(&args, &Plan::new(&args, 7));
        assert_eq!(Tally::of(&state), None);
        let mut tally = Tally::default();
        for loss in [0.1, 0.2, f64::NAN] {
            tally.step(loss, loss.is_nan(), false);
        }
        tally.store(&mut state);
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(Tally::of(&serde_json::from_str(&json).unwrap()), Some(tally));
    }
}
