//! The norm of all gradients and the update of all parameters on CubeCL devices: by kernels of CUDA C++ that take many parameters a launch
//! where NVRTC is at hand, else by a launch for each parameter.
//!
//! Every number of an update is computed by the operations of the composed form, in their order.

#[cfg(feature = "cuda")]
mod cuda;
mod parameter;
mod portable;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;

use self::parameter::{Norm, Parameter, contiguous, tensor};
use super::settings::{AdamWSettings, Clip, ParameterUpdate};
use super::update::{AdamWUpdate, Factors};
use crate::any_tensor::AnyTensor;
use crate::cube::array::len;

/// As [`super::squared_norms`]: one number.
pub(super) fn squared_norms(gradients: Vec<AnyTensor>) -> Tensor<1> {
    let gradients: Vec<CubeTensor> = gradients.into_iter().map(contiguous).collect();
    let Some(first) = gradients.first().cloned() else { panic!("the norm of no gradient") };
    let parts: Vec<CubeTensor> = gradients.into_iter().filter(|gradient| len(gradient) > 0).collect();
    #[cfg(feature = "cuda")]
    if cuda::serves(&first) {
        return tensor(cuda::squared_norm(&first, &parts));
    }
    tensor(portable::squared_norm(&first, &parts))
}

/// As [`super::adamw_all`].
pub(super) fn adamw_all(
    settings: AdamWSettings,
    clip: &Clip,
    parameters: Vec<ParameterUpdate>,
) -> Vec<(AnyTensor, [AnyTensor; 2])> {
    let (factor, norm) = match clip {
        Clip::By(factor) => (*factor, None),
        Clip::ToNorm { numbers, max_norm, unscale } => {
            let numbers = contiguous(AnyTensor::new(numbers.clone()));
            (*unscale, Some(Norm { numbers, max_norm: *max_norm }))
        }
    };
    let parameter = |update: ParameterUpdate| {
        let factors = Factors::new(&update.numbers(settings, factor));
        Parameter::new(factors, update.weight, update.gradient, update.moments)
    };
    let parameters: Vec<Parameter> = parameters.into_iter().map(parameter).collect();
    update(&parameters, norm);
    parameters.into_iter().map(Parameter::updated).collect()
}

/// As [`super::adamw`].
pub(super) fn adamw<const D: usize>(
    update: &AdamWUpdate,
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let moments = moments.map(AnyTensor::new);
    let parameter = Parameter::new(Factors::new(update), AnyTensor::new(weight), AnyTensor::new(gradient), moments);
    self::update(std::slice::from_ref(&parameter), None);
    let (weight, moments) = parameter.updated();
    (weight.into_tensor(), moments.map(AnyTensor::into_tensor))
}

/// Updates all parameters in place.
fn update(parameters: &[Parameter], norm: Option<Norm>) {
    let parameters: Vec<&Parameter> = parameters.iter().filter(|parameter| len(&parameter.weight) > 0).collect();
    let Some(_first) = parameters.first() else { return };
    #[cfg(feature = "cuda")]
    if cuda::serves(&_first.weight) {
        return cuda::update(&parameters, norm);
    }
    portable::update(&parameters, norm.as_ref());
}
