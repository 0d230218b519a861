//! Linear layers, in which nearly all of an encoder's arithmetic is done.

mod composed;
#[cfg(feature = "cube")]
mod cube;
#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use crate::implementation::Implementation;
use crate::precision::Precision;

/// `x · weight + bias` (`torch.nn.functional.linear`, with the weight transposed).
///
/// # Shapes
/// `x`: `[tokens, from]`; `weight`: `[from, to]`; `bias`: `[to]`; the result: `[tokens, to]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::linear(x, weight, bias, precision),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::linear(x, weight, bias, precision),
        Implementation::Composed => composed::linear(x, weight, bias, precision),
    }
}

/// Three linear layers of the same input, their results side by side: the projections to queries, keys and values.
///
/// # Shapes
/// As [`linear`]; the result: `[tokens, sum of the three widths]`.
pub fn three_linears(
    x: Tensor<2>,
    weights: [Tensor<2>; 3],
    biases: Option<[Tensor<1>; 3]>,
    precision: Precision,
) -> Tensor<2> {
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::three_linears(x, weights, biases, precision),
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::three_linears(x, weights, biases, precision),
        Implementation::Composed => composed::three_linears(x, weights, biases, precision),
    }
}

/// `a · b` in f32, on CUDA too, where Burn's product of f32 rounds factors to TF32.
///
/// # Shapes
/// `a`: `[m, k]`; `b`: `[k, n]`; the result: `[m, n]`.
pub(crate) fn product(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    match Implementation::of_all([&a, &b]) {
        #[cfg(feature = "cube")]
        Implementation::Cube => cube::linear(a, b, None, Precision::F32),
        _ => a.matmul(b),
    }
}
