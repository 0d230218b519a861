//! XTR scores (Lee et al. 2023): late interaction on what a search would have retrieved.
//!
//! A query token is compared with its `k` best tokens among all documents of the batch alone, as it would be in an index. The choice of those
//! tokens has no gradient, so it is made on the host, from one read of the products. The device is left with one gather, whose gradient
//! autodiff knows: one implementation serves every backend.

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use std::cmp::Ordering;
use std::num::NonZero;

use burn::tensor::{Int, Tensor, TensorData};

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::linear::product;
use crate::maxsim::composed::membership;

/// The least number of query tokens that found something, for it is divided by.
const LEAST_FOUND: f32 = 1e-3;

/// XTR score of every query with every document (`pylate.scores.xtr_scores`).
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
/// # Shapes
/// The result: `[queries, documents]`.
///
/// # Errors
/// When the widths differ, `k` is 0, or the device cannot be read.
pub fn xtr(queries: &Embeddings, documents: &Embeddings, k: usize) -> Result<Tensor<2>> {
    let columns = documents.len();
    scores(queries, documents, k, columns, |_| 0)
}

/// XTR score of each query with the documents of its own group, query `i` with the documents `i · n … (i + 1) · n`
/// (`pylate.scores.xtr_kd_scores`).
///
/// The best tokens are those among *all* documents, as in [`xtr`]: a score depends on the other groups of the batch.
///
/// # Shapes
/// The result: `[queries, documents / queries]`.
///
/// # Errors
/// As [`xtr`], and when the documents do not divide evenly among the queries.
pub fn xtr_pairs(queries: &Embeddings, documents: &Embeddings, k: usize) -> Result<Tensor<2>> {
    let group = Embeddings::group_size(queries, documents)?;
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
    Embeddings::check_pair(queries, documents)?;
    if k == 0 {
        return Err(Error::NothingKept);
    }
    let (device, query_tokens, width) = (queries.values.device(), queries.spans.tokens(), documents.spans.tokens());
    if columns == 0 || query_tokens == 0 || width == 0 {
        return Ok(Tensor::zeros([queries.len(), columns], &device));
    }
    let products = product(queries.values.clone(), documents.values.clone().transpose());
    let read = products.clone().detach().try_into_vec_as::<f32>();
    let mut read = read.map_err(|error| Error::Device(error.to_string()))?;
    // NaN is kept as the largest product, as in PyTorch, so that it shows in the loss.
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
    Ok(product(membership(queries, &device), kept) / found)
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
