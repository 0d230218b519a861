//! The kernels of dropout and of its sum with the residual stream. There is no tensor of masks: they follow from a hash, which the gradient
//! computes again.

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::cpu::array::Array;
use crate::cpu::parallel::{by_rows, rows_of_part};
use crate::kernel::Kernel;
use crate::kernel::flex::{apply_1, apply_2};
use crate::masks::RowMasks;

/// `x` with its masks, `[tokens, width]`.
pub(super) fn dropout(x: Tensor<2>, masks: RowMasks) -> Tensor<2> {
    apply_1(Drop { arch: Arch::new(), masks }, x)
}

/// `x` with its masks, if it has some, and the residual added: `[tokens, width]` each.
pub(super) fn drop_add(x: Tensor<2>, residual: Tensor<2>, masks: Option<RowMasks>) -> Tensor<2> {
    apply_2(DropAdd { arch: Arch::new(), masks }, x, residual)
}

#[derive(Clone, Debug)]
pub(super) struct Drop {
    pub arch: Arch,
    pub masks: RowMasks,
}

impl Kernel<Flex, 1> for Drop {
    type Saved = ();

    fn forward(&self, [x]: [Array; 1]) -> (Array, ()) {
        (masked(self.arch, &self.masks, x), ())
    }

    fn backward(&self, (): (), gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(masked(self.arch, &self.masks, gradient))]
    }
}

#[derive(Clone, Debug)]
pub(super) struct DropAdd {
    pub arch: Arch,
    pub masks: Option<RowMasks>,
}

impl Kernel<Flex, 2> for DropAdd {
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

/// The array times its masks, in place if nothing else holds it.
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

/// Number of masks that are made at a time, about: they stay in the first cache.
pub(crate) const BLOCK: usize = 2048;
