//! Activation functions of every element: one pass forward, and one back that computes the function again instead of keeping its parts.

use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    apply::apply_1,
    array::Array,
    curve::Curve,
    kernel::Kernel,
    parallel::{by_rows, rows_of_part},
};

/// The function of every element.
pub(crate) fn activate<const D: usize>(curve: Curve, x: Tensor<D>) -> Tensor<D> {
    apply_1(Activate::<D> { arch: Arch::new(), curve }, x)
}

#[derive(Clone, Debug)]
struct Activate<const D: usize> {
    arch: Arch,
    curve: Curve,
}

impl<const D: usize> Kernel<1> for Activate<D> {
    type Saved = Array;

    fn forward(&self, [x]: [Array; 1]) -> (Array, Array) {
        let out = by_rows(x.len(), 1, |first, out| {
            self.arch.dispatch(Value { curve: self.curve, x: &x[first..first + out.len()], out });
        });
        (Array::new(out, x.shape::<D>()), x)
    }

    fn value(&self, [x]: [Array; 1]) -> Array {
        let mut x = x.into_mut();
        let part = rows_of_part(1);
        x.as_mut_slice()
            .par_chunks_mut(part)
            .for_each(|values| self.arch.dispatch(InPlace { curve: self.curve, values }));
        x
    }

    fn backward(&self, x: Array, gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut gradient = gradient.into_mut();
        let part = rows_of_part(1);
        let parts = gradient.as_mut_slice().par_chunks_mut(part).zip(x.par_chunks(part));
        parts.for_each(|(gradient, x)| self.arch.dispatch(Slope { curve: self.curve, x, gradient }));
        [Some(gradient)]
    }
}

struct Value<'a> {
    curve: Curve,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, x_rest), (out, out_rest)) = (S::as_simd_f32s(self.x), S::as_mut_simd_f32s(self.out));
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.curve.at(simd, x)[0];
        }
        let [last, _] = self.curve.at(simd, simd.partial_load_f32s(x_rest));
        simd.partial_store_f32s(out_rest, last);
    }
}

struct InPlace<'a> {
    curve: Curve,
    values: &'a mut [f32],
}

impl WithSimd for InPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (values, rest) = S::as_mut_simd_f32s(self.values);
        for value in values {
            *value = self.curve.at(simd, *value)[0];
        }
        let [last, _] = self.curve.at(simd, simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, last);
    }
}

/// Multiplies the gradient by the slope.
struct Slope<'a> {
    curve: Curve,
    x: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Slope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, x_rest), (gradient, rest)) = (S::as_simd_f32s(self.x), S::as_mut_simd_f32s(self.gradient));
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            *gradient = simd.mul_f32s(*gradient, self.curve.at(simd, x)[1]);
        }
        let slope = self.curve.at(simd, simd.partial_load_f32s(x_rest))[1];
        let last = simd.mul_f32s(simd.partial_load_f32s(rest), slope);
        simd.partial_store_f32s(rest, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Activation,
        fused::testing::{agree, instruction_sets, random, same_on_any_threads},
    };

    const FUSED: [Activation; 5] =
        [Activation::Gelu, Activation::GeluNew, Activation::QuickGelu, Activation::Silu, Activation::Relu];

    #[test]
    fn agrees_with_its_twin() {
        for arch in instruction_sets() {
            for (seed, activation) in FUSED.into_iter().enumerate() {
                let kernel = Activate::<2> { arch, curve: Curve::of(activation).unwrap() };
                for shape in [[0, 5], [1, 1], [1, 3], [5, 15], [3, 16], [4, 17], [9, 31], [50, 384], [13, 1536]] {
                    let x = random(shape, seed as u64) * 3.0;
                    agree([x], |[x]| apply_1(kernel.clone(), x), |[x]| activation.composed(x), 1e-6);
                }
            }
        }
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        same_on_any_threads([random([70, 1536], 1)], |[x]| activate(Curve::Gelu, x));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for curve in FUSED.map(|activation| Curve::of(activation).unwrap()) {
            let x = Tensor::<1>::from_floats([f32::NAN; 20], &burn::tensor::Device::flex());
            let y = activate(curve, x).into_data().try_to_vec::<f32>().unwrap();
            assert!(y.iter().all(|y| y.is_nan()), "{curve:?}: {y:?}");
        }
    }
}
