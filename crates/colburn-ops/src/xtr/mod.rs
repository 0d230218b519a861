//! XTR scores (Lee et al. 2023): late interaction on what a search would have retrieved.
//!
//! A query token meets only its `k` best tokens among all documents of the batch, as it would in an index. Which those are has no
//! gradient, so the choice is made on the host, from one read of the products; what it leaves to the device is one gather, the same
//! on every backend, and autodiff knows its gradient.

use std::cmp::Ordering;
use std::num::NonZero;

use burn::tensor::{Int, Tensor, TensorData};

use crate::maxsim::{check, membership};
use crate::{Embeddings, Error, Result};

/// What the number of query tokens that found something is raised to, so that it can be divided by.
const LEAST_FOUND: f32 = 1e-3;

/// XTR score of every query with every document, `[queries, documents]` (`pylate.scores.xtr_scores`).
///
/// For each query token the `k` best products with tokens of all documents are kept, and the others count as 0. A score is the sum over
/// query tokens of the best product with the document, divided by the number of query tokens whose best is above 0 (at least 0.001).
///
/// Document tokens whose mask is off are never among the best, and query tokens whose mask is off add nothing. As soon as one of its
/// tokens is not kept, or PyLate would have padded it ([`Embeddings::floor`]), a document has no best below 0. Of equal products the
/// first is kept.
///
/// With fewer tokens than `k` all are kept. There PyLate fills up with padded positions, picked arbitrarily, and when it runs out of
/// those too it fails.
///
/// # Errors
/// When the widths differ, `k` is 0, or the device cannot be read.
pub fn xtr(queries: &Embeddings, documents: &Embeddings, k: usize) -> Result<Tensor<2>> {
    let columns = documents.len();
    scores(queries, documents, k, columns, |_| 0)
}

/// XTR score of each query with the documents of its own group, `[queries, documents / queries]`, query `i` with the documents
/// `i · n … (i + 1) · n` (`pylate.scores.xtr_kd_scores`).
///
/// The best tokens are those among *all* documents, as in [`xtr`]: a score depends on the other groups of the batch.
///
/// # Errors
/// As [`xtr`], and when the documents do not divide evenly among the queries.
pub fn xtr_pairs(queries: &Embeddings, documents: &Embeddings, k: usize) -> Result<Tensor<2>> {
    let count = queries.len();
    if count == 0 || !documents.len().is_multiple_of(count) {
        return Err(Error::Groups { queries: count, documents: documents.len() });
    }
    let group = documents.len() / count;
    scores(queries, documents, k, group, |query| query * group)
}

/// The scores of each query with `columns` documents from document `first(query)` on.
fn scores(
    queries: &Embeddings,
    documents: &Embeddings,
    k: usize,
    columns: usize,
    first: impl Fn(usize) -> usize,
) -> Result<Tensor<2>> {
    check(queries, documents)?;
    if k == 0 {
        return Err(Error::NothingKept);
    }
    let (device, query_tokens, width) = (queries.values.device(), queries.spans.tokens(), documents.spans.tokens());
    if columns == 0 || query_tokens == 0 || width == 0 {
        return Ok(Tensor::zeros([queries.len(), columns], &device));
    }
    let products = queries.values.clone().matmul(documents.values.clone().transpose());
    let read = products.clone().detach().try_into_vec_as::<f32>();
    let mut read = read.map_err(|error| Error::Device(error.to_string()))?;
    // What is not a number is kept, as in PyTorch, so that it shows in the loss.
    read.iter_mut().filter(|product| product.is_nan()).for_each(|product| *product = f32::INFINITY);

    let firsts = (0..queries.len()).flat_map(|query| queries.spans.range(query).map(move |_| query)).map(first);
    let rows: Vec<Row<'_>> = read.chunks(width).zip(firsts).map(|(products, first)| Row { products, first }).collect();
    let best = best_of_rows(&rows, documents, k, columns);

    let mut found = vec![0f32; queries.len() * columns];
    for query in 0..queries.len() {
        for token in queries.spans.range(query).filter(|&token| queries.mask[token]) {
            for column in 0..columns {
                let best = best[token * columns + column];
                let above_zero = best.is_some_and(|best| rows[token].products[best as usize] > 0.0);
                found[query * columns + column] += f32::from(above_zero);
            }
        }
    }
    found.iter_mut().for_each(|found| *found = found.max(LEAST_FOUND));
    let found = Tensor::<2>::from_data(TensorData::new(found, [queries.len(), columns]), &device);

    let shape = [query_tokens, columns];
    let places: Vec<i32> = best.iter().map(|best| best.unwrap_or(0) as i32).collect();
    let kept = products.gather(1, Tensor::<2, Int>::from_data(TensorData::new(places, shape), &device));
    let nothing: Vec<bool> = best.iter().map(Option::is_none).collect();
    let kept = kept.mask_fill(Tensor::from_data(TensorData::new(nothing, shape), &device), 0.0);
    Ok(membership(queries, &device).matmul(kept) / found)
}

