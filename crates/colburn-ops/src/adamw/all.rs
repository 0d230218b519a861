//! The update of all parameters in one call, and the norm of all gradients.

use burn::tensor::{Device, Tensor};

use super::update::AdamWUpdate;
use super::{adamw, squared_norm};
use crate::any_tensor::AnyTensor;
use crate::implementation::Implementation;
use crate::late_numbers::LateNumbers;

/// Calls a function that is generic in the number of dimensions.
macro_rules! of_rank {
    ($rank:expr, $function:ident($($argument:expr),*)) => {
        match $rank {
            1 => $function::<1>($($argument),*),
            2 => $function::<2>($($argument),*),
            3 => $function::<3>($($argument),*),
            4 => $function::<4>($($argument),*),
            5 => $function::<5>($($argument),*),
            rank => panic!("a parameter of {rank} dimensions"),
        }
    };
}

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
    },
}

impl Clip {
    /// The factor of a norm that is known. Source: `torch.nn.utils.clip_grad_norm_`.
    pub fn factor(norm: f64, max_norm: f64) -> f64 {
        let coefficient = max_norm / (norm + 1e-6);
        if max_norm > 0.0 && coefficient < 1.0 { coefficient } else { 1.0 }
    }
}

/// True if parameters on this device are updated by kernels that read the norm on the device, so that [`Clip::ToNorm`] costs no wait.
pub fn updates_on_device(device: &Device) -> bool {
    #[cfg(feature = "cube")]
    {
        use crate::device::{Backend, backend};
        crate::kernels::enabled() && matches!(backend(device), Backend::Wgpu | Backend::Cuda)
    }
    #[cfg(not(feature = "cube"))]
    {
        let _ = device;
        false
    }
}

/// Numbers whose sum is the sum of squares of all gradients, on their device: one number on CubeCL devices, one for each gradient elsewhere.
///
/// # Shapes
/// The result: `[n]`.
///
/// # Panics
/// When there is no gradient.
pub fn squared_norms(gradients: Vec<AnyTensor>) -> Tensor<1> {
    match Implementation::of_list(&gradients) {
        #[cfg(feature = "cube")]
        Implementation::Cube => super::cube::squared_norms(gradients),
        _ => {
            let norm = |gradient: AnyTensor| of_rank!(gradient.rank(), squared_norm_of(gradient));
            Tensor::cat(gradients.into_iter().map(norm).collect(), 0)
        }
    }
}

/// The weight and the moments of each parameter after an update, in order; see [`adamw`]. On CubeCL devices it is a few launches in all.
///
/// # Panics
/// When the numbers of [`Clip::ToNorm`] cannot be read where they are not read on the device.
pub fn adamw_all(
    settings: AdamWSettings,
    clip: &Clip,
    parameters: Vec<ParameterUpdate>,
) -> Vec<(AnyTensor, [AnyTensor; 2])> {
    let tensors = parameters.iter().flat_map(ParameterUpdate::tensors);
    match Implementation::of_list(tensors) {
        #[cfg(feature = "cube")]
        Implementation::Cube => super::cube::adamw_all(settings, clip, parameters),
        _ => {
            let Some(factor) = clip.read() else {
                return parameters.into_iter().map(|parameter| (parameter.weight, parameter.moments)).collect();
            };
            let update = |parameter: ParameterUpdate| {
                let numbers = parameter.numbers(settings, factor);
                of_rank!(parameter.weight.rank(), adamw_of(numbers, parameter))
            };
            parameters.into_iter().map(update).collect()
        }
    }
}

impl ParameterUpdate {
    fn tensors(&self) -> [&AnyTensor; 4] {
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
    fn read(&self) -> Option<f64> {
        match self {
            Self::By(factor) => Some(*factor),
            Self::ToNorm { numbers, max_norm } => {
                let numbers = LateNumbers::new(numbers.clone()).read().expect("the numbers of a step");
                let finite = numbers.iter().all(|number| number.is_finite());
                let squared = f64::from(*numbers.last()?);
                finite.then(|| Self::factor(squared.sqrt(), *max_norm))
            }
        }
    }
}

fn squared_norm_of<const D: usize>(x: AnyTensor) -> Tensor<1> {
    squared_norm(x.into_tensor::<D>())
}

fn adamw_of<const D: usize>(numbers: AdamWUpdate, parameter: ParameterUpdate) -> (AnyTensor, [AnyTensor; 2]) {
    let ParameterUpdate { weight, gradient, moments, .. } = parameter;
    let moments = moments.map(AnyTensor::into_tensor::<D>);
    let (weight, moments) = adamw(&numbers, weight.into_tensor::<D>(), gradient.into_tensor(), moments);
    (AnyTensor::new(weight), moments.map(AnyTensor::new))
}
