//! XTR scores made of Burn's operations. The best tokens are chosen on the host, from one read of the products; the device is left with one gather,
//! whose gradient autodiff knows.

use std::cmp::Ordering;
use std::num::NonZero;

use burn::tensor::{Int, Tensor, TensorData};

use super::found::LEAST_FOUND;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::linear::product;
use crate::maxsim::composed::membership;

/// The scores of every query with every document, or with the documents of its own group, of so many. Both sides have tokens.
pub(super) fn xtr(queries: &Embeddings, documents: &Embeddings, k: usize, group: Option<usize>) -> Result<Tensor<2>> {
    let (device, query_tokens, width) = (queries.values.device(), queries.spans.tokens(), documents.spans.tokens());
    let (columns, first) = (group.unwrap_or(documents.len()), |query: usize| query * group.unwrap_or(0));
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
