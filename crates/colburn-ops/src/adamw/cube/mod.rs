//! The norm of all gradients and the update of all parameters on CubeCL devices: by kernels of CUDA C++ that take many parameters a launch
//! where NVRTC is at hand, else by a launch for each parameter.
//!
//! Every number of an update is computed by the operations of the composed form, in their order.

#[cfg(feature = "cuda")]
mod cuda;
mod portable;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

use super::all::{AdamWSettings, Clip, ParameterUpdate};
use super::update::{AdamWUpdate, Factors};
use crate::any_tensor::AnyTensor;
use crate::cube::array::len;

/// A parameter with the numbers of its update.
struct Parameter {
    factors: Factors,
    weight: CubeTensor,
    gradient: CubeTensor,
    mean: CubeTensor,
    squares: CubeTensor,
}

/// The norm that gradients are clipped to on the device.
struct Norm {
    /// Numbers that must be finite, the last of which is the square of the norm of all gradients.
    numbers: CubeTensor,
    max_norm: f64,
}

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
        Clip::ToNorm { numbers, max_norm } => {
            let numbers = contiguous(AnyTensor::new(numbers.clone()));
            (1.0, Some(Norm { numbers, max_norm: *max_norm }))
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

impl Parameter {
    /// The parameter with weight and moments that may be written over: the arrays themselves if nothing else holds them.
    fn new(factors: Factors, weight: AnyTensor, gradient: AnyTensor, moments: [AnyTensor; 2]) -> Self {
        let [mean, squares] = moments.map(owned);
        let (weight, gradient) = (owned(weight), contiguous(gradient));
        let count = len(&weight);
        assert!(
            [&gradient, &mean, &squares].into_iter().all(|array| len(array) == count),
            "a gradient and moments of other shapes than their parameter"
        );
        Self { factors, weight, gradient, mean, squares }
    }

    fn updated(self) -> (AnyTensor, [AnyTensor; 2]) {
        (any(self.weight), [self.mean, self.squares].map(any))
    }
}

/// The numbers of a tensor, side by side in memory.
fn contiguous(tensor: AnyTensor) -> CubeTensor {
    let primitive = tensor.into_tensor::<1>().try_into_primitive::<CubeBackend>();
    into_contiguous(primitive.expect("the caller asked whether it is one of CubeCL"))
}

/// The same, to be written over.
fn owned(tensor: AnyTensor) -> CubeTensor {
    let array = contiguous(tensor);
    if array.handle.can_mut() { array } else { array.copy() }
}

fn tensor(array: CubeTensor) -> Tensor<1> {
    Tensor::from_primitive::<CubeBackend>(array)
}

fn any(array: CubeTensor) -> AnyTensor {
    AnyTensor::new(tensor(array))
}
