//! Products of query tokens with document tokens on the host: the one place that calls `gemm`.
//!
//! Documents are the large side and are read in place, a row for each token. Queries are transposed once, a row for each dimension, so the
//! products of one document token with all query tokens are a row: a maximum over document tokens compares whole rows, without sums across
//! lanes.

use gemm::Parallelism;

/// The number of query tokens of one step of the maximum. Transposed queries are padded to a multiple of it with zero vectors.
pub(crate) const LANES: usize = 16;

/// The number of dimensions of one sum. `gemm` cuts longer sums depending on the size of the tile; cut here, they are the same in every tile.
const DEPTH: usize = 512;

/// Query tokens as columns.
#[derive(Debug)]
pub(crate) struct Transposed {
    /// Row-major, `[dim, rows]`.
    values: Vec<f32>,
    /// Query tokens, padded to a multiple of [`LANES`].
    rows: usize,
    dim: usize,
}

impl Transposed {
    /// Transposes row-major tokens, `[tokens, dim]`.
    pub fn new(tokens: &[f32], dim: usize) -> Self {
        let rows = tokens.len().checked_div(dim).unwrap_or(0).next_multiple_of(LANES);
        let mut values = vec![0.0; dim * rows];
        for (row, token) in tokens.chunks_exact(dim.max(1)).enumerate() {
            for (values, &value) in values.chunks_exact_mut(rows).zip(token) {
                values[row] = value;
            }
        }
        Self { values, rows, dim }
    }

    /// The number of products with one document token.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The length of the buffer of [`Transposed::products`] for this many document tokens.
    pub fn room(&self, tokens: usize) -> usize {
        self.rows * tokens.max(2)
    }

