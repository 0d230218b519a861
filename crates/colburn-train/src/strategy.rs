//! Our loop as a strategy inside burn-train.
//!
//! burn-train's own strategies know epochs only; logging, evaluating and saving every so many steps, clipping the global norm, and stopping
//! between two steps need a loop of one's own ([`Training`]). burn-train keeps what it is good at: the event thread with its metrics and
//! renderer, the event store, and the interrupter.
//!
//! Two things of burn-train are left unused on purpose. Its `Learner` brings the model here and nothing else: an optimizer of this crate
//! has a state with names, which can be read and continues to the same bits. Its checkpointers write a format of their own per epoch;
//! checkpoints here are the model's layout at any step.

use std::sync::{Mutex, PoisonError};

use burn::train::{
    Learner, SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, ValidLoader,
};

use crate::Result;
use crate::training::{Outcome, Run, Training};
use crate::training_model::TrainingModel;

/// The strategy; it runs once.
pub(crate) struct StepStrategy {
    run: Mutex<Option<Run>>,
    outcome: Mutex<Option<Result<Outcome>>>,
}

impl StepStrategy {
    pub fn new(run: Run) -> Self {
        Self { run: Mutex::new(Some(run)), outcome: Mutex::new(None) }
    }

    /// What the run has come to, once it is over.
    pub fn outcome(&self) -> Option<Result<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl SupervisedLearningStrategy<TrainingModel> for StepStrategy {
    fn fit(
        &self,
        components: TrainingComponents<TrainingModel>,
        learner: Learner<TrainingModel>,
        train: TrainLoader<TrainingModel>,
        _: ValidLoader<TrainingModel>,
        _: usize,
    ) -> (TrainingModel, SupervisedTrainingEventProcessor<TrainingModel>) {
        let model = learner.model();
        // The learner's copy would keep the weights of the start in memory.
        drop(learner);
        let (processor, interrupter) = (components.event_processor, components.interrupter);
        let Some(run) = self.run.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return (model, processor);
        };
        let mut training = Training::new(run, processor, interrupter);
        let (model, result) = training.run(model, &train);
        let (outcome, processor) = training.finish(result);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        (model, processor)
    }
}
