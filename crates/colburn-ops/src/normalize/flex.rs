//! The kernel of rows of length one.

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::cpu::array::Array;
use crate::cpu::lanes::dot;
use crate::cpu::parallel::{by_rows_with, rows_of_part};
use crate::kernel::Kernel;
use crate::kernel::flex::apply_1;

/// The least square of a length: a shorter row is divided by the root of this.
const LEAST: f32 = 1e-24;

/// Every row over its L2 norm, `[tokens, width]`.
pub(super) fn normalize(x: Tensor<2>) -> Tensor<2> {
    apply_1(Normalize { arch: Arch::new() }, x)
}

#[derive(Clone, Debug)]
pub(super) struct Normalize {
    pub arch: Arch,
}

impl Kernel<Flex, 1> for Normalize {
    /// The rows of length one, and the squares of their former lengths.
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
    // Not `max`, which would turn NaN into a number.
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
