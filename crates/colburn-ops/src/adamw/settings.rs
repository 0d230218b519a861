//! The settings and the tensors of an update of many parameters.

use burn::tensor::Tensor;

use super::update::AdamWUpdate;
use crate::any_tensor::AnyTensor;
use crate::late_numbers::LateNumbers;

/// The settings that all parameters share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// β₁ and β₂: decay of the mean of the gradients, and of the mean of their squares.
    pub betas: (f64, f64),
    /// ε, added to the denominator.
    pub epsilon: f64,
}

/// The update of one parameter. See [`AdamWUpdate`] for its numbers.
#[derive(Clone, Debug)]
pub struct ParameterUpdate {
    /// The learning rate.
    pub rate: f64,
    /// The share of the weights that is taken off first.
    pub decay: f64,
    /// The number of this update of the parameter, counted from 1.
    pub step: u64,
    /// The parameter.
    pub weight: AnyTensor,
    /// Its gradient, in its shape.
    pub gradient: AnyTensor,
    /// The mean of its gradients and that of their squares, in its shape.
    pub moments: [AnyTensor; 2],
}

/// The factor of all gradients.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one is made a step")]
pub enum Clip {
    /// This factor, 1 for none.
    By(f64),
    /// The factor that reduces the norm of all gradients to `max_norm`, as `torch.nn.utils.clip_grad_norm_` computes it; 1 if the norm is not
    /// larger or `max_norm` is 0. It is computed on the device. If one of `numbers` is not finite, no parameter and no moment changes.
    ToNorm {
        /// The square of the norm, and before it, numbers that must be finite, too: `[n]`.
        numbers: Tensor<1>,
        /// The largest norm.
        max_norm: f64,
        /// The factor that takes the scale of the loss out of the gradients and their norm before anything else; 1 for none.
        unscale: f64,
    },
}

impl Clip {
    /// The factor of a norm that is known. Source: `torch.nn.utils.clip_grad_norm_`.
    pub fn factor(norm: f64, max_norm: f64) -> f64 {
        Self::factor_of_scaled(norm, max_norm, 1.0)
    }

    /// The same of the norm of scaled gradients, with `unscale` as in [`Clip::ToNorm`].
    pub fn factor_of_scaled(norm: f64, max_norm: f64, unscale: f64) -> f64 {
        let norm = norm * unscale;
        let coefficient = max_norm / (norm + 1e-6);
        if max_norm > 0.0 && coefficient < 1.0 { coefficient * unscale } else { unscale }
    }
}

impl ParameterUpdate {
    /// The weight, the gradient and the moments.
    pub(super) fn tensors(&self) -> [&AnyTensor; 4] {
        [&self.weight, &self.gradient, &self.moments[0], &self.moments[1]]
    }

    /// The numbers of the update of this parameter alone.
    pub(super) fn numbers(&self, settings: AdamWSettings, factor: f64) -> AdamWUpdate {
        let AdamWSettings { betas, epsilon } = settings;
        AdamWUpdate { betas, epsilon, rate: self.rate, decay: self.decay, step: self.step, factor }
    }
}

impl Clip {
    /// The factor, read from the device if it is there; none if a number is not finite.
    pub(super) fn read(&self) -> Option<f64> {
        match self {
            Self::By(factor) => Some(*factor),
            Self::ToNorm { numbers, max_norm, unscale } => {
                let numbers = LateNumbers::new(numbers.clone()).read().expect("the numbers of a step");
                let finite = numbers.iter().all(|number| number.is_finite());
                let squared = f64::from(*numbers.last()?);
                finite.then(|| Self::factor_of_scaled(squared.sqrt(), *max_norm, *unscale))
            }
        }
    }
}
