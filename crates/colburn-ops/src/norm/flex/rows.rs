//! The rows of layer norms, forward and backward.

use pulp::{Simd, WithSimd};

use crate::cpu::lanes::{dot, sum, total};
use crate::dropout::flex::BLOCK;
use crate::masks::RowMasks;

/// The input of a norm: rows of `masks · x + residual`, from `first` on.
pub(super) struct Input<'a> {
    /// All rows.
    pub x: &'a [f32],
    /// All rows.
    pub residual: Option<&'a [f32]>,
    pub masks: Option<&'a RowMasks>,
    pub first: usize,
    pub width: usize,
}

impl Input<'_> {
    /// Writes a row of the sum.
    #[inline(always)]
    fn row(&self, row: usize, x: &[f32], mask: &[f32], out: &mut [f32]) {
        if self.masks.is_some() {
            for ((out, x), mask) in out.iter_mut().zip(x).zip(mask) {
                *out = x * mask;
            }
        } else {
            out.copy_from_slice(x);
        }
        if let Some(residual) = self.residual {
            for (out, residual) in out.iter_mut().zip(&residual[row * self.width..]) {
                *out += residual;
            }
        }
    }

    /// Number of rows whose masks are made at a time.
    fn rows_of_block(&self) -> usize {
        (BLOCK / self.width).max(1)
    }

    /// Room for the masks of a block.
    fn room(&self) -> Vec<f32> {
        vec![0.0; if self.masks.is_some() { self.rows_of_block() * self.width } else { 0 }]
    }

    /// The masks of a row, those of its block being made before the first of them.
    #[inline(always)]
    fn masks_of<'a>(&self, number: usize, block: &'a mut [f32]) -> &'a [f32] {
        let Some(masks) = self.masks else { return &[] };
        let place = number % self.rows_of_block();
        if place == 0 {
            masks.fill(self.first + number, self.width, block);
        }
        &block[place * self.width..][..self.width]
    }
}

/// Writes the norms of a part of the rows. Returns mean and inverse of the standard deviation of each.
pub(super) struct Forward<'a> {
    pub input: Input<'a>,
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub eps: f32,
    pub out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = Vec<[f32; 2]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { input, weight, bias, eps, out } = self;
        let width = input.width;
        let mut block = input.room();
        let mut statistics = Vec::with_capacity(out.len() / width);
        for (number, out) in out.chunks_exact_mut(width).enumerate() {
            let row = input.first + number;
            let mask = input.masks_of(number, &mut block);
            input.row(row, &input.x[row * width..][..width], mask, out);
            let mean = sum(out) / width as f32;
            let squares = total(out, out, |x, _| (x - mean) * (x - mean));
            let scale = 1.0 / (squares / width as f32 + eps).sqrt();
            for ((out, weight), bias) in out.iter_mut().zip(weight).zip(bias) {
                *out = (*out - mean) * scale * weight + bias;
            }
            statistics.push([mean, scale]);
        }
        statistics
    }
}

/// The gradients of weight and bias: sums over rows.
pub(super) struct Sums {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Sums {
    pub fn new(width: usize) -> Self {
        Self { weight: vec![0.0; width], bias: vec![0.0; width] }
    }

    pub fn add(&mut self, other: &Self) {
        let add = |to: &mut [f32], from: &[f32]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.weight, &other.weight);
        add(&mut self.bias, &other.bias);
    }
}

/// Turns the gradient by a part of the norms into that by the sum.
pub(super) struct Backward<'a> {
    /// Its x is empty when `by_x` is there.
    pub input: Input<'a>,
    pub weight: &'a [f32],
    /// Mean and inverse of the standard deviation, from the part's first row on.
    pub statistics: &'a [[f32; 2]],
    pub gradient: &'a mut [f32],
    /// The part of x, over which the gradient by it is written.
    pub by_x: Option<&'a mut [f32]>,
}

impl WithSimd for Backward<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> Sums {
        let input = &self.input;
        let width = input.width;
        let mut sums = Sums::new(width);
        let mut block = input.room();
        let mut normal = vec![0.0; width];
        let rows = self.gradient.chunks_exact_mut(width).zip(self.statistics);
        for (number, (gradient, &[mean, scale])) in rows.enumerate() {
            let row = input.first + number;
            let mask = input.masks_of(number, &mut block);
            let x = match &self.by_x {
                Some(x) => &x[number * width..][..width],
                None => &input.x[row * width..][..width],
            };
            input.row(row, x, mask, &mut normal);
            let totals = sums.weight.iter_mut().zip(&mut sums.bias).zip(self.weight);
            for (((total, bias), weight), (normal, gradient)) in totals.zip(normal.iter_mut().zip(&mut *gradient)) {
                *normal = (*normal - mean) * scale;
                *total += *gradient * *normal;
                *bias += *gradient;
                *gradient *= weight;
            }
            let mean = sum(gradient) / width as f32;
            let along = dot(gradient, &normal) / width as f32;
            for (gradient, normal) in gradient.iter_mut().zip(&normal) {
                *gradient = (*gradient - mean - normal * along) * scale;
            }
            if let Some(by_x) = &mut self.by_x {
                let by_x = &mut by_x[number * width..][..width];
                for ((by_x, gradient), mask) in by_x.iter_mut().zip(&*gradient).zip(mask) {
                    *by_x = gradient * mask;
                }
            }
        }
        sums
    }
}
