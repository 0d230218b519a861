//! The choice of the implementation of MaxSim.

use burn::tensor::Tensor;

#[cfg(feature = "cube")]
use super::cube;
#[cfg(feature = "cuda")]
use super::cuda;
#[cfg(feature = "flex")]
use super::flex;
use super::{composed, mask_rule::MaskRule};
use crate::embeddings::Embeddings;
use crate::implementation::Implementation;

/// The scores of every query with every document, or with the documents of its own group, of so many.
pub(super) fn scores(queries: &Embeddings, documents: &Embeddings, rule: MaskRule, group: Option<usize>) -> Tensor<2> {
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
