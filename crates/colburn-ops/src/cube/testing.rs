//! Comparison of a kernel of CubeCL with its composed twin on flex, in value and gradient.

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::{cube_device, len};
use crate::device;
use crate::precision::Precision;
use crate::testing::{close, random};

/// The device that kernels are tested on: that of `BURN_DEVICE` if it is one of CubeCL, else the default one of wgpu.
pub(crate) fn device() -> Device {
    let name = std::env::var("BURN_DEVICE").ok().filter(|name| name.starts_with("cuda") || name == "wgpu");
    let name = name.unwrap_or_else(|| if cfg!(feature = "wgpu") { "wgpu" } else { "cuda" }.to_owned());
    device::by_name(Some(&name)).expect("a device for the kernels of CubeCL")
}

/// True if the device computes in bf16.
pub(crate) fn has_bf16() -> bool {
    device::name(&device()) == "cuda"
}

/// The precisions of the device whose factors are shorter than f32.
pub(crate) fn short_precisions() -> Vec<Precision> {
    [Precision::Bf16, Precision::F16].into_iter().filter(|precision| precision.is_on(&device())).collect()
}

/// The types of their factors.
pub(crate) fn short_types() -> Vec<DType> {
    short_precisions().into_iter().map(|precision| precision.element(&cube_device(&device()))).collect()
}

/// The nearest number of a type.
pub(crate) fn rounded(x: f32, dtype: DType) -> f32 {
    match dtype {
        DType::BF16 => half::bf16::from_f32(x).to_f32(),
        DType::F16 => half::f16::from_f32(x).to_f32(),
        _ => x,
    }
}

/// The same numbers on the device of the kernels.
pub(crate) fn moved<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_data(x.into_data(), &device())
}

/// The numbers of a tensor.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_to_vec().expect("numbers of f32")
}

/// Holds the kernel on its device to its twin on flex, given the same inputs of flex: values, the gradients by each input of a sum of the
/// values weighted at random, and the value without a graph. Differences are relative to the largest number of the twin.
pub(crate) fn agree<const D: usize, const N: usize, const R: usize>(
    inputs: [Tensor<D>; N],
    kernel: impl Fn([Tensor<D>; N]) -> Tensor<R>,
    twin: impl Fn([Tensor<D>; N]) -> Tensor<R>,
    tolerance: f32,
) {
    let on_device = inputs.clone().map(moved);
    let plain = values(kernel(on_device.clone()));
    let (value, gradients) = differentiated(on_device, &kernel);
    assert!(plain == value, "a value without a graph is another than with one");
    let (expected, expected_gradients) = differentiated(inputs, &twin);
    close(&value, &expected, tolerance, "the value");
    for (input, (gradient, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
        close(gradient, expected, tolerance, &format!("the gradient by input {input}"));
    }
}

fn differentiated<const D: usize, const N: usize, const R: usize>(
    inputs: [Tensor<D>; N],
    function: impl Fn([Tensor<D>; N]) -> Tensor<R>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let inputs = inputs.map(|input| input.autodiff().require_grad());
    let value = function(inputs.clone());
    let weights = random(value.dims(), 0x5eed);
    let weights = Tensor::<R>::from_data(weights.into_data(), &value.device().inner()).autodiff();
    let gradients = (value.clone() * weights).sum().backward();
    let of_inputs = inputs.iter().map(|input| input.grad(&gradients).map(values).unwrap_or_default()).collect();
    (values(value.inner()), of_inputs)
}

/// A tensor of the given numbers on the device of the kernels.
pub(crate) fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), &device())
}

/// The array of a tensor's numbers on the device of the kernels.
pub(crate) fn array<const D: usize>(x: Tensor<D>) -> CubeTensor {
    let data = x.into_data();
    let device = cube_device(&device());
    let client = device.client();
    let handle = client.create_from_slice(data.as_bytes());
    CubeTensor::new_contiguous(client, device, data.shape().clone(), handle, data.dtype())
}

/// The numbers of an array of f32.
pub(crate) fn numbers_of(x: &CubeTensor) -> Vec<f32> {
    if len(x) == 0 {
        return Vec::new();
    }
    assert_eq!(x.dtype, DType::F32, "an array of f32");
    let bytes = x.client.read_one_unchecked(x.handle.clone());
    bytes.chunks_exact(4).take(len(x)).map(|four| f32::from_ne_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// The values of a function, and behind them the gradients by its inputs of a sum of the values weighted at random.
pub(crate) fn gradients<const N: usize>(
    inputs: [Tensor<2>; N],
    function: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) -> Vec<Vec<f32>> {
    let (value, mut gradients) = differentiated(inputs, &function);
    gradients.insert(0, value);
    gradients
}

/// Holds values and gradients in a short type to those in f32: within the rounding of a few products, whose factors have 8 bits in bf16 and 11 in
/// f16.
pub(crate) fn near_in(precision: Precision, found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    let most = if precision == Precision::F16 { 3e-3 } else { 2e-2 };
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "a gradient that is not there, at {place}, {what}");
        let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let difference: Vec<f32> = found.iter().zip(expected).map(|(found, expected)| found - expected).collect();
        let relative = norm(&difference) / norm(expected).max(1e-9);
        // The gradient by a bias of the keys is 0 but for rounding.
        assert!(relative < most || norm(expected) < 1e-3, "{relative} at {place} in {precision:?}, {what}");
    }
}

/// Holds values and gradients to those of a twin, all in f32.
pub(crate) fn all_near(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "a gradient that is not there, at {place}, {what}");
        // The gradient by a bias of the keys is 0 but for rounding.
        let largest = expected.iter().fold(0.3f32, |largest, x| largest.max(x.abs()));
        let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-4 * largest, "{worst} of {largest} at {place}, {what}");
    }
}
