//! The kernels of layer norms. The gradient needs two numbers a row, and the input, which other nodes keep anyway.
//!
//! Behind dropout and a residual stream the input is the sum of both. The gradient computes it again from its parts, masks included, and is
//! written over arrays that nothing needs any more.

mod rows;

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

use self::rows::{Backward, Forward, Input, Sums};
use crate::cpu::array::Array;
use crate::cpu::parallel::{by_rows_with, rows_of_part};
use crate::kernel::Kernel;
use crate::kernel::flex::{apply_2, apply_3, apply_4};
use crate::masks::RowMasks;

/// `[tokens, width]`, with weight and bias of `[width]`.
pub(super) fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    let kernel = Norm(Formula { arch: Arch::new(), eps: eps as f32, masks: None });
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
    let kernel = SumNorm(Formula { arch: Arch::new(), eps: eps as f32, masks });
    match bias {
        Some(bias) => apply_4(kernel, x, residual, weight, bias),
        None => apply_3(kernel, x, residual, weight),
    }
}

#[derive(Clone, Debug)]
pub(super) struct Formula {
    pub arch: Arch,
    pub eps: f32,
    pub masks: Option<RowMasks>,
}

#[derive(Clone, Debug)]
pub(super) struct Saved {
    x: Array,
    residual: Option<Array>,
    weight: Array,
    /// Mean and inverse of the standard deviation of each row.
    statistics: Vec<[f32; 2]>,
}

struct Gradients {
    x: Option<Array>,
    /// By the sum of x and the residual.
    sum: Array,
    weight: Array,
    bias: Array,
}

impl Formula {
    fn forward(&self, x: Array, residual: Option<Array>, weight: Array, bias: Option<&Array>) -> (Array, Saved) {
        let [tokens, width] = x.shape();
        let others = residual.as_ref().is_none_or(|residual| residual.shape() == [tokens, width]);
        assert!(others && weight.len() == width, "the shapes of a layer norm of [{tokens}, {width}]");
        let no_bias = vec![0.0; if bias.is_some() { 0 } else { width }];
        let bias: &[f32] = bias.map_or(&no_bias, |bias| bias);
        let (out, statistics) = by_rows_with(tokens, width, |first, out| {
            let input = Input { x: &x, residual: residual.as_deref(), masks: self.masks.as_ref(), first, width };
            self.arch.dispatch(Forward { input, weight: &weight, bias, eps: self.eps, out })
        });
        let statistics = statistics.concat();
        (Array::new(out, [tokens, width]), Saved { x, residual, weight, statistics })
    }

    /// The gradients. That by x is there only if masks make it differ from that by the sum.
    fn backward(&self, saved: Saved, gradient: Array) -> Gradients {
        let Saved { x, residual, weight, statistics } = saved;
        let [_, width] = x.shape();
        let mut by_sum = gradient.into_mut();
        // Sums of weight and bias are kept for each part: at least so many rows share them.
        let rows = rows_of_part(width).max(16);
        let size = (rows * width).max(1);
        let part = |first: usize, gradient: &mut [f32], x: &[f32], by_x: Option<&mut [f32]>| {
            let input = Input { x, residual: residual.as_deref(), masks: self.masks.as_ref(), first, width };
            let statistics = &statistics[first..];
            self.arch.dispatch(Backward { input, weight: &weight, statistics, gradient, by_x })
        };
        let parts = by_sum.as_mut_slice().par_chunks_mut(size).enumerate();
        let (by_x, sums): (_, Vec<Sums>) = if self.masks.is_some() {
            let mut by_x = x.into_mut();
            let parts = parts.zip(by_x.as_mut_slice().par_chunks_mut(size));
            let sums = parts.map(|((number, gradient), x)| part(number * rows, gradient, &[], Some(x))).collect();
            (Some(by_x), sums)
        } else {
            (None, parts.map(|(number, gradient)| part(number * rows, gradient, &x, None)).collect())
        };
        let mut all = Sums::new(width);
        sums.iter().for_each(|sums| all.add(sums));
        Gradients { x: by_x, sum: by_sum, weight: Array::new(all.weight, [width]), bias: Array::new(all.bias, [width]) }
    }
}

/// Of x, weight and, with three inputs, bias.
#[derive(Clone, Debug)]
pub(super) struct Norm(pub Formula);

impl Kernel<Flex, 2> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [Array; 2]) -> (Array, Saved) {
        self.0.forward(x, None, weight, None)
    }

    fn backward(&self, saved: Saved, gradient: Array, _: [bool; 2]) -> [Option<Array>; 2] {
        let gradients = self.0.backward(saved, gradient);
        [gradients.sum, gradients.weight].map(Some)
    }
}

impl Kernel<Flex, 3> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [Array; 3]) -> (Array, Saved) {
        self.0.forward(x, None, weight, Some(&bias))
    }

    fn backward(&self, saved: Saved, gradient: Array, _: [bool; 3]) -> [Option<Array>; 3] {
        let gradients = self.0.backward(saved, gradient);
        [gradients.sum, gradients.weight, gradients.bias].map(Some)
    }
}

/// Of x, residual, weight and, with four inputs, bias.
#[derive(Clone, Debug)]
pub(super) struct SumNorm(pub Formula);

impl Kernel<Flex, 3> for SumNorm {
    type Saved = Saved;

    fn forward(&self, [x, residual, weight]: [Array; 3]) -> (Array, Saved) {
        self.0.forward(x, Some(residual), weight, None)
    }

    fn backward(&self, saved: Saved, gradient: Array, _: [bool; 3]) -> [Option<Array>; 3] {
        let gradients = self.0.backward(saved, gradient);
        let by_x = gradients.x.unwrap_or_else(|| gradients.sum.clone());
        [by_x, gradients.sum, gradients.weight].map(Some)
    }
}

impl Kernel<Flex, 4> for SumNorm {
    type Saved = Saved;

    fn forward(&self, [x, residual, weight, bias]: [Array; 4]) -> (Array, Saved) {
        self.0.forward(x, Some(residual), weight, Some(&bias))
    }

    fn backward(&self, saved: Saved, gradient: Array, _: [bool; 4]) -> [Option<Array>; 4] {
        let gradients = self.0.backward(saved, gradient);
        let by_x = gradients.x.unwrap_or_else(|| gradients.sum.clone());
        [by_x, gradients.sum, gradients.weight, gradients.bias].map(Some)
    }
}
