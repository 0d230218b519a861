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
mod scores;
#[cfg(test)]
#[cfg(feature = "flex")]
pub(crate) mod tests;

use burn::tensor::Tensor;

pub use self::mask_rule::MaskRule;
pub use self::prepared::{PreparedDocuments, PreparedQueries};
use self::scores::scores;
use crate::embeddings::Embeddings;
use crate::error::Result;

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
