//! Layer norms on CubeCL, of an array or of the sum `mask · (x + bias) + residual`.
//!
//! A device such as one of WebGPU binds few buffers to a kernel. There the sum is computed first, by a kernel of its own.

mod backward;
#[cfg(feature = "cuda")]
mod cuda;
mod forward;
mod gradients;
mod pre;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

pub(crate) use self::gradients::Gradients;
pub(crate) use self::pre::{PreGradients, pre_backward, pre_forward};
use crate::cube::array::{len, max_buffers, sizes};
use crate::cube::masks::RowMasks;
use crate::cube::queue::{Queue, alone};
#[cfg(feature = "cuda")]
use crate::cube::sums::add_partial;
pub(crate) use crate::cube::terms::Terms as Input;
use crate::kernel::cube::{apply_2, apply_3, apply_4};
use crate::kernel::{Kernel, only};

/// Norms, `[tokens, width]`.
#[derive(Debug)]
pub(crate) struct Norms {
    /// f32.
    pub y: CubeTensor,
    /// The same in the type of x, if that was asked for and costs no pass of its own.
    pub low: Option<CubeTensor>,
    /// Mean and inverse of the standard deviation of each row, `[tokens, 2]`, for the backward pass.
    pub statistics: CubeTensor,
}

/// The layer norms of the rows of a sum, with weight and bias of `[width]`, and if `low` is set in the type of x too.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn forward(
    queue: &mut Queue,
    input: &Input,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    eps: f32,
    low: bool,
) -> Norms {
    let [rows, width] = input.sizes();
    assert!(len(weight) == width && bias.is_none_or(|bias| len(bias) == width), "the vectors of a norm of {width}");
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && rows * width > 0
        && cuda::serves(input, [Some(weight), bias])
    {
        let (y, low, statistics) = cuda::forward(task, input, weight, bias, eps, low);
        return Norms { y, low, statistics };
    }
    let _ = (rows, low);
    queue.start();
    let (y, statistics) = forward::within(max_buffers(&input.x), input, weight, bias, eps);
    Norms { y, low: None, statistics }
}

/// The gradients by all that the norm was computed from, from that by its value, `[tokens, width]` of f32.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn backward(
    queue: &mut Queue,
    input: &Input,
    weight: &CubeTensor,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
) -> Gradients {
    let [rows, width] = input.sizes();
    let fit = len(weight) == width && sizes(statistics) == [rows, 2] && sizes(gradient) == [rows, width];
    assert!(fit && gradient.dtype == DType::F32, "the arrays of the gradient of a norm of [{rows}, {width}]");
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && rows * width > 0
        && cuda::serves(input, [Some(weight), Some(gradient)])
    {
        let (by_x, by_sum, partial) = cuda::backward(task, input, weight, statistics, gradient);
        let sums = add_partial(queue, &partial);
        return Gradients::new(queue, by_x, by_sum, &sums, input.x_bias.is_some());
    }
    queue.start();
    backward::within(max_buffers(gradient), input, weight, statistics, gradient)
}

/// `[tokens, width]`, with weight and bias of `[width]`.
pub(super) fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    let kernel = Norm { eps: eps as f32 };
    match bias {
        Some(bias) => apply_3(kernel, x, weight, bias),
        None => apply_2(kernel, x, weight),
    }
}

/// The layer norm of `masks · x + residual`.
pub(super) fn drop_add_norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
    masks: Option<RowMasks>,
) -> Tensor<2> {
    let kernel = SumNorm { eps: eps as f32, masks };
    match bias {
        Some(bias) => apply_4(kernel, x, residual, weight, bias),
        None => apply_3(kernel, x, residual, weight),
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Saved {
    input: Input,
    weight: CubeTensor,
    statistics: CubeTensor,
}

impl Saved {
    fn of(input: Input, weight: CubeTensor, bias: Option<&CubeTensor>, eps: f32) -> (CubeTensor, Self) {
        let norms = alone(&input.x, |queue| forward(queue, &input, &weight, bias, eps, false));
        (norms.y, Self { input, weight, statistics: norms.statistics })
    }

    fn gradients(self, gradient: &CubeTensor) -> Gradients {
        alone(gradient, |queue| backward(queue, &self.input, &self.weight, &self.statistics, gradient))
    }
}

/// Of x, weight and, with three inputs, bias.
#[derive(Clone, Debug)]
struct Norm {
    eps: f32,
}

impl Kernel<CubeBackend, 2> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [CubeTensor; 2]) -> (CubeTensor, Saved) {
        Saved::of(Input::new(x), weight, None, self.eps)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 2]) -> [Option<CubeTensor>; 2] {
        let gradients = saved.gradients(&gradient);
        only(wanted, [Some(gradients.by_sum), Some(gradients.by_weight)])
    }
}

impl Kernel<CubeBackend, 3> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [CubeTensor; 3]) -> (CubeTensor, Saved) {
        Saved::of(Input::new(x), weight, Some(&bias), self.eps)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 3]) -> [Option<CubeTensor>; 3] {
        let gradients = saved.gradients(&gradient);
        only(wanted, [Some(gradients.by_sum), Some(gradients.by_weight), gradients.by_bias])
    }
}

/// Of x, residual, weight and, with four inputs, bias.
#[derive(Clone, Debug)]
struct SumNorm {
    eps: f32,
    masks: Option<RowMasks>,
}

impl SumNorm {
    fn input(&self, x: CubeTensor, residual: CubeTensor) -> Input {
        Input { x, x_bias: None, residual: Some(residual), masks: self.masks.clone() }
    }
}

impl Kernel<CubeBackend, 3> for SumNorm {
    type Saved = Saved;

    fn forward(&self, [x, residual, weight]: [CubeTensor; 3]) -> (CubeTensor, Saved) {
        Saved::of(self.input(x, residual), weight, None, self.eps)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 3]) -> [Option<CubeTensor>; 3] {
        let gradients = saved.gradients(&gradient);
        only(wanted, [Some(gradients.by_x), Some(gradients.by_sum), Some(gradients.by_weight)])
    }
}

impl Kernel<CubeBackend, 4> for SumNorm {
    type Saved = Saved;

    fn forward(&self, [x, residual, weight, bias]: [CubeTensor; 4]) -> (CubeTensor, Saved) {
        Saved::of(self.input(x, residual), weight, Some(&bias), self.eps)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 4]) -> [Option<CubeTensor>; 4] {
        let gradients = saved.gradients(&gradient);
        only(wanted, [Some(gradients.by_x), Some(gradients.by_sum), Some(gradients.by_weight), gradients.by_bias])
    }
}
