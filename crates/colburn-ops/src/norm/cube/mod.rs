//! Layer norms on CubeCL, of an array or of the sum `mask · (x + bias) + residual`.
//!
//! A device such as one of WebGPU binds few buffers to a kernel. There the sum is computed first, by a kernel of its own.

mod backward;
mod forward;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

pub(crate) use self::backward::{Gradients, backward};
pub(crate) use self::forward::forward;
use crate::cube::masks::RowMasks;
pub(crate) use crate::cube::terms::Terms as Input;
use crate::kernel::cube::{apply_2, apply_3, apply_4};
use crate::kernel::{Kernel, only};

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
        let (y, statistics) = forward(&input, &weight, bias, eps);
        (y, Self { input, weight, statistics })
    }

    fn gradients(self, gradient: CubeTensor) -> Gradients {
        backward(&self.input, &self.weight, &self.statistics, gradient)
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
        let gradients = saved.gradients(gradient);
        only(wanted, [Some(gradients.by_sum), Some(gradients.by_weight)])
    }
}

impl Kernel<CubeBackend, 3> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [CubeTensor; 3]) -> (CubeTensor, Saved) {
        Saved::of(Input::new(x), weight, Some(&bias), self.eps)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 3]) -> [Option<CubeTensor>; 3] {
        let gradients = saved.gradients(gradient);
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
        let gradients = saved.gradients(gradient);
        only(wanted, [Some(gradients.by_x), Some(gradients.by_sum), Some(gradients.by_weight)])
    }
}

impl Kernel<CubeBackend, 4> for SumNorm {
    type Saved = Saved;

    fn forward(&self, [x, residual, weight, bias]: [CubeTensor; 4]) -> (CubeTensor, Saved) {
        Saved::of(self.input(x, residual), weight, Some(&bias), self.eps)
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 4]) -> [Option<CubeTensor>; 4] {
        let gradients = saved.gradients(gradient);
        only(wanted, [Some(gradients.by_x), Some(gradients.by_sum), Some(gradients.by_weight), gradients.by_bias])
    }
}
