//! The kernel of an activation function of every element: one pass forward, and one backward that computes the function again instead of
//! keeping its parts.

use burn::backend::Flex;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::function::SimdActivation;
use crate::cpu::array::Array;
use crate::cpu::parallel::{by_rows, rows_of_part};
use crate::kernel::Kernel;

#[derive(Clone, Debug)]
pub(in crate::activation) struct Elementwise<const D: usize> {
    pub arch: Arch,
    pub activation: SimdActivation,
}

impl<const D: usize> Kernel<Flex, 1> for Elementwise<D> {
    type Saved = Array;

    fn forward(&self, [x]: [Array; 1]) -> (Array, Array) {
        let out = by_rows(x.len(), 1, |first, out| {
            self.arch.dispatch(Value { activation: self.activation, x: &x[first..first + out.len()], out });
        });
        (Array::new(out, x.shape::<D>()), x)
    }

    fn value(&self, [x]: [Array; 1]) -> Array {
        let mut x = x.into_mut();
        let part = rows_of_part(1);
        x.as_mut_slice()
            .par_chunks_mut(part)
            .for_each(|values| self.arch.dispatch(InPlace { activation: self.activation, values }));
        x
    }

    fn backward(&self, x: Array, gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut gradient = gradient.into_mut();
        let part = rows_of_part(1);
        let parts = gradient.as_mut_slice().par_chunks_mut(part).zip(x.par_chunks(part));
        parts.for_each(|(gradient, x)| self.arch.dispatch(Derivative { activation: self.activation, x, gradient }));
        [Some(gradient)]
    }
}

struct Value<'a> {
    activation: SimdActivation,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, x_rest), (out, out_rest)) = (S::as_simd_f32s(self.x), S::as_mut_simd_f32s(self.out));
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.activation.at(simd, x)[0];
        }
        let [last, _] = self.activation.at(simd, simd.partial_load_f32s(x_rest));
        simd.partial_store_f32s(out_rest, last);
    }
}

struct InPlace<'a> {
    activation: SimdActivation,
    values: &'a mut [f32],
}

impl WithSimd for InPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (values, rest) = S::as_mut_simd_f32s(self.values);
        for value in values {
            *value = self.activation.at(simd, *value)[0];
        }
        let [last, _] = self.activation.at(simd, simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, last);
    }
}

/// Multiplies the gradient by the derivative.
struct Derivative<'a> {
    activation: SimdActivation,
    x: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Derivative<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, x_rest), (gradient, rest)) = (S::as_simd_f32s(self.x), S::as_mut_simd_f32s(self.gradient));
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            *gradient = simd.mul_f32s(*gradient, self.activation.at(simd, x)[1]);
        }
        let derivative = self.activation.at(simd, simd.partial_load_f32s(x_rest))[1];
        let last = simd.mul_f32s(simd.partial_load_f32s(rest), derivative);
        simd.partial_store_f32s(rest, last);
    }
}
