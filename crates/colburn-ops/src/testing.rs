//! Comparison of a kernel with its composed twin, in value and gradient, for the tests of all operations.

use burn::tensor::{Device, Tensor, TensorData};
use pulp::Arch;

use crate::seed::mix;

/// The instruction sets that this machine has, the widest first: kernels are tested with each.
pub(crate) fn instruction_sets() -> Vec<Arch> {
    #[cfg(target_arch = "x86_64")]
    {
        let v4 = pulp::x86::V4::try_new().map(Arch::V4);
        let v3 = pulp::x86::V3::try_new().map(Arch::V3);
        v4.into_iter().chain(v3).chain([Arch::Scalar]).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        vec![Arch::new()]
    }
}

/// Numbers of about normal distribution, which follow from the seed alone.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let uniform = |bits: u64| (bits >> 40) as f32 / (1u64 << 24) as f32;
    let number = |place: u64| (0..4).map(|draw| uniform(mix(seed, 4 * place + draw)) - 0.5).sum::<f32>() * 1.732;
    (0..count as u64).map(number).collect()
}

/// A tensor of [`numbers`], off the graph.
pub(crate) fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed), shape);
    Tensor::from_data(data, &Device::flex())
}

/// Holds the kernel to its twin: values, the gradients by each input of a sum of the values weighted at random, and the value without a
/// graph, which is to be the same to the bit as with one. Differences are relative to the largest number of the twin.
pub(crate) fn agree<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    kernel: impl Fn([Tensor<D>; N]) -> Tensor<2>,
    twin: impl Fn([Tensor<D>; N]) -> Tensor<2>,
    tolerance: f32,
) {
    let plain = values(kernel(inputs.clone()));
    let (value, gradients) = differentiated(&inputs, &kernel);
    assert!(plain == value, "a value without a graph is another than with one");
    let (expected, expected_gradients) = differentiated(&inputs, &twin);
    close(&value, &expected, tolerance, "the value");
    for (input, (gradient, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
        close(gradient, expected, tolerance, &format!("the gradient by input {input}"));
    }
}

/// Holds a function to give the same, to the bit, in value and gradients, on 1, 2 and 3 threads.
pub(crate) fn same_on_any_threads<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    function: impl Fn([Tensor<D>; N]) -> Tensor<2> + Sync,
) {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| differentiated(&inputs, &function))
    };
    let one = on(1);
    assert!([2, 3].into_iter().all(|threads| on(threads) == one), "other numbers on more threads");
}

fn differentiated<const D: usize, const N: usize>(
    inputs: &[Tensor<D>; N],
    function: impl Fn([Tensor<D>; N]) -> Tensor<2>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let inputs = inputs.clone().map(|input| input.autodiff().require_grad());
    let value = function(inputs.clone());
    let weights = random(value.dims(), 0x5eed).autodiff();
    let gradients = (value.clone() * weights).sum().backward();
    let of_inputs = inputs.iter().map(|input| input.grad(&gradients).map(values).unwrap_or_default()).collect();
    (values(value.inner()), of_inputs)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().expect("numbers of f32")
}

/// Asserts that all numbers are near those expected, relative to the largest of these.
pub(crate) fn close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: so many numbers");
    let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance * largest, "{what}: {found} at {place}, {expected} expected");
    }
}
