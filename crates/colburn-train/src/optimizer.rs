//! What an optimizer has to do for the trainer: update the model, and let go of its state and take it back under names.

use std::path::Path;

use burn::optim::GradientsParams;
use colburn_model::ColBert;

use crate::{AdamW, Result, gradients::scale};

/// An optimizer of a ColBERT model: [`AdamW`], any of Burn's, or one's own.
///
/// Burn's are `ModuleOptimizer`s, what the method `init` of their configurations gives:
///
/// ```
/// use burn::optim::{SgdConfig, momentum::MomentumConfig};
/// use colburn_train::Optimizer;
///
/// let sgd = SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init();
/// assert_eq!(Optimizer::name(&sgd), "burn");
/// ```
///
/// Gradients come averaged and clipped by `max_grad_norm`; clipping of Burn's would come on top. The arguments `adam_beta1`,
/// `adam_beta2`, `adam_epsilon` and `weight_decay` are [`AdamW`]'s: other optimizers have settings of their own, and a
/// `learning_rate_mapping` beside them is an error.
pub trait Optimizer: Send {
    /// Distinguishes optimizers whose states are not interchangeable.
    fn name(&self) -> &str;

    /// Updates the parameters that have a gradient. The model lies on a device with autodiff, the gradients on the same without; the updated
    /// parameters require gradients as before, and have their ids.
    fn step(&mut self, model: ColBert, gradients: GradientsParams, learning_rate: f64) -> ColBert;

    /// As [`Optimizer::step`], of gradients that are yet to be multiplied with `clip`, 1 for nothing: the trainer calls this one. By default
    /// they are multiplied, in a pass over them of its own, and handed to [`Optimizer::step`].
    fn step_clipped(&mut self, model: ColBert, gradients: GradientsParams, clip: f64, learning_rate: f64) -> ColBert {
        let gradients = if clip == 1.0 { gradients } else { scale(&model, gradients, clip) };
        self.step(model, gradients, learning_rate)
    }

    /// Writes the state of all parameters that have one, such that [`Optimizer::load`] gives exactly it to a model of the same shape:
    /// ids of parameters are random, so it goes by [`ColBert::parameters`]' names.
    ///
    /// # Errors
    /// When the state cannot be read from the device, or the file cannot be written.
    fn save(&self, model: &ColBert, path: &Path) -> Result<()>;

    /// Takes back what [`Optimizer::save`] wrote, in another process or for another copy of the model.
    ///
    /// # Errors
    /// When the file cannot be read, is that of another optimizer, or does not fit the model.
    fn load(&mut self, model: &ColBert, path: &Path) -> Result<()>;
}

impl AdamW {
    pub(crate) const NAME: &str = "adamw";
}

impl Optimizer for AdamW {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn step(&mut self, model: ColBert, gradients: GradientsParams, learning_rate: f64) -> ColBert {
        Self::step(self, model, gradients, learning_rate)
    }

    fn step_clipped(&mut self, model: ColBert, gradients: GradientsParams, clip: f64, learning_rate: f64) -> ColBert {
        self.step_scaled(model, gradients, clip, learning_rate)
    }

    fn save(&self, model: &ColBert, path: &Path) -> Result<()> {
        Self::save(self, model, path)
    }

    fn load(&mut self, model: &ColBert, path: &Path) -> Result<()> {
        Self::load(self, model, path)
    }
}
