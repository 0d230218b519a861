//! XTR scores (Lee et al. 2023): late interaction on what a search would have retrieved.
//!
//! A query token is compared with its `k` best tokens among all documents of the batch alone, as it would be in an index. The choice of those
//! tokens has no gradient. On CubeCL's devices kernels make it; the composed form makes it on the host.

mod composed;
#[cfg(feature = "cube")]
mod cube;
mod found;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::implementation::Implementation;

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
    scores(queries, documents, k, None)
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
    scores(queries, documents, k, Some(group))
}

/// The scores of every query with every document, or with the documents of its own group, of so many.
fn scores(queries: &Embeddings, documents: &Embeddings, k: usize, group: Option<usize>) -> Result<Tensor<2>> {
    Embeddings::check_pair(queries, documents)?;
    if k == 0 {
        return Err(Error::NothingKept);
    }
    let columns = group.unwrap_or(documents.len());
    if columns == 0 || queries.spans.tokens() == 0 || documents.spans.tokens() == 0 {
        return Ok(Tensor::zeros([queries.len(), columns], &queries.values.device()));
    }
    match Implementation::of_all([&queries.values, &documents.values]) {
        #[cfg(feature = "cube")]
        Implementation::Cube if queries.dim() > 0 => Ok(cube::xtr(queries, documents, k, group.is_some())),
        _ => composed::xtr(queries, documents, k, group),
    }
}
