//! The parts of a run that a user gives to the trainer.

use std::sync::Arc;

use colburn_eval::Evaluator;
use colburn_model::card::ModelCardData;
use colburn_report::Reporter;

use crate::callback::Callback;
use crate::data::datasets::Datasets;
use crate::ranks::Ranks;
use crate::{GradScaler, LearningRate, Optimizer, TrainingArguments};

/// The parts of a run, except for the model, of which the loop must be the only owner.
pub(crate) struct TrainerParts {
    pub args: TrainingArguments,
    pub datasets: Datasets,
    pub evaluators: Vec<Arc<dyn Evaluator>>,
    pub callbacks: Vec<Box<dyn Callback>>,
    /// The reporters beside those that `report_to` names.
    pub reporters: Vec<Box<dyn Reporter>>,
    /// The optimizer in place of the one that the arguments name.
    pub optimizer: Option<Box<dyn Optimizer>>,
    /// The learning rates in place of those of the arguments.
    pub schedule: Option<Box<dyn LearningRate>>,
    /// The scaler of the loss in place of that of f16.
    pub grad_scaler: Option<GradScaler>,
    pub ranks: Arc<dyn Ranks>,
    pub handle_interrupt: bool,
    pub quiet: bool,
    pub card: ModelCardData,
    #[cfg(feature = "hub")]
    pub hub: Option<colburn_hub::Hub>,
}

impl TrainerParts {
    /// The evaluators as [`Evaluation`](super::evaluation::Evaluation) takes them.
    pub fn boxed_evaluators(&self) -> Vec<Box<dyn Evaluator>> {
        self.evaluators.iter().map(|evaluator| Box::new(evaluator.clone()) as Box<dyn Evaluator>).collect()
    }
}
