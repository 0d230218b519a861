//! MaxSim forward: the products of a block of query tokens with a piece of document tokens go into running maxima while they are in the
//! cache, and are then written over.
//!
//! The block is transposed, a row a dimension, so that the products of a document token with all tokens of the block lie side by side: a
//! maximum over document tokens compares whole rows, and nothing is compared across lanes.

use std::borrow::Cow;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::plan::{Block, PIECE, Plan, Task};
use crate::cpu::matrix::{Matrix, tile};

/// The mark of a maximum that is not a product.
pub(super) const NONE: u32 = u32::MAX;

/// The result of a task.
pub(super) struct Found {
    /// The score of each of its documents with each query, by the place among all scores.
    pub scores: Vec<(usize, f32)>,
    /// The row of the best document token, `[documents, query tokens]` of the task; empty if not asked for.
    pub best: Vec<u32>,
}

/// The memory that a core writes into.
#[derive(Default)]
struct Scratch {
    products: Vec<f32>,
    high: Vec<f32>,
    best: Vec<u32>,
}

/// The results of the tasks, in order.
pub(super) fn search(
    arch: Arch,
    plan: &Plan,
    queries: &[f32],
    documents: &[f32],
    dim: usize,
    keep: bool,
) -> Vec<Found> {
    let blocks = plan.blocks.par_iter();
    let transposed: Vec<Vec<f32>> = blocks.map(|block| transpose(plan, block, queries, dim)).collect();
    let of_task = |scratch: &mut Scratch, task: &Task| {
        let rows = &plan.document_tokens[tokens(plan, task)];
        let documents = gather(documents, rows, dim);
        let met = plan.met(task);
        let mut found =
            Found { scores: Vec::new(), best: vec![NONE; if keep { task.documents.len() * met.len() } else { 0 }] };
        for (block, transposed) in plan.blocks[task.blocks.clone()].iter().zip(&transposed[task.blocks.clone()]) {
            let mut pieces = Pieces { arch, plan, block, transposed, documents: &documents, rows, dim };
            pieces.maxima(task, scratch, |document, high, best| {
                let sum = |values: &[f32]| values.iter().fold(0.0, |sum, value| sum + value);
                let score = |(query, part): &(usize, std::ops::Range<usize>)| {
                    (plan.score(*query, document), sum(&high[part.clone()]))
                };
                found.scores.extend(block.queries.iter().map(score));
                if keep {
                    let start = (document - task.documents.start) * met.len() + block.tokens.start - met.start;
                    found.best[start..start + block.tokens.len()].copy_from_slice(&best[..block.tokens.len()]);
                }
            });
        }
        found
    };
    plan.tasks.par_iter().with_max_len(1).map_init(Scratch::default, of_task).collect()
}

/// The tokens of a task's documents that count.
fn tokens(plan: &Plan, task: &Task) -> std::ops::Range<usize> {
    plan.counting(task.documents.start).start..plan.counting(task.documents.end - 1).end
}

/// The vectors in these rows, where they lie if they lie side by side.
fn gather<'a>(values: &'a [f32], rows: &[u32], dim: usize) -> Cow<'a, [f32]> {
    let row = |row: u32| &values[row as usize * dim..(row as usize + 1) * dim];
    match (rows.first(), rows.last()) {
        (Some(&first), Some(&last)) if (last - first) as usize + 1 == rows.len() => {
            Cow::Borrowed(&values[first as usize * dim..(last as usize + 1) * dim])
        }
        _ => Cow::Owned(rows.iter().flat_map(|&token| row(token)).copied().collect()),
    }
}

/// The vectors of a block as columns, `[dim, lanes]`, filled up with 0.
fn transpose(plan: &Plan, block: &Block, queries: &[f32], dim: usize) -> Vec<f32> {
    let lanes = block.lanes();
    let mut transposed = vec![0.0; dim * lanes];
    for (lane, &row) in plan.query_tokens[block.tokens.clone()].iter().enumerate() {
        let values = &queries[row as usize * dim..(row as usize + 1) * dim];
        transposed[lane..].iter_mut().step_by(lanes).zip(values).for_each(|(place, &value)| *place = value);
    }
    transposed
}

/// A block and the documents of a task.
struct Pieces<'a> {
    arch: Arch,
    plan: &'a Plan,
    block: &'a Block,
    transposed: &'a [f32],
    /// The vectors of the tokens that count, and their rows.
    documents: &'a [f32],
    rows: &'a [u32],
    dim: usize,
}

