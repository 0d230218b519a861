//! The kernel of rotary position embeddings: heads are rotated in place by their angles, and their gradients by the opposite angles.

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::cpu::array::Array;
use crate::cpu::parallel::rows_of_part;
use crate::kernel::Kernel;
use crate::kernel::flex::apply_3;

/// Rotates the first `columns` of each row of `[tokens, width]`, and leaves the others; `cos` and `sin`: `[tokens, 1, half a head]`.
pub(super) fn rotate(x: Tensor<2>, columns: usize, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<2> {
    apply_3(Rotate { arch: Arch::new(), columns }, x, cos, sin)
}

#[derive(Clone, Debug)]
struct Rotate {
    arch: Arch,
    columns: usize,
}

impl Rotate {
    fn rotated(&self, x: Array, cos: &Array, sin: &Array, sign: f32) -> Array {
        let ([tokens, width], [rows, _, half]) = (x.shape(), cos.shape());
        assert_eq!(tokens, rows, "tokens and their angles");
        let mut x = x.into_mut();
        let rows = rows_of_part(width);
        let parts = x.as_mut_slice().par_chunks_mut((rows * width).max(1));
        let angles = cos.par_chunks((rows * half).max(1)).zip(sin.par_chunks((rows * half).max(1)));
        parts.zip(angles).for_each(|(values, (cos, sin))| {
            self.arch.dispatch(Part { values, width, columns: self.columns, cos, sin, half, sign });
        });
        x
    }
}

impl Kernel<Flex, 3> for Rotate {
    type Saved = [Array; 2];

    fn forward(&self, [x, cos, sin]: [Array; 3]) -> (Array, Self::Saved) {
        (self.rotated(x, &cos, &sin, 1.0), [cos, sin])
    }

    /// The angles are constants.
    fn backward(&self, [cos, sin]: Self::Saved, gradient: Array, _: [bool; 3]) -> [Option<Array>; 3] {
        [Some(self.rotated(gradient, &cos, &sin, -1.0)), None, None]
    }
}

struct Part<'a> {
    values: &'a mut [f32],
    width: usize,
    columns: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    half: usize,
    sign: f32,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let half = self.half;
        let angles = self.cos.chunks_exact(half).zip(self.sin.chunks_exact(half));
        for (row, (cos, sin)) in self.values.chunks_exact_mut(self.width).zip(angles) {
            for head in row[..self.columns].chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(half);
                for (((first, second), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                    let sin = sin * self.sign;
                    (*first, *second) = (*first * cos - *second * sin, *second * cos + *first * sin);
                }
            }
        }
    }
}
