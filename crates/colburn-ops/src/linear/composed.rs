//! Linear layers made of Burn's operations.

use burn::tensor::{DType, Tensor};

use crate::precision::Precision;

/// `x · weight + bias`: `[tokens, from]` by `[from, to]`.
pub(super) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    let y = match precision {
        Precision::F32 | Precision::Tf32 => x.matmul(weight),
        Precision::Bf16 => x.cast(DType::BF16).matmul(weight.cast(DType::BF16)).cast(DType::F32),
        Precision::F16 => x.cast(DType::F16).matmul(weight.cast(DType::F16)).cast(DType::F32),
    };
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// Three layers of the same input, their results side by side.
pub(super) fn three_linears(
    x: Tensor<2>,
    weights: [Tensor<2>; 3],
    biases: Option<[Tensor<1>; 3]>,
    precision: Precision,
) -> Tensor<2> {
    let biases = biases.map_or([None, None, None], |biases| biases.map(Some));
    let parts = weights.into_iter().zip(biases).map(|(weight, bias)| linear(x.clone(), weight, bias, precision));
    Tensor::cat(parts.collect(), 1)
}
