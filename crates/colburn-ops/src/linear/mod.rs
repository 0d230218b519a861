//! Linear layers, in which nearly all of an encoder's arithmetic is done.

use burn::tensor::{DType, Tensor};

use crate::Precision;
#[cfg(feature = "flex")]
use crate::fused;

/// `x · weight + bias` (`torch.nn.functional.linear`, with the weight the other way round).
///
/// # Shapes
/// `x`: `[tokens, from]`; `weight`: `[from, to]`; `bias`: `[to]`; the result: `[tokens, to]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::linear(x, weight, bias, precision);
    }
    composed(x, weight, bias, precision)
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
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::three_linears(x, weights, biases, precision);
    }
    let biases = biases.map_or([None, None, None], |biases| biases.map(Some));
    let parts = weights.into_iter().zip(biases).map(|(weight, bias)| composed(x.clone(), weight, bias, precision));
    Tensor::cat(parts.collect(), 1)
}

fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    let y = match precision {
        Precision::F32 => x.matmul(weight),
        Precision::Bf16 => x.cast(DType::BF16).matmul(weight.cast(DType::BF16)).cast(DType::F32),
    };
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}
