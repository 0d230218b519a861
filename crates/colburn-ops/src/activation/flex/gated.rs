//! Gated linear units: of each row of `2 · width` numbers, the function of the first half times the second.

use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};

use super::{apply::apply_1, array::Array, curve::Curve, kernel::Kernel, parallel::by_rows};

/// `curve(x[.., ..width]) · x[.., width..2 · width]`, `[tokens, width]`.
pub(crate) fn gated(curve: Curve, x: Tensor<2>) -> Tensor<2> {
    apply_1(Gated { arch: Arch::new(), curve }, x)
}

#[derive(Clone, Debug)]
struct Gated {
    arch: Arch,
    curve: Curve,
}

impl Kernel<1> for Gated {
    type Saved = Array;

    fn forward(&self, [x]: [Array; 1]) -> (Array, Array) {
        let [tokens, both] = x.shape();
        let out = by_rows(tokens, both / 2, |first, out| {
            self.arch.dispatch(Value { curve: self.curve, x: &x[first * both..], both, out });
        });
        (Array::new(out, [tokens, both / 2]), x)
    }

    fn backward(&self, x: Array, gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let [tokens, both] = x.shape();
        let by_x = by_rows(tokens, both, |first, out| {
            let (x, gradient) = (&x[first * both..], &gradient[first * (both / 2)..]);
            self.arch.dispatch(Gradient { curve: self.curve, x, both, gradient, out });
        });
        [Some(Array::new(by_x, [tokens, both]))]
    }
}

struct Value<'a> {
    curve: Curve,
    x: &'a [f32],
    /// Numbers of a row of x.
    both: usize,
    out: &'a mut [f32],
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.both / 2;
        for (x, out) in self.x.chunks_exact(self.both).zip(self.out.chunks_exact_mut(width)) {
            let (x, gate) = (&x[..width], &x[width..2 * width]);
            let ((x, x_rest), (gate, gate_rest)) = (S::as_simd_f32s(x), S::as_simd_f32s(gate));
            let (out, rest) = S::as_mut_simd_f32s(out);
            for ((out, &x), &gate) in out.iter_mut().zip(x).zip(gate) {
                *out = simd.mul_f32s(self.curve.at(simd, x)[0], gate);
            }
            if !rest.is_empty() {
                let [value, _] = self.curve.at(simd, simd.partial_load_f32s(x_rest));
                simd.partial_store_f32s(rest, simd.mul_f32s(value, simd.partial_load_f32s(gate_rest)));
            }
        }
    }
}

struct Gradient<'a> {
    curve: Curve,
    x: &'a [f32],
    /// Numbers of a row of x and of `out`.
    both: usize,
    gradient: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.both / 2;
        if width == 0 {
            return;
        }
        let rows = self.x.chunks_exact(self.both).zip(self.gradient.chunks_exact(width));
        for ((x, gradient), out) in rows.zip(self.out.chunks_exact_mut(self.both)) {
            let ((x, x_rest), (gate, gate_rest)) =
                (S::as_simd_f32s(&x[..width]), S::as_simd_f32s(&x[width..2 * width]));
            let (gradient, gradient_rest) = S::as_simd_f32s(gradient);
            let (by_x, by_gate) = out.split_at_mut(width);
            let ((by_x, by_x_rest), (by_gate, by_gate_rest)) =
                (S::as_mut_simd_f32s(by_x), S::as_mut_simd_f32s(&mut by_gate[..width]));
            let places = x.iter().zip(gate).zip(gradient).zip(by_x).zip(by_gate);
            for ((((&x, &gate), &gradient), by_x), by_gate) in places {
                let [value, slope] = self.curve.at(simd, x);
                *by_x = simd.mul_f32s(simd.mul_f32s(gradient, gate), slope);
                *by_gate = simd.mul_f32s(gradient, value);
            }
            if !x_rest.is_empty() {
                let load = |rest: &[f32]| simd.partial_load_f32s(rest);
                let [value, slope] = self.curve.at(simd, load(x_rest));
                let gradient = load(gradient_rest);
                simd.partial_store_f32s(by_x_rest, simd.mul_f32s(simd.mul_f32s(gradient, load(gate_rest)), slope));
                simd.partial_store_f32s(by_gate_rest, simd.mul_f32s(gradient, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Activation,
        fused::testing::{agree, instruction_sets, random, same_on_any_threads},
    };

    #[test]
    fn agrees_with_its_twin() {
        for arch in instruction_sets() {
            for activation in [Activation::Gelu, Activation::Silu, Activation::Relu] {
                let kernel = Gated { arch, curve: Curve::of(activation).unwrap() };
                for (seed, shape) in
                    [[3, 2], [4, 6], [5, 7], [5, 30], [3, 32], [4, 34], [9, 62], [40, 2304]].into_iter().enumerate()
                {
                    let x = random(shape, seed as u64) * 2.0;
                    agree([x], |[x]| apply_1(kernel.clone(), x), |[x]| activation.gated_composed(x), 1e-6);
                }
            }
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        for (shape, expected) in [([0, 6], [0, 3]), ([2, 0], [2, 0]), ([2, 1], [2, 0])] {
            let x = random(shape, 1).autodiff().require_grad();
            let y = gated(Curve::Gelu, x.clone());
            assert_eq!(y.dims(), expected);
            let gradient = x.grad(&y.sum().backward()).unwrap();
            assert_eq!(gradient.into_data().try_to_vec::<f32>().unwrap(), vec![0.0; shape[0] * shape[1]]);
        }
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        same_on_any_threads([random([70, 768], 1)], |[x]| gated(Curve::Gelu, x));
    }
}