    /// The products with document tokens that are row-major, `[tokens, dim]`, as `[tokens, rows]`. Each is the same to the bit
    /// in every call.
    pub fn products(&self, tokens: &[f32], products: &mut [f32]) {
        let (rows, dim) = (self.rows, self.dim);
        let count = tokens.len().checked_div(dim).unwrap_or(0);
        if count == 0 || rows == 0 {
            return;
        }
        // `gemm` has another kernel for a matrix and one vector, which adds a second chunk in another order. So a single token is
        // multiplied twice.
        let (columns, stride) = if count == 1 { (2, 0) } else { (count, dim) };
        let products = &mut products[..rows * columns];
        for start in (0..dim).step_by(DEPTH) {
            let depth = DEPTH.min(dim - start);
            let (queries, documents) = (&self.values[start * rows..(start + depth) * rows], &tokens[start..]);
            debug_assert!(documents.len() >= (columns - 1) * stride + depth);
            // SAFETY: `products` holds columns × rows values, of which (row, column) is at column · rows + row; `queries` holds
            // depth × rows, of which (row, k) is at k · rows + row; the last of `documents`, (columns − 1) · stride + depth − 1, is
            // within the last token. `products` is borrowed mutably, so that it overlaps neither. Sizes of slices fit an isize.
            unsafe {
                gemm::gemm(
                    rows,
                    columns,
                    depth,
                    products.as_mut_ptr(),
                    rows as isize,
                    1,
                    start > 0,
                    queries.as_ptr(),
                    rows as isize,
                    1,
                    documents.as_ptr(),
                    stride as isize,
                    1,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        }
    }
}

/// Raises the maximum of each query token to its products with further document tokens, `[tokens, rows]`. As in PyTorch, NaN is larger
/// than everything.
pub(crate) fn raise(best: &mut [f32], products: &[f32]) {
    let step = best.len() / LANES;
    let (products, _) = products.as_chunks::<LANES>();
    for (block, best) in best.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        // Copies, which stay in registers.
        let (mut high, mut sums) = (*best, [0.0; LANES]);
        for at in (block..products.len()).step_by(step) {
            let products = products[at];
            for lane in 0..LANES {
                // The maximum of a processor, which drops a new NaN and keeps an old one.
                high[lane] = if products[lane] > high[lane] { products[lane] } else { high[lane] };
            }
            for lane in 0..LANES {
                sums[lane] += products[lane];
            }
        }
        *best = high;
        // The sum keeps a NaN that the maximum drops. An overflow looks the same, and costs a second pass.
        if !sums.iter().all(|sum| sum.is_finite()) {
            for at in (block..products.len()).step_by(step) {
                for (best, &product) in best.iter_mut().zip(&products[at]).filter(|(_, product)| product.is_nan()) {
                    *best = product;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn transposed_products(queries: &[f32], documents: &[f32], dim: usize) -> Vec<f32> {
        let (transposed, tokens) = (Transposed::new(queries, dim), documents.len() / dim);
        let mut products = vec![f32::NAN; transposed.room(tokens)];
        transposed.products(documents, &mut products);
        products.truncate(tokens * transposed.rows());
        products
    }

    #[test]
    fn agree_with_plain_sums() {
        let mut random = Random::new(1);
        for (queries, documents, dim) in [(1, 1, 1), (16, 2, 2), (17, 1, 7), (40, 33, 128), (5, 70, 600), (3, 0, 4)] {
            let (q, d) = (random.values(queries * dim), random.values(documents * dim));
            let (found, rows) = (transposed_products(&q, &d, dim), queries.next_multiple_of(LANES));
            assert_eq!(found.len(), documents * rows);
            for (at, &product) in found.iter().enumerate() {
                let (document, query) = (at / rows, at % rows);
                let terms = |query: usize| q[query * dim..].iter().zip(&d[document * dim..(document + 1) * dim]);
                let expected = if query < queries { terms(query).map(|(a, b)| a * b).sum::<f32>() } else { 0.0 };
                assert!((product - expected).abs() <= 1e-4, "{product}, expected {expected}");
            }
        }
    }

    #[test]
    fn are_the_same_to_the_bit_in_any_company() {
        let mut random = Random::new(2);
        for dim in [1, 2, 3, 7, 16, 128, 513, 514, 1100] {
            let (q, d) = (random.values(200 * dim), random.values(150 * dim));
            let whole = transposed_products(&q, &d, dim);
            let rows = 200usize.next_multiple_of(LANES);
            for _ in 0..20 {
                let (query, queries) = random.part(200);
                let (document, documents) = random.part(150);
                // One token alone goes a way of its own.
                let documents = if random.below(3) == 0 { 1 } else { documents };
                let part = transposed_products(
                    &q[query * dim..(query + queries) * dim],
                    &d[document * dim..(document + documents) * dim],
                    dim,
                );
                let part_rows = queries.next_multiple_of(LANES);
                for (at, &product) in part.iter().enumerate().filter(|(at, _)| at % part_rows < queries) {
                    let expected = whole[(document + at / part_rows) * rows + query + at % part_rows];
                    assert_eq!(product.to_bits(), expected.to_bits(), "dim {dim}, {queries} × {documents} tokens");
                }
            }
        }
    }

    #[test]
    fn a_nan_is_the_largest() {
        let mut best = [0.5; LANES];
        raise(&mut best, &[[1.0; LANES], [0.0; LANES]].concat());
        assert_eq!(best, [1.0; LANES]);
        let mut broken = [2.0; LANES];
        (broken[3], broken[4], broken[5]) = (f32::NAN, f32::NEG_INFINITY, f32::INFINITY);
        for products in [[broken, [3.0; LANES]].concat(), [[3.0; LANES], broken].concat()] {
            let mut best = best;
            raise(&mut best, &products);
            raise(&mut best, &[4.0; LANES]);
            assert!(best[3].is_nan());
            assert_eq!((best[2], best[4], best[5]), (4.0, 4.0, f32::INFINITY));
        }
        // Large numbers whose sum overflows are no reason for anything.
        let mut best = [0.0; LANES];
        raise(&mut best, &[f32::MAX; 3 * LANES]);
        assert_eq!(best, [f32::MAX; LANES]);
    }
}
