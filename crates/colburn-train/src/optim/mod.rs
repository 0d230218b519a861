//! Optimizers and learning rates: the trait [`Optimizer`](crate::Optimizer), the list of those that `optim` names, the schedules of the learning
//! rate, the scale of the loss, and the gradients that optimizers work on.

pub(crate) mod adamw;
mod adamw_state;
mod burn_optimizer;
pub(crate) mod grad_scaler;
pub(crate) mod gradients;
pub(crate) mod learning_rates;
pub(crate) mod optimizer;
pub(crate) mod schedule;
mod state_file;

use colburn_model::Parameter;

use crate::{AdamW, Optimizer, OptimizerName, Result, TrainingArguments};

/// The optimizer that the argument `optim` names. To add one, write its file, and name it here and in [`OptimizerName`].
///
/// # Errors
/// When an argument does not fit the optimizer or the model.
pub(crate) fn by_name(args: &TrainingArguments, parameters: Vec<Parameter>) -> Result<Box<dyn Optimizer>> {
    match args.optim {
        OptimizerName::AdamwTorch => Ok(Box::new(AdamW::from_arguments(args, parameters)?)),
    }
}
