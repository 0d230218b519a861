//! The kernel of gated linear units: of each row of `2 · width` numbers, the function of the first half times the second.

use burn::backend::Flex;
use pulp::{Arch, Simd, WithSimd};

use super::function::SimdActivation;
use crate::cpu::array::Array;
use crate::cpu::parallel::by_rows;
use crate::kernel::Kernel;

#[derive(Clone, Debug)]
pub(in crate::activation) struct Gated {
    pub arch: Arch,
    pub activation: SimdActivation,
}

impl Kernel<Flex, 1> for Gated {
    type Saved = Array;

    fn forward(&self, [x]: [Array; 1]) -> (Array, Array) {
        let [tokens, both] = x.shape();
        let out = by_rows(tokens, both / 2, |first, out| {
            self.arch.dispatch(Value { activation: self.activation, x: &x[first * both..], both, out });
        });
        (Array::new(out, [tokens, both / 2]), x)
    }

    fn backward(&self, x: Array, gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let [tokens, both] = x.shape();
        let by_x = by_rows(tokens, both, |first, out| {
            let (x, gradient) = (&x[first * both..], &gradient[first * (both / 2)..]);
            self.arch.dispatch(Gradient { activation: self.activation, x, both, gradient, out });
        });
        [Some(Array::new(by_x, [tokens, both]))]
    }
}

struct Value<'a> {
    activation: SimdActivation,
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
                *out = simd.mul_f32s(self.activation.at(simd, x)[0], gate);
            }
            if !rest.is_empty() {
                let [value, _] = self.activation.at(simd, simd.partial_load_f32s(x_rest));
                simd.partial_store_f32s(rest, simd.mul_f32s(value, simd.partial_load_f32s(gate_rest)));
            }
        }
    }
}

struct Gradient<'a> {
    activation: SimdActivation,
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
                let [value, derivative] = self.activation.at(simd, x);
                *by_x = simd.mul_f32s(simd.mul_f32s(gradient, gate), derivative);
                *by_gate = simd.mul_f32s(gradient, value);
            }
            if !x_rest.is_empty() {
                let load = |rest: &[f32]| simd.partial_load_f32s(rest);
                let [value, derivative] = self.activation.at(simd, load(x_rest));
                let gradient = load(gradient_rest);
                simd.partial_store_f32s(by_x_rest, simd.mul_f32s(simd.mul_f32s(gradient, load(gate_rest)), derivative));
                simd.partial_store_f32s(by_gate_rest, simd.mul_f32s(gradient, value));
            }
        }
    }
}
