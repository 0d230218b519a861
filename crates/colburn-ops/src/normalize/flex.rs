//! Rows of length one.

use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    apply::apply_1,
    array::Array,
    kernel::Kernel,
    lanes::dot,
    parallel::{by_rows_with, rows_of_part},
};

/// Below this square of its length a row is divided by the root of this.
const LEAST: f32 = 1e-24;

/// Every row over its L2 norm, `[tokens, width]`.
pub(crate) fn normalize(x: Tensor<2>) -> Tensor<2> {
    apply_1(Normalize { arch: Arch::new() }, x)
}

#[derive(Clone, Debug)]
struct Normalize {
    arch: Arch,
}

impl Kernel<1> for Normalize {
    /// The rows of length one, and the squares of the lengths that they had.
    type Saved = (Array, Vec<f32>);

    fn forward(&self, [x]: [Array; 1]) -> (Array, Self::Saved) {
        let [tokens, width] = x.shape();
        let (out, squares) = by_rows_with(tokens, width, |first, out| {
            self.arch.dispatch(Forward { x: &x[first * width..], width, out })
        });
        let out = Array::new(out, [tokens, width]);
        (out.clone(), (out, squares.concat()))
    }

    fn backward(&self, (value, squares): Self::Saved, gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let [_, width] = value.shape();
        let mut gradient = gradient.into_mut();
        let rows = rows_of_part(width);
        let size = (rows * width).max(1);
        let parts =
            gradient.as_mut_slice().par_chunks_mut(size).zip(value.par_chunks(size)).zip(squares.par_chunks(rows));
        parts.for_each(|((gradient, value), squares)| self.arch.dispatch(Backward { value, squares, width, gradient }));
        [Some(gradient)]
    }
}

fn norm(square: f32) -> f32 {
    // Not `max`, which would make a number of what is none.
    if square < LEAST { LEAST.sqrt() } else { square.sqrt() }
}

struct Forward<'a> {
    x: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let mut squares = Vec::with_capacity(self.out.len() / self.width);
        for (x, out) in self.x.chunks_exact(self.width).zip(self.out.chunks_exact_mut(self.width)) {
            let square = dot(x, x);
            let norm = norm(square);
            for (out, x) in out.iter_mut().zip(x) {
                *out = x / norm;
            }
            squares.push(square);
        }
        squares
    }
}

struct Backward<'a> {
    value: &'a [f32],
    squares: &'a [f32],
    width: usize,
    gradient: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.value.chunks_exact(self.width).zip(self.gradient.chunks_exact_mut(self.width));
        for ((value, gradient), &square) in rows.zip(self.squares) {
            let norm = norm(square);
            // A row shorter than that is divided by a constant.
            let along = if square < LEAST { 0.0 } else { dot(gradient, value) };
            for (gradient, value) in gradient.iter_mut().zip(value) {
                *gradient = (*gradient - value * along) / norm;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fused::testing::{agree, instruction_sets, random, same_on_any_threads},
        norm::normalize_composed,
    };

    #[test]
    fn agrees_with_its_twin() {
        for arch in instruction_sets() {
            let kernel = Normalize { arch };
            for shape in [[0, 5], [1, 1], [3, 1], [9, 3], [5, 15], [4, 16], [7, 17], [20, 31], [90, 128], [40, 384]] {
                let x = random(shape, 1);
                // The gradient of a row of one number is 0 but for rounding.
                let tolerance = if shape[1] == 1 { 1e-3 } else { 1e-5 };
                agree([x.clone()], |[x]| apply_1(kernel.clone(), x), |[x]| normalize_composed(x), tolerance);
                // Shorter than the bound.
                let x = x * 1e-14;
                agree([x], |[x]| apply_1(kernel.clone(), x), |[x]| normalize_composed(x), 1e-5);
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let x = Tensor::from_floats([[f32::NAN, 1.0, 0.0]], &burn::tensor::Device::flex());
        assert!(normalize(x).into_data().try_to_vec::<f32>().unwrap().iter().all(|y| y.is_nan()));
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        same_on_any_threads([random([500, 128], 1)], |[x]| normalize(x));
    }
}
