//! The teacher's side of a batch: its scores, checked against the groups of documents that they belong to.

use burn::tensor::{Device, Tensor, TensorData};
use colburn_ops::Embeddings;

use crate::error::{Error, Result};
use crate::loss::Targets;

/// The teacher's scores as `[queries, documents / queries]`.
///
/// # Errors
/// When there are none, a query has fewer than two documents to compare, their number is not that of the documents, or one is not finite.
pub(crate) fn scores(
    loss: &'static str,
    queries: &Embeddings,
    documents: &Embeddings,
    targets: &Targets,
    device: &Device,
) -> Result<Tensor<2>> {
    let Targets::Scores(scores) = targets else { return Err(Error::NoScores { loss }) };
    let (count, total) = (queries.len(), documents.len());
    if count == 0 || !total.is_multiple_of(count) || total / count < 2 {
        return Err(Error::Candidates { loss, queries: count, documents: total });
    }
    if scores.len() != total {
        return Err(Error::ScoreCount { loss, scores: scores.len(), documents: total });
    }
    let group = total / count;
    match scores.iter().position(|score| !score.is_finite()) {
        Some(at) => Err(Error::Score { row: at / group, document: at % group, value: scores[at] }),
        None => Ok(Tensor::from_data(TensorData::new(scores.clone(), [count, group]), device)),
    }
}