/// A query token.
struct Row<'a> {
    /// Its products with all document tokens.
    products: &'a [f32],
    /// The first document that it is scored with.
    first: usize,
}

/// For each query token and each document that it is scored with, the document token of the best product that is kept; `None` where the
/// best is 0 instead. `[rows, columns]`.
fn best_of_rows(rows: &[Row<'_>], documents: &Embeddings, k: usize, columns: usize) -> Vec<Option<u32>> {
    let counted: Vec<u32> = (0..).zip(&documents.mask).filter_map(|(token, &counts)| counts.then_some(token)).collect();
    let mut best = vec![None; rows.len() * columns];
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = rows.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (rows, best) in rows.chunks(share).zip(best.chunks_mut(share * columns)) {
            let counted = &counted;
            scope.spawn(move || {
                let (mut order, mut kept) = (counted.clone(), vec![false; documents.mask.len()]);
                for (row, best) in rows.iter().zip(best.chunks_mut(columns)) {
                    order.copy_from_slice(counted);
                    kept.fill(false);
                    keep(row.products, &mut order, k).iter().for_each(|&token| kept[token as usize] = true);
                    for (column, best) in best.iter_mut().enumerate() {
                        *best = best_of_document(row.products, &kept, documents, row.first + column);
                    }
                }
            });
        }
    });
    best
}

/// The `k` best of the tokens in `order`, in no order.
fn keep<'a>(products: &[f32], order: &'a mut [u32], k: usize) -> &'a [u32] {
    if k >= order.len() {
        return order;
    }
    order.select_nth_unstable_by(k - 1, |&a, &b| better(products, a, b));
    &order[..k]
}

/// The greater product first, and of equal ones that of the first token.
fn better(products: &[f32], a: u32, b: u32) -> Ordering {
    products[b as usize].total_cmp(&products[a as usize]).then(a.cmp(&b))
}

