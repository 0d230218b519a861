//! Layer norms: two numbers a row are kept for the way back, and the input, which others keep anyway.
//!
//! Behind dropout and a residual stream the input is that sum; it is computed again from its parts on the way back, masks included, and both
//! gradients are written over arrays that nobody needs any more.

use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

use super::{
    apply::{apply_2, apply_3, apply_4},
    array::Array,
    kernel::Kernel,
    norm_rows::{Backward, Forward, Input, Sums},
    parallel::{by_rows_with, rows_of_part},
};
use crate::dropout::RowMasks;

/// `[tokens, width]`, with weight and bias of `[width]`.
pub(crate) fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    let kernel = Norm(Formula { arch: Arch::new(), eps: eps as f32, masks: None });
    match bias {
        Some(bias) => apply_3(kernel, x, weight, bias),
        None => apply_2(kernel, x, weight),
    }
}

/// The layer norm of `masks · x + residual`.
pub(crate) fn drop_add_norm(
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
struct Formula {
    arch: Arch,
    eps: f32,
    masks: Option<RowMasks>,
}

#[derive(Clone, Debug)]
struct Saved {
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

    /// By x only where masks make it another than by the sum.
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
struct Norm(Formula);

impl Kernel<2> for Norm {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [Array; 2]) -> (Array, Saved) {
        self.0.forward(x, None, weight, None)
    }

    fn backward(&self, saved: Saved, gradient: Array, _: [bool; 2]) -> [Option<Array>; 2] {
        let gradients = self.0.backward(saved, gradient);
        [gradients.sum, gradients.weight].map(Some)
    }
}

impl Kernel<3> for Norm {
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
struct SumNorm(Formula);

impl Kernel<3> for SumNorm {
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

impl Kernel<4> for SumNorm {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Dropout, Spans,
        fused::testing::{agree, instruction_sets, random, same_on_any_threads},
    };
    use burn::tensor::module;

    const SHAPES: [[usize; 2]; 11] =
        [[0, 5], [1, 1], [3, 1], [9, 3], [5, 15], [4, 16], [7, 17], [20, 31], [90, 384], [40, 768], [30, 1536]];

    fn inputs([tokens, width]: [usize; 2]) -> [Tensor<2>; 4] {
        [
            random([tokens, width], 1) * 2.0 + 1.0,
            random([tokens, width], 2) * 2.0,
            random([1, width], 3) + 1.0,
            random([1, width], 4),
        ]
    }

    fn masks(tokens: usize) -> RowMasks {
        let lengths = [tokens / 3, 0, tokens / 2, tokens - tokens / 3 - tokens / 2];
        Dropout::seeded(5).rows(0.3, &Spans::from_lengths(&lengths)).unwrap()
    }

    fn flat(x: Tensor<2>) -> Tensor<1> {
        let width = x.dims()[1];
        x.reshape([width])
    }

    #[test]
    fn agrees_with_its_twin() {
        for arch in instruction_sets() {
            for shape in SHAPES {
                let [x, _, w, b] = inputs(shape);
                // Few numbers that happen to be alike are divided by a small one.
                let tolerance = if shape[1] < 15 { 2e-4 } else { 1e-5 };
                let eps = 1e-3;
                let kernel = Norm(Formula { arch, eps: eps as f32, masks: None });
                agree(
                    [x.clone(), w.clone()],
                    |[x, w]| apply_2(kernel.clone(), x, flat(w)),
                    |[x, w]| module::layer_norm(x, flat(w), None, eps),
                    tolerance,
                );
                agree(
                    [x, w, b],
                    |[x, w, b]| apply_3(kernel.clone(), x, flat(w), flat(b)),
                    |[x, w, b]| module::layer_norm(x, flat(w), Some(flat(b)), eps),
                    tolerance,
                );
            }
        }
    }

    #[test]
    fn of_a_sum_agrees_with_its_twin() {
        for arch in instruction_sets() {
            for (shape, with_masks) in SHAPES.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
                let [x, residual, w, b] = inputs(shape);
                let tolerance = if shape[1] < 15 { 2e-4 } else { 1e-5 };
                let eps = 1e-3;
                let masks = with_masks.then(|| masks(shape[0]));
                let kernel = SumNorm(Formula { arch, eps: eps as f32, masks: masks.clone() });
                let dropped = |x: Tensor<2>| masks.as_ref().map_or(x.clone(), |masks| x.clone() * masks.tensor(&x));
                agree(
                    [x.clone(), residual.clone(), w.clone()],
                    |[x, residual, w]| apply_3(kernel.clone(), x, residual, flat(w)),
                    |[x, residual, w]| module::layer_norm(dropped(x) + residual, flat(w), None, eps),
                    tolerance,
                );
                // The gradient by x goes over x in place, for nobody else holds it.
                agree(
                    [x, residual, w, b],
                    |[x, residual, w, b]| apply_4(kernel.clone(), x * 1.0, residual, flat(w), flat(b)),
                    |[x, residual, w, b]| module::layer_norm(dropped(x) + residual, flat(w), Some(flat(b)), eps),
                    tolerance,
                );
            }
        }
    }

    #[test]
    fn rows_far_from_zero_keep_their_digits() {
        let x = random([4, 384], 7);
        let norm = |x: Tensor<2>| {
            let y = layer_norm(x, Tensor::ones([384], &burn::tensor::Device::flex()), None, 1e-12);
            y.into_data().try_to_vec::<f32>().unwrap()
        };
        // Steps of 1/4096 are exact in f32 beside 1024.
        let steps = (x * 4096.0).round() / 4096.0;
        let (near, far) = (norm(steps.clone()), norm(steps + 1024.0));
        assert!(near.iter().zip(far).all(|(near, far)| (near - far).abs() < 5e-4));
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        let run = |[x, residual, w, b]: [Tensor<2>; 4]| {
            drop_add_norm(x, residual, flat(w), Some(flat(b)), 1e-12, Some(masks(200)))
        };
        same_on_any_threads(inputs([200, 384]), run);
    }
}
