//! Dropout, and its sum with the residual stream, without a tensor of masks: these follow from a hash, which is computed again on the way
//! back.

use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    apply::{apply_1, apply_2},
    array::Array,
    kernel::Kernel,
    parallel::{by_rows, rows_of_part},
};
use crate::dropout::RowMasks;

/// `x` with its masks, `[tokens, width]`.
pub(crate) fn drop(x: Tensor<2>, masks: RowMasks) -> Tensor<2> {
    apply_1(Drop { arch: Arch::new(), masks }, x)
}

/// `x` with its masks, if it has some, and the residual added: `[tokens, width]` each.
pub(crate) fn drop_add(x: Tensor<2>, residual: Tensor<2>, masks: Option<RowMasks>) -> Tensor<2> {
    apply_2(DropAdd { arch: Arch::new(), masks }, x, residual)
}

#[derive(Clone, Debug)]
struct Drop {
    arch: Arch,
    masks: RowMasks,
}

impl Kernel<1> for Drop {
    type Saved = ();

    fn forward(&self, [x]: [Array; 1]) -> (Array, ()) {
        (masked(self.arch, &self.masks, x), ())
    }

    fn backward(&self, (): (), gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(masked(self.arch, &self.masks, gradient))]
    }
}

#[derive(Clone, Debug)]
struct DropAdd {
    arch: Arch,
    masks: Option<RowMasks>,
}

impl Kernel<2> for DropAdd {
    type Saved = ();

    fn forward(&self, [x, residual]: [Array; 2]) -> (Array, ()) {
        let [_, width] = x.rows();
        assert_eq!(x.rows(), residual.rows(), "the shapes of a layer's output and of the residual stream");
        let mut x = x.into_mut();
        let rows = rows_of_part(width);
        let size = (rows * width).max(1);
        let parts = x.as_mut_slice().par_chunks_mut(size).zip(residual.par_chunks(size)).enumerate();
        parts.for_each(|(number, (values, residual))| {
            let masks = self.masks.as_ref();
            self.arch.dispatch(Part { masks, first: number * rows, width, values, residual: Some(residual) });
        });
        (x, ())
    }

    fn backward(&self, (): (), gradient: Array, [x, residual]: [bool; 2]) -> [Option<Array>; 2] {
        match (&self.masks, x, residual) {
            (Some(masks), true, false) => [Some(masked(self.arch, masks, gradient)), None],
            // The residual stream gets the gradient itself.
            (Some(masks), true, true) => [Some(masked_copy(self.arch, masks, &gradient)), Some(gradient)],
            _ => [x.then(|| gradient.clone()), residual.then_some(gradient)],
        }
    }
}

/// The array times its masks.
fn masked_copy(arch: Arch, masks: &RowMasks, x: &Array) -> Array {
    let [rows, width] = x.rows();
    let out = by_rows(rows, width, |first, values| {
        values.copy_from_slice(&x[first * width..][..values.len()]);
        arch.dispatch(Part { masks: Some(masks), first, width, values, residual: None });
    });
    Array::new(out, [rows, width])
}

/// The array times its masks, in place where nobody else holds it.
fn masked(arch: Arch, masks: &RowMasks, x: Array) -> Array {
    let [_, width] = x.rows();
    let mut x = x.into_mut();
    let rows = rows_of_part(width);
    x.as_mut_slice().par_chunks_mut((rows * width).max(1)).enumerate().for_each(|(number, values)| {
        arch.dispatch(Part { masks: Some(masks), first: number * rows, width, values, residual: None });
    });
    x
}

/// The rows of a part from `first` on: masked, and the residual added.
struct Part<'a> {
    masks: Option<&'a RowMasks>,
    first: usize,
    width: usize,
    values: &'a mut [f32],
    residual: Option<&'a [f32]>,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = (BLOCK / self.width.max(1)).max(1);
        let size = (rows * self.width).max(1);
        let mut mask = vec![1.0f32; size.min(self.values.len())];
        for (number, values) in self.values.chunks_mut(size).enumerate() {
            let mask = &mut mask[..values.len()];
            if let Some(masks) = self.masks {
                masks.fill(self.first + number * rows, self.width, mask);
            }
            match self.residual {
                Some(residual) => {
                    let residual = &residual[number * size..][..values.len()];
                    for ((value, mask), residual) in values.iter_mut().zip(&*mask).zip(residual) {
                        *value = *value * mask + residual;
                    }
                }
                None => {
                    for (value, mask) in values.iter_mut().zip(&*mask) {
                        *value *= mask;
                    }
                }
            }
        }
    }
}

/// So many masks at a time, about, which stay in the first cache.
pub(super) const BLOCK: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Dropout, Spans,
        fused::testing::{agree, instruction_sets, random, same_on_any_threads},
    };

    fn masks(tokens: usize) -> RowMasks {
        let lengths = [tokens / 3, 0, tokens / 2, tokens - tokens / 3 - tokens / 2];
        Dropout::seeded(5).rows(0.3, &Spans::from_lengths(&lengths)).unwrap()
    }

    #[test]
    fn agree_with_their_twins() {
        for arch in instruction_sets() {
            for [tokens, width] in [[0, 3], [1, 1], [5, 3], [9, 15], [4, 16], [7, 17], [50, 384], [30, 1536], [3, 5000]]
            {
                let (x, residual) = (random([tokens, width], 1), random([tokens, width], 2));
                let masks = masks(tokens);
                let kernel = Drop { arch, masks: masks.clone() };
                let twin = |x: Tensor<2>| x.clone() * masks.tensor(&x);
                // Once over an array that others hold, once in place.
                agree([x.clone()], |[x]| apply_1(kernel.clone(), x), |[x]| twin(x), 1e-6);
                agree([x.clone()], |[x]| apply_1(kernel.clone(), x * 1.0), |[x]| twin(x), 1e-6);
                for masks in [None, Some(masks.clone())] {
                    let kernel = DropAdd { arch, masks: masks.clone() };
                    let twin = |x: Tensor<2>| masks.as_ref().map_or(x.clone(), |masks| x.clone() * masks.tensor(&x));
                    agree(
                        [x.clone(), residual.clone()],
                        |[x, residual]| apply_2(kernel.clone(), x * 1.0, residual),
                        |[x, residual]| twin(x) + residual,
                        1e-6,
                    );
                }
            }
        }
    }

    #[test]
    fn a_sum_of_which_one_is_a_constant_has_the_gradient_of_the_other() {
        let (constant, masks) = (random([20, 17], 3), masks(20));
        let other = || constant.clone().autodiff();
        agree(
            [random([20, 17], 1)],
            |[x]| drop_add(x.autodiff(), other(), Some(masks.clone())),
            |[x]| x.clone().autodiff() * masks.tensor(&x) + other(),
            1e-6,
        );
    }

    #[test]
    fn are_the_same_on_any_number_of_threads() {
        let inputs = [random([100, 768], 1), random([100, 768], 2)];
        same_on_any_threads(inputs, |[x, residual]| drop_add(x, residual, Some(masks(100))));
    }
}
