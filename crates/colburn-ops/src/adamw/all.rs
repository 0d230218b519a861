//! The update of all parameters in one call, and the norm of all gradients.

use burn::tensor::{Device, Tensor};

use super::one::{adamw, squared_norm};
use super::settings::{AdamWSettings, Clip, ParameterUpdate};
use super::update::AdamWUpdate;
use crate::any_tensor::AnyTensor;
use crate::implementation::Implementation;

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

fn squared_norm_of<const D: usize>(x: AnyTensor) -> Tensor<1> {
    squared_norm(x.into_tensor::<D>())
}

fn adamw_of<const D: usize>(numbers: AdamWUpdate, parameter: ParameterUpdate) -> (AnyTensor, [AnyTensor; 2]) {
    let ParameterUpdate { weight, gradient, moments, .. } = parameter;
    let moments = moments.map(AnyTensor::into_tensor::<D>);
    let (weight, moments) = adamw(&numbers, weight.into_tensor::<D>(), gradient.into_tensor(), moments);
    (AnyTensor::new(weight), moments.map(AnyTensor::new))
}
