//! Norms before a layer: of the residual stream, in the type of the layer's factors. The gradient by the norm meets the one that goes past the layer.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::backward::within as gradients_within;
#[cfg(feature = "cuda")]
use super::cuda;
use super::forward::within as norms_within;
use crate::cube::array::{len, max_buffers, sizes};
use crate::cube::copy::cast;
use crate::cube::queue::Queue;
use crate::cube::terms::Terms as Input;
#[cfg(feature = "cuda")]
use crate::cube::{cuda::takes, parts::rows_of, sums::add_partial};

/// Norms, `[tokens, width]`.
#[derive(Debug)]
pub(crate) struct PreNorms {
    /// In the type that was asked for.
    pub low: CubeTensor,
    /// Mean and inverse of the standard deviation of each row, `[tokens, 2]`, for the backward pass.
    pub statistics: CubeTensor,
}

/// The gradients of norms before a layer.
#[derive(Debug)]
pub(crate) struct PreGradients {
    /// By x, f32.
    pub by_x: CubeTensor,
    /// The same in the type of factors, if that was asked for and costs no pass of its own.
    pub low: Option<CubeTensor>,
    /// f32 of `[width]`, as is the other.
    pub by_weight: CubeTensor,
    pub by_bias: Option<CubeTensor>,
}

/// The layer norms of the rows of x, f32 of `[tokens, width]`, in this type, with weight and bias of `[width]`.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn pre_forward(
    queue: &mut Queue,
    x: &CubeTensor,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    eps: f32,
    dtype: DType,
) -> PreNorms {
    let ([_, width], input) = (sizes(x), Input::new(x.clone()));
    let fit = len(weight) == width && bias.is_none_or(|bias| len(bias) == width);
    assert!(fit && x.dtype == DType::F32, "the arrays of a norm of {width}");
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && matches!(dtype, DType::F32 | DType::BF16 | DType::F16)
        && len(x) > 0
        && cuda::serves(&input, [Some(weight), bias])
    {
        let (low, statistics) = cuda::pre_forward(task, x, weight, bias, eps, dtype);
        return PreNorms { low, statistics };
    }
    queue.start();
    let (y, statistics) = norms_within(max_buffers(x), &input, weight, bias, eps);
    PreNorms { low: if dtype == DType::F32 { y } else { cast(&y, dtype) }, statistics }
}

/// The gradients, from that by the norms, `[tokens, width]` in their type. `passing`, f32 of the same size, is added to that by x. That is written in
/// the type of the norms too if `low` is set and they are not f32.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn pre_backward(
    queue: &mut Queue,
    x: &CubeTensor,
    weight: &CubeTensor,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
    passing: &CubeTensor,
    low: bool,
) -> PreGradients {
    let ([rows, width], input) = (sizes(x), Input::new(x.clone()));
    let fit = len(weight) == width && [gradient, passing].into_iter().all(|array| sizes(array) == [rows, width]);
    assert!(fit && passing.dtype == DType::F32, "the arrays of the gradient of a norm of [{rows}, {width}]");
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && len(x) > 0
        && takes(passing)
        && cuda::serves(&input, [Some(weight), Some(gradient)])
    {
        let low = low && gradient.dtype != DType::F32;
        let (by_x, low, partial) = cuda::pre_backward(task, x, weight, statistics, gradient, passing, low);
        let sums = add_partial(queue, &partial);
        let [by_weight, by_bias] = [0, 1].map(|number| rows_of(queue, &sums, number * width, width));
        return PreGradients { by_x, low, by_weight, by_bias: Some(by_bias) };
    }
    let _ = low;
    queue.start();
    let gradient = if gradient.dtype == DType::F32 { gradient.clone() } else { cast(gradient, DType::F32) };
    let by = gradients_within(max_buffers(x), &input, weight, statistics, &gradient);
    let sum = Input { residual: Some(passing.clone()), ..Input::new(by.by_sum) };
    let by_x = sum.sum(queue, DType::F32);
    PreGradients { by_x, low: None, by_weight: by.by_weight, by_bias: by.by_bias }
}
