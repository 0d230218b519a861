//! The micro-batches of each optimizer step: arithmetic on numbers that are known before the run.
//!
//! Every position follows from the step alone: the epoch, the batches and the random seed. So a run can start at any step.

use std::ops::Range;

use crate::TrainingArguments;

/// The extent of a run, as transformers' `Trainer.set_initial_training_values` computes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Micro-batches of an epoch, on one rank.
    pub batches_per_epoch: usize,
    /// Optimizer steps of an epoch; the last one may have fewer micro-batches.
    pub steps_per_epoch: usize,
    /// Optimizer steps of the run.
    pub max_steps: usize,
    /// Epochs that the run enters.
    pub num_train_epochs: usize,
    accumulation: usize,
}

impl Plan {
    /// `batches_per_epoch` is at least 1, and the arguments are valid.
    pub fn new(args: &TrainingArguments, batches_per_epoch: usize) -> Self {
        let accumulation = args.gradient_accumulation_steps;
        let steps_per_epoch = batches_per_epoch.div_ceil(accumulation);
        let (max_steps, num_train_epochs) = match usize::try_from(args.max_steps) {
            Ok(max_steps) => (max_steps, max_steps.div_ceil(steps_per_epoch)),
            Err(_) => {
                let steps = (args.num_train_epochs * steps_per_epoch as f64).ceil() as usize;
                (steps, args.num_train_epochs.ceil() as usize)
            }
        };
        Self { batches_per_epoch, steps_per_epoch, max_steps, num_train_epochs, accumulation }
    }

    /// The epoch of an optimizer step; both count from 0.
    pub fn epoch(&self, step: usize) -> usize {
        step / self.steps_per_epoch
    }

    /// The optimizer steps of an epoch, up to the end of the run.
    pub fn steps(&self, epoch: usize) -> Range<usize> {
        epoch * self.steps_per_epoch..((epoch + 1) * self.steps_per_epoch).min(self.max_steps)
    }

    /// The micro-batches of an optimizer step, counted from the start of the run.
    pub fn micro_batches(&self, step: usize) -> Range<usize> {
        let (epoch, within) = (self.epoch(step), step % self.steps_per_epoch);
        let start = within * self.accumulation;
        let end = (start + self.accumulation).min(self.batches_per_epoch);
        let before = epoch * self.batches_per_epoch;
        before + start..before + end
    }

    /// The progress in epochs after `steps` optimizer steps.
    pub fn epochs_after(&self, steps: usize) -> f64 {
        match steps {
            0 => 0.0,
            steps => {
                let epoch = self.epoch(steps - 1);
                let done = self.micro_batches(steps - 1).end - epoch * self.batches_per_epoch;
                epoch as f64 + done as f64 / self.batches_per_epoch as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(num_train_epochs: f64, max_steps: i64, gradient_accumulation_steps: usize, batches: usize) -> Plan {
        let args = TrainingArguments { num_train_epochs, max_steps, gradient_accumulation_steps, ..Default::default() };
        Plan::new(&args, batches)
    }

    #[test]
    fn the_last_step_of_an_epoch_takes_what_is_left() {
        let plan = plan(2.0, -1, 3, 7);
        assert_eq!((plan.steps_per_epoch, plan.max_steps, plan.num_train_epochs), (3, 6, 2));
        let steps: Vec<_> = (0..6).map(|step| plan.micro_batches(step)).collect();
        assert_eq!(steps, [0..3, 3..6, 6..7, 7..10, 10..13, 13..14]);
        assert_eq!(plan.steps(1), 3..6);
        // the epochs that transformers logs for 7 batches accumulated by 3
        let epochs: Vec<_> = (0..4).map(|steps| plan.epochs_after(steps)).collect();
        assert_eq!(epochs, [0.0, 0.42857142857142855, 0.8571428571428571, 1.0]);
    }

    #[test]
    fn a_fraction_of_an_epoch_and_a_number_of_steps() {
        let half = plan(0.5, -1, 1, 5);
        assert_eq!((half.max_steps, half.num_train_epochs, half.steps(0)), (3, 1, 0..3));
        let steps = plan(1.0, 12, 1, 5);
        assert_eq!((steps.max_steps, steps.num_train_epochs, steps.steps(2)), (12, 3, 10..12));
    }
}