impl Pieces<'_> {
    /// The maximum of each token of the block over each document of the task, and the row where it was found.
    fn maxima(&mut self, task: &Task, scratch: &mut Scratch, mut take: impl FnMut(usize, &[f32], &[u32])) {
        let (lanes, dim, all) = (self.block.lanes(), self.dim, tokens(self.plan, task));
        let Scratch { products, high, best } = scratch;
        products.resize((lanes * PIECE.min(all.len())).max(products.len()), 0.0);
        high.resize(lanes, 0.0);
        best.resize(lanes, NONE);
        // The tokens whose products are at hand.
        let mut piece = all.start..all.start;
        for document in task.documents.clone() {
            let tokens = self.plan.counting(document);
            high.fill(f32::NEG_INFINITY);
            best.fill(NONE);
            let mut next = tokens.start;
            while next < tokens.end {
                if next == piece.end {
                    piece = next..all.end.min(next + PIECE);
                    let (start, end) = ((piece.start - all.start) * dim, (piece.end - all.start) * dim);
                    let piece = Matrix::new(&self.documents[start..end], piece.len(), dim);
                    tile(products, lanes, piece, Matrix::new(self.transposed, dim, lanes), false);
                }
                let end = tokens.end.min(piece.end);
                self.arch.dispatch(Raise {
                    high,
                    best,
                    products: &products[(next - piece.start) * lanes..(end - piece.start) * lanes],
                    rows: &self.rows[next - all.start..end - all.start],
                });
                next = end;
            }
            let least = self.plan.least[document];
            for (high, best) in high.iter_mut().zip(&mut *best) {
                // A product that equals it stays, with its gradient; so does NaN.
                if *high < least {
                    (*high, *best) = (least, NONE);
                }
            }
            take(document, high, best);
        }
    }
}

/// Raises maxima to the products with further document tokens, `[tokens, lanes]`. Of equal products the first stays. As in PyTorch, NaN is
/// larger than everything.
struct Raise<'a> {
    high: &'a mut [f32],
    best: &'a mut [u32],
    products: &'a [f32],
    rows: &'a [u32],
}

impl WithSimd for Raise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Nothing is left over: the number of lanes is a multiple of that of any instruction set.
        let (high, _) = S::as_mut_simd_f32s(self.high);
        let (best, _) = S::as_mut_simd_u32s(self.best);
        let (products, _) = S::as_simd_f32s(self.products);
        let step = high.len();
        // Four vectors at a time, for each comparison waits for the one before.
        let (high, high_rest) = high.as_chunks_mut::<4>();
        let (best, best_rest) = best.as_chunks_mut::<4>();
        let four = 4 * high.len();
        for (at, (high, best)) in high.iter_mut().zip(best).enumerate() {
            raise(simd, high, best, products.get(4 * at..).unwrap_or_default(), step, self.rows);
        }
        let rest = high_rest.as_chunks_mut::<1>().0.iter_mut().zip(best_rest.as_chunks_mut::<1>().0);
        for (at, (high, best)) in rest.enumerate() {
            raise(simd, high, best, products.get(four + at..).unwrap_or_default(), step, self.rows);
        }
    }
}

#[inline(always)]
fn raise<S: Simd, const N: usize>(
    simd: S,
    high: &mut [S::f32s; N],
    best: &mut [S::u32s; N],
    products: &[S::f32s],
    step: usize,
    rows: &[u32],
) {
    // Copies, which stay in registers.
    let (mut value, mut place) = (*high, *best);
    let always = simd.equal_f32s(simd.splat_f32s(0.0), simd.splat_f32s(0.0));
    for (products, &row) in products.chunks(step).zip(rows) {
        let Some(products) = products.first_chunk::<N>() else { break };
        let row = simd.splat_u32s(row);
        for lane in 0..N {
            let lower = simd.less_than_or_equal_f32s(products[lane], value[lane]);
            let broken = simd.xor_m32s(simd.equal_f32s(value[lane], value[lane]), always);
            let stays = simd.or_m32s(lower, broken);
            value[lane] = simd.select_f32s(stays, value[lane], products[lane]);
            place[lane] = simd.select_u32s(stays, place[lane], row);
        }
    }
    (*high, *best) = (value, place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, numbers};

    #[test]
    fn a_maximum_is_the_first_of_its_value_and_nan_the_largest() {
        for (lanes, rows) in [(16, 1), (16, 9), (48, 30), (64, 100), (80, 7), (144, 2)] {
            let mut products = numbers(lanes * rows, (lanes * rows) as u64);
            for (place, product) in products.iter_mut().enumerate() {
                *product = match place % 61 {
                    7 => f32::NAN,
                    30 => f32::INFINITY,
                    40 => f32::NEG_INFINITY,
                    // Many that are equal.
                    _ => (*product * 2.0).round(),
                };
            }
            let numbers: Vec<u32> = (0..rows as u32).map(|row| 3 * row + 1).collect();
            for arch in instruction_sets() {
                let (mut high, mut best) = (vec![f32::NEG_INFINITY; lanes], vec![NONE; lanes]);
                // In two calls, for documents are longer than pieces.
                let middle = rows / 2;
                for (rows, products) in [
                    (&numbers[..middle], &products[..middle * lanes]),
                    (&numbers[middle..], &products[middle * lanes..]),
                ] {
                    arch.dispatch(Raise { high: &mut high, best: &mut best, products, rows });
                }
                for lane in 0..lanes {
                    let mut expected = (f32::NEG_INFINITY, NONE);
                    for (products, &row) in products.chunks(lanes).zip(&numbers) {
                        if products[lane] > expected.0 || (products[lane].is_nan() && !expected.0.is_nan()) {
                            expected = (products[lane], row);
                        }
                    }
                    assert_eq!((high[lane].to_bits(), best[lane]), (expected.0.to_bits(), expected.1), "{arch:?}");
                }
            }
        }
    }
}