/// The best kept token of a document, unless the 0 of a position that is not kept is better.
fn best_of_document(products: &[f32], kept: &[bool], documents: &Embeddings, document: usize) -> Option<u32> {
    let range = documents.spans.range(document);
    let floored = documents.floor[document] || !kept[range.clone()].iter().all(|&kept| kept);
    let tokens = range.map(|token| token as u32).filter(|&token| kept[token as usize]);
    let best = tokens.min_by(|&a, &b| better(products, a, b))?;
    (!floored || products[best as usize] > 0.0).then_some(best)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::Spans;
    use burn::tensor::Device;

    /// Numbers that look random, from a linear congruential generator.
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) as usize % bound
        }

        fn texts(&mut self, count: usize, device: &Device) -> Embeddings {
            let lengths: Vec<usize> = (0..count).map(|_| 1 + self.below(7)).collect();
            let spans = Spans::from_lengths(&lengths);
            let values: Vec<f32> = (0..spans.tokens() * 3).map(|_| self.below(2000) as f32 / 1000.0 - 1.1).collect();
            let values = Tensor::from_data(TensorData::new(values, [spans.tokens(), 3]), device).require_grad();
            let mut texts = Embeddings::new(values, spans).unwrap();
            texts.mask.iter_mut().for_each(|counts| *counts = self.below(5) > 0);
            texts.floor.iter_mut().for_each(|floor| *floor = self.below(2) > 0);
            texts
        }
    }

    fn rows(embeddings: &Embeddings) -> Vec<Vec<f32>> {
        let flat = embeddings.values.clone().inner().into_data().try_into_vec::<f32>().unwrap();
        flat.chunks(embeddings.dim()).map(<[f32]>::to_vec).collect()
    }

    /// What the slow twin takes for a query token `i` in a document: its best product, and the document token of it if there is one.
    struct Taken {
        document: usize,
        i: usize,
        best: f32,
        j: Option<usize>,
    }

    /// PyLate's steps in PyLate's order: pad, fill masked positions with the least number, keep the top k, multiply the others by 0, take
    /// the maximum of each document.
    fn take(q: &[f32], d: &[Vec<f32>], documents: &Embeddings, k: usize, i: usize) -> Vec<Taken> {
        let padded = documents.spans.max_length() + 1;
        let mut club = Vec::new();
        for document in 0..documents.len() {
            let range = documents.spans.range(document);
            for place in 0..if documents.floor[document] { padded } else { range.len() } {
                let j = Some(range.start + place).filter(|&j| j < range.end && documents.mask[j]);
                let product = j.map(|j| q.iter().zip(&d[j]).map(|(a, b)| a * b).sum());
                club.push(Taken { document, i, best: product.unwrap_or(f32::MIN), j });
            }
        }
        let mut order: Vec<usize> = (0..club.len()).collect();
        order.sort_by(|&a, &b| club[b].best.total_cmp(&club[a].best));
        let kept: Vec<usize> = order.into_iter().take(k).filter(|&place| club[place].j.is_some()).collect();
        let zeroed = club.into_iter().enumerate().map(|(place, one)| match kept.contains(&place) {
            true => one,
            false => Taken { best: 0.0, j: None, ..one },
        });
        let mut best: Vec<Taken> = Vec::new();
        for one in zeroed {
            match best.last_mut().filter(|last| last.document == one.document) {
                Some(last) if one.best > last.best => *last = one,
                Some(_) => {}
                None => best.push(one),
            }
        }
        best
    }

    /// The slow twin: `[queries, documents]`, and what the sum of it has for gradients, by the chain rule on what was taken.
    fn slow(queries: &Embeddings, documents: &Embeddings, k: usize) -> [Vec<f32>; 3] {
        let (q, d) = (rows(queries), rows(documents));
        let (mut scores, mut dq, mut dd) = (Vec::new(), vec![0.0; q.len() * 3], vec![0.0; d.len() * 3]);
        for query in 0..queries.len() {
            let tokens = queries.spans.range(query).filter(|&i| queries.mask[i]);
            let taken: Vec<Taken> = tokens.flat_map(|i| take(&q[i], &d, documents, k, i)).collect();
            for document in 0..documents.len() {
                let here: Vec<&Taken> = taken.iter().filter(|taken| taken.document == document).collect();
                let found = (here.iter().filter(|taken| taken.best > 0.0).count() as f32).max(1e-3);
                scores.push(here.iter().map(|taken| taken.best).sum::<f32>() / found);
                for (i, j) in here.iter().filter_map(|taken| Some((taken.i, taken.j?))) {
                    for c in 0..3 {
                        dq[i * 3 + c] += d[j][c] / found;
                        dd[j * 3 + c] += q[i][c] / found;
                    }
                }
            }
        }
        [scores, dq, dd]
    }

    fn assert_close(what: &str, found: Tensor<2>, expected: &[f32]) {
        let found = found.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(found.len(), expected.len(), "{what}");
        // Where nothing is above 0, sums and their rounding errors are divided by 0.001.
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5 + 1e-6 * largest, "{what}: {found}, expected {expected}");
        }
    }

    #[test]
    fn agrees_with_the_slow_twin() {
        let device = Device::flex().autodiff();
        let mut draw = Draw(7);
        for case in 0..200 {
            let (count, group) = (1 + draw.below(3), 1 + draw.below(3));
            let (queries, documents) = (draw.texts(count, &device), draw.texts(count * group, &device));
            let k = 1 + draw.below(documents.spans.tokens() + 3);
            let [expected, dq, dd] = slow(&queries, &documents, k);
            let what = format!("case {case}, k {k}");

            let scores = xtr(&queries, &documents, k).unwrap();
            assert_close(&what, scores.clone().inner(), &expected);
            let gradients = scores.sum().backward();
            assert_close(&what, queries.values.grad(&gradients).unwrap(), &dq);
            assert_close(&what, documents.values.grad(&gradients).unwrap(), &dd);

            let own = expected.chunks(count * group).enumerate();
            let own: Vec<f32> = own.flat_map(|(query, scores)| scores[query * group..][..group].to_vec()).collect();
            assert_close(&what, xtr_pairs(&queries, &documents, k).unwrap().inner(), &own);
        }
    }

    // xtr_scores = XTRScores(k=2)
    // xtr_scores(torch.tensor([[[1., 0.], [0., 1.]]]), torch.tensor([[[[1., .5], [.5, -1.]], [[.9, -.5], [0., 0.]]]]))
    // tensor([[0.7500, 0.9000]])
    #[test]
    fn what_is_not_among_the_best_counts_as_nothing() {
        let device = Device::flex();
        let queries = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
        let queries = Embeddings::new(queries, Spans::from_lengths(&[2])).unwrap();
        let documents = Tensor::<2>::from_data([[1.0, 0.5], [0.5, -1.0], [0.9, -0.5], [0.0, 0.0]], &device);
        let documents = Embeddings::new(documents, Spans::from_lengths(&[2, 2])).unwrap();
        assert_close("k 2", xtr(&queries, &documents, 2).unwrap(), &[0.75, 0.9]);
    }

    #[test]
    fn of_equal_products_the_first_is_kept() {
        let device = Device::flex();
        let one = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1])).unwrap();
        let same = Tensor::<2>::from_data([[0.5, 0.0], [0.5, 1.0], [0.5, 2.0]], &device);
        let same = Embeddings::new(same, Spans::from_lengths(&[1, 1, 1])).unwrap();
        assert_close("k 2", xtr(&one, &same, 2).unwrap(), &[0.5, 0.5, 0.0]);
    }

    #[test]
    fn what_is_not_a_number_shows() {
        let device = Device::flex();
        let one = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1])).unwrap();
        let broken = Tensor::<2>::from_data([[0.5, 0.0], [-f32::NAN, 0.0]], &device);
        let broken = Embeddings::new(broken, Spans::from_lengths(&[1, 1])).unwrap();
        let scores = xtr(&one, &broken, 1).unwrap().into_data().try_into_vec::<f32>().unwrap();
        assert!(scores[1].is_nan(), "{scores:?}");
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let device = Device::flex();
        let texts = |count: usize, dim: usize| {
            Embeddings::new(Tensor::zeros([count, dim], &device), Spans::from_lengths(&vec![1; count])).unwrap()
        };
        assert!(matches!(xtr(&texts(1, 2), &texts(1, 3), 4), Err(Error::Dimensions { .. })));
        assert!(matches!(xtr(&texts(1, 2), &texts(1, 2), 0), Err(Error::NothingKept)));
        assert!(matches!(xtr_pairs(&texts(2, 2), &texts(3, 2), 4), Err(Error::Groups { .. })));
        assert_eq!(xtr(&texts(2, 2), &texts(0, 2), 4).unwrap().dims(), [2, 0]);
    }
}
