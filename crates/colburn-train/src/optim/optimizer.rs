//! The trait of optimizers: update the model, save the state under the names of the parameters, load it again.

use std::path::Path;

use burn::optim::GradientsParams;
use colburn_model::ColBert;
use colburn_ops::Clip;

use super::gradients::scale;
use crate::Result;

/// An optimizer of a ColBERT model: [`AdamW`](crate::AdamW), any of Burn's, or your own.
///
/// Burn's optimizers are `ModuleOptimizer`s, made by the method `init` of their configurations:
///
/// ```
/// use burn::optim::{SgdConfig, momentum::MomentumConfig};
/// use colburn_train::Optimizer;
///
/// let sgd = SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init();
/// assert_eq!(Optimizer::name(&sgd), "burn");
/// ```
///
/// Gradients are averaged and clipped by `max_grad_norm` before the optimizer sees them; clipping of Burn's is applied after that. The arguments
/// `adam_beta1`, `adam_beta2`, `adam_epsilon` and `weight_decay` belong to [`AdamW`](crate::AdamW): other optimizers have settings of their own, and a
/// `learning_rate_mapping` beside them is an error.
///
/// The simplest optimizer, gradient descent:
///
/// ```
/// use std::path::Path;
///
/// use burn::module::{Module, ModuleMapper, Param};
/// use burn::optim::GradientsParams;
/// use burn::tensor::Tensor;
/// use colburn_model::ColBert;
/// use colburn_train::{Optimizer, Result};
///
/// struct Descent;
///
/// struct Step {
///     gradients: GradientsParams,
///     rate: f64,
/// }
///
/// impl ModuleMapper for Step {
///     fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
///         let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
///         param.map(|weight| (weight.inner() - gradient * self.rate).autodiff().require_grad())
///     }
/// }
///
/// impl Optimizer for Descent {
///     fn name(&self) -> &str {
///         "descent"
///     }
///     fn step(&mut self, model: ColBert, gradients: GradientsParams, rate: f64) -> ColBert {
///         model.map(&mut Step { gradients, rate })
///     }
///     // Gradient descent has no state; the trainer expects a file all the same.
///     fn save(&self, _: &ColBert, path: &Path) -> Result<()> {
///         Ok(colburn_model::write_atomic(path, b"")?)
///     }
///     fn load(&mut self, _: &ColBert, _: &Path) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
pub trait Optimizer: Send {
    /// Distinguishes optimizers whose states are not interchangeable.
    fn name(&self) -> &str;

    /// Updates the parameters that have a gradient. The model lies on a device with autodiff, the gradients on the same without; the updated
    /// parameters require gradients as before, and have their ids.
    fn step(&mut self, model: ColBert, gradients: GradientsParams, learning_rate: f64) -> ColBert;

    /// The same as [`Optimizer::step`] with gradients that are still to be multiplied by `clip`, which is 1 if they need no clipping. The trainer
    /// calls this method. By default it multiplies them and calls [`Optimizer::step`].
    fn step_clipped(&mut self, model: ColBert, gradients: GradientsParams, clip: f64, learning_rate: f64) -> ColBert {
        let gradients = if clip == 1.0 { gradients } else { scale(&model, gradients, clip) };
        self.step(model, gradients, learning_rate)
    }

    /// This optimizer as one that clips and skips on the device; none, which is the default, if the norm of the gradients has to be read before
    /// a step.
    fn deferred(&mut self) -> Option<&mut dyn DeferredOptimizer> {
        None
    }

    /// Writes the state of all parameters that have one. [`Optimizer::load`] must restore exactly this state for a model of the same shapes; ids of
    /// parameters are random in each process, so states are saved under the names of [`ColBert::parameters`].
    ///
    /// # Errors
    /// When the state cannot be read from the device, or the file cannot be written.
    fn save(&self, model: &ColBert, path: &Path) -> Result<()>;

    /// Loads the state that [`Optimizer::save`] wrote, in another process or for another copy of the model.
    ///
    /// # Errors
    /// When the file cannot be read, is that of another optimizer, or does not fit the model.
    fn load(&mut self, model: &ColBert, path: &Path) -> Result<()>;
}

/// An optimizer that clips gradients by their norm, and skips a step whose loss or norm is not finite, on the device. The host need not wait for
/// these numbers then: the trainer reads them while the device works on the next step.
pub trait DeferredOptimizer {
    /// As [`Optimizer::step_clipped`], with the factor that `clip` has on the device. If that finds a number that is not finite, neither the model
    /// nor the state may change.
    fn step_deferred(&mut self, model: ColBert, gradients: GradientsParams, clip: &Clip, learning_rate: f64)
    -> ColBert;

    /// Tells that the last step changed nothing. The trainer calls this before the next step or [`Optimizer::save`].
    fn was_skipped(&mut self);
}
