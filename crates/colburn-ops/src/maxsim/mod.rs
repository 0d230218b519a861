//! MaxSim, the score of late interaction (Khattab and Zaharia 2020): the sum over query tokens of the best product with a document token.

pub(crate) mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "flex")]
mod flex;
mod mask_rule;
mod prepared;
#[cfg(test)]
#[cfg(feature = "flex")]
pub(crate) mod tests;

use burn::tensor::Tensor;

pub use self::mask_rule::MaskRule;
pub use self::prepared::{PreparedDocuments, PreparedQueries};
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::implementation::Implementation;

/// MaxSim of every query with every document.
///
/// Query tokens whose mask is off add nothing. A document without a token that counts scores 0.
///
/// # Shapes
/// The result: `[queries, documents]`.
///
/// # Errors
/// When the widths differ.
pub fn maxsim(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
    Embeddings::check_pair(queries, documents)?;
    Ok(scores(queries, documents, rule, None))
}

/// MaxSim of each query with the documents of its own group: query `i` with the documents `i · n … (i + 1) · n`.
///
/// # Shapes
/// The result: `[queries, documents / queries]`.
///
/// # Errors
/// When the widths differ, or the documents do not divide evenly among the queries.
pub fn maxsim_pairs(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
    Embeddings::check_pair(queries, documents)?;
    let group = Embeddings::group_size(queries, documents)?;
    Ok(scores(queries, documents, rule, Some(group)))
}

/// The scores of every query with every document, or with the documents of its own group, of so many.
fn scores(queries: &Embeddings, documents: &Embeddings, rule: MaskRule, group: Option<usize>) -> Tensor<2> {
    if queries.spans.tokens() == 0 || documents.spans.tokens() == 0 {
        let columns = group.unwrap_or(documents.len());
        return Tensor::zeros([queries.len(), columns], &queries.values.device());
    }
    match Implementation::of_all([&queries.values, &documents.values]) {
        #[cfg(feature = "flex")]
        Implementation::Flex if queries.dim() > 0 => flex::maxsim(queries, documents, rule, group.is_some()),
        #[cfg(feature = "cuda")]
        Implementation::Cube if queries.dim() > 0 && cuda::serves(queries, documents, group.is_some()) => {
            cuda::maxsim(queries, documents, rule, group.is_some())
        }
        #[cfg(feature = "cube")]
        Implementation::Cube if queries.dim() > 0 => cube::maxsim(queries, documents, rule, group.is_some()),
        _ if group.is_some() => composed::maxsim_pairs(queries, documents, rule),
        _ => composed::maxsim(queries, documents, rule),
    }
}
