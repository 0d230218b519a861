//! The kernels of AdamW's update and of the length of gradients: one pass each over memory that no cache holds, on all cores.
//!
//! Every number is computed by the same operations in the same order as in the composed form, without fused multiplications and additions.
//! So weights are the same to the bit on any instruction set, and a run can resume on another machine.

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::update::{AdamWUpdate, Factors};
use crate::cpu::array::Array;

/// Number of numbers in a part.
const PART: usize = 1 << 14;

/// The sum of squares: by parts in 32 bits, and of these in 64, in order.
pub(super) fn squared_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let (x, arch) = (array(x), Arch::new());
    let parts: Vec<f64> = x.par_chunks(PART).map(|part| arch.dispatch(Squares(part))).collect();
    tensor(Array::new(vec![parts.iter().sum::<f64>() as f32], [1]))
}

/// The weight and its moments after an update.
pub(super) fn adamw<const D: usize>(
    update: &AdamWUpdate,
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    adamw_on(Arch::new(), update, weight, gradient, moments)
}

/// As [`adamw`], on this instruction set.
pub(super) fn adamw_on<const D: usize>(
    arch: Arch,
    update: &AdamWUpdate,
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let factors = Factors::new(update);
    let gradient = array(gradient);
    let [mean, squares] = moments;
    let [mut weight, mut mean, mut squares] = [weight, mean, squares].map(|tensor| array(tensor).into_mut());
    let parts = weight.as_mut_slice().par_chunks_mut(PART).zip(gradient.par_chunks(PART));
    let parts = parts.zip(mean.as_mut_slice().par_chunks_mut(PART)).zip(squares.as_mut_slice().par_chunks_mut(PART));
    parts.for_each(|(((weight, gradient), mean), squares)| {
        arch.dispatch(Part { factors, weight, gradient, mean, squares });
    });
    (tensor(weight), [tensor(mean), tensor(squares)])
}

/// The numbers of a tensor of flex that is off the graph.
pub(super) fn array<const D: usize>(tensor: Tensor<D>) -> Array {
    Array::from_flex(tensor.try_into_primitive::<Flex>().expect("the caller asked whether it is one of flex"))
}

/// The tensor of an array, off the graph.
pub(super) fn tensor<const D: usize>(array: Array) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(array.into_flex())
}

struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        // As many sums in any instruction set, so that they come out alike.
        let mut sums = [0.0f32; 64];
        let (vectors, rest) = self.0.as_chunks::<64>();
        for vector in vectors {
            sums.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x * x);
        }
        sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += x * x);
        sums.iter().map(|&sum| f64::from(sum)).sum()
    }
}

impl Factors {
    /// The weight, the mean and the mean of squares that follow.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, [weight, gradient, mean, squares]: [S::f32s; 4]) -> [S::f32s; 3] {
        let times = |x, factor| simd.mul_f32s(x, simd.splat_f32s(factor));
        let gradient = times(gradient, self.gradient);
        let mean = simd.add_f32s(mean, times(simd.sub_f32s(gradient, mean), self.mean));
        let square = times(simd.mul_f32s(gradient, gradient), self.squares[1]);
        let squares = simd.add_f32s(times(squares, self.squares[0]), square);
        let root = simd.div_f32s(simd.sqrt_f32s(squares), simd.splat_f32s(self.correction));
        let denominator = simd.add_f32s(root, simd.splat_f32s(self.epsilon));
        let change = times(simd.div_f32s(mean, denominator), self.rate);
        [simd.sub_f32s(times(weight, self.keep), change), mean, squares]
    }
}

struct Part<'a> {
    factors: Factors,
    weight: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    squares: &'a mut [f32],
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (weight, weight_rest) = S::as_mut_simd_f32s(self.weight);
        let (gradient, gradient_rest) = S::as_simd_f32s(self.gradient);
        let (mean, mean_rest) = S::as_mut_simd_f32s(self.mean);
        let (squares, squares_rest) = S::as_mut_simd_f32s(self.squares);
        for (((weight, &gradient), mean), squares) in weight.iter_mut().zip(gradient).zip(mean).zip(squares) {
            [*weight, *mean, *squares] = self.factors.step(simd, [*weight, gradient, *mean, *squares]);
        }
        let rest = [&*weight_rest, gradient_rest, &*mean_rest, &*squares_rest].map(|rest| simd.partial_load_f32s(rest));
        let [weight, mean, squares] = self.factors.step(simd, rest);
        simd.partial_store_f32s(weight_rest, weight);
        simd.partial_store_f32s(mean_rest, mean);
        simd.partial_store_f32s(squares_rest, squares);
    }
}
