//! Products of small matrices that lie in the caches: attention is many of them, each too small for a general product to get going.
//!
//! The sums of a block of the result, some rows by some vectors, stay in registers over the whole inner dimension. The right factor lies
//! in rows of whole vectors, so that no product has a tail in its columns; the left factor is read one number at a time, and may lie
//! either way round.

use pulp::{Simd, WithSimd};

/// Widths are rounded up to this many numbers, whatever the instruction set: the widest vector.
pub(super) const LANES: usize = 16;

/// The left factor of a product.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// Rows, with the distance from a row to the next.
    Rows(&'a [f32], usize),
    /// Columns, with the distance from a column to the next: the transpose of rows.
    Columns(&'a [f32], usize),
}

/// `out = left · right`, or `out += left · right` with `add`.
pub(super) struct Product<'a> {
    pub out: &'a mut [f32],
    pub left: Left<'a>,
    pub right: &'a [f32],
    /// Distance from a row to the next, of `out` and of `right`.
    pub strides: [usize; 2],
    pub rows: usize,
    /// A multiple of [`LANES`].
    pub columns: usize,
    pub inner: usize,
    pub add: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // A block has as many sums as registers hold beside a row of the right factor. Rows of the left factor need an address each.
        let many = S::REGISTER_COUNT >= 32;
        let mut column = 0;
        while column < self.columns {
            let vectors = (self.columns - column) / S::F32_LANES;
            let done = match (many, vectors, self.left) {
                (true, 4.., _) => self.strip::<S, 6, 4>(simd, column),
                (true, 3, _) => self.strip::<S, 8, 3>(simd, column),
                (true, 2, Left::Columns(..)) => self.strip::<S, 12, 2>(simd, column),
                (true, 2, Left::Rows(..)) => self.strip::<S, 8, 2>(simd, column),
                (true, _, _) => self.strip::<S, 8, 1>(simd, column),
                (false, 2.., _) => self.strip::<S, 6, 2>(simd, column),
                (false, _, _) => self.strip::<S, 8, 1>(simd, column),
            };
            column += done * S::F32_LANES;
        }
    }
}

impl Product<'_> {
    /// All rows of `V` vectors of columns, `R` at a time.
    #[inline(always)]
    fn strip<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, column: usize) -> usize {
        let mut row = 0;
        while row < self.rows {
            row += match self.rows - row {
                left if left >= R => self.block::<S, R, V>(simd, row, column),
                4.. => self.block::<S, 4, V>(simd, row, column),
                2.. => self.block::<S, 2, V>(simd, row, column),
                _ => self.block::<S, 1, V>(simd, row, column),
            };
        }
        V
    }

    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize) -> usize {
        let (width, [out_stride, stride]) = (V * S::F32_LANES, self.strides);
        let right = |inner: usize| -> [S::f32s; V] {
            let numbers = &self.right[inner * stride + column..][..width];
            let (vectors, _) = S::as_simd_f32s(numbers);
            std::array::from_fn(|vector| vectors[vector])
        };
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        let add = |sums: &mut [[S::f32s; V]; R], place: usize, factor: f32, vectors: &[S::f32s; V]| {
            let factor = simd.splat_f32s(factor);
            for vector in 0..V {
                sums[place][vector] = simd.mul_add_e_f32s(factor, vectors[vector], sums[place][vector]);
            }
        };
        match self.left {
            Left::Rows(values, stride) => {
                let rows: [&[f32]; R] = std::array::from_fn(|place| &values[(row + place) * stride..][..self.inner]);
                for inner in 0..self.inner {
                    let vectors = right(inner);
                    for (place, row) in rows.iter().enumerate() {
                        add(&mut sums, place, row[inner], &vectors);
                    }
                }
            }
            Left::Columns(values, stride) => {
                for inner in 0..self.inner {
                    let vectors = right(inner);
                    let factors = &values[inner * stride + row..][..R];
                    for (place, &factor) in factors.iter().enumerate() {
                        add(&mut sums, place, factor, &vectors);
                    }
                }
            }
        }
        for (place, sums) in sums.into_iter().enumerate() {
            let out = &mut self.out[(row + place) * out_stride + column..][..width];
            let (out, _) = S::as_mut_simd_f32s(out);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = if self.add { simd.add_f32s(*out, sum) } else { sum };
            }
        }
        R
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{close, instruction_sets, numbers};

    #[test]
    fn products_are_those_of_the_definition() {
        for (seed, [rows, inner, columns]) in
            [[1, 1, 16], [7, 3, 48], [48, 32, 192], [13, 20, 80], [5, 64, 32], [31, 9, 64]].into_iter().enumerate()
        {
            let (out_stride, stride, left_stride) = (columns + 16, columns + 32, rows.max(inner) + 3);
            let left = numbers(left_stride * left_stride, seed as u64);
            let (right, old) = (numbers(inner * stride, 50), numbers(rows * out_stride, 51));
            for transposed in [false, true] {
                let factor = |row: usize, inner: usize| {
                    if transposed { left[inner * left_stride + row] } else { left[row * left_stride + inner] }
                };
                for add in [false, true] {
                    let mut expected = old.clone();
                    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                        let sum: f32 = (0..inner).map(|c| factor(row, c) * right[c * stride + column]).sum();
                        let place = row * out_stride + column;
                        expected[place] = if add { old[place] + sum } else { sum };
                    }
                    for arch in instruction_sets() {
                        let mut out = old.clone();
                        let left =
                            if transposed { Left::Columns(&left, left_stride) } else { Left::Rows(&left, left_stride) };
                        let strides = [out_stride, stride];
                        arch.dispatch(Product {
                            out: &mut out,
                            left,
                            right: &right,
                            strides,
                            rows,
                            columns,
                            inner,
                            add,
                        });
                        close(&out, &expected, 1e-5, &format!("{arch:?} {rows} x {inner} x {columns}"));
                    }
                }
            }
        }
    }
}
