//! Reranking: given candidates, ordered by MaxSim (`rank.rerank` of PyLate).

use colburn_model::TokenEmbeddings;

use crate::{Error, Floor, Packed, Result, search};

/// A candidate with its score.
#[derive(Clone, Debug, PartialEq)]
pub struct RerankResult<Id> {
    /// The candidate's id.
    pub id: Id,
    /// Its MaxSim score.
    pub score: f32,
}

/// The candidates of each query, best first; ties in their given order.
///
/// # Errors
/// When the lists differ in length, or as [`search`].
pub fn rerank<Id: Clone>(
    documents_ids: &[Vec<Id>],
    queries_embeddings: &[TokenEmbeddings],
    documents_embeddings: &[Vec<TokenEmbeddings>],
) -> Result<Vec<Vec<RerankResult<Id>>>> {
    let one = |((ids, query), documents): ((&Vec<Id>, &TokenEmbeddings), &Vec<TokenEmbeddings>)| {
        if ids.len() != documents.len() {
            return Err(Error::Length { what: "embeddings".into(), expected: ids.len(), found: documents.len() });
        }
        let longest = documents.iter().map(TokenEmbeddings::tokens).max().unwrap_or(0);
        let (query, documents) = (Packed::from_embeddings([query])?, Packed::from_embeddings(documents)?);
        let hits = search(&query, &documents, ids.len().max(1), Floor::PaddedTo(longest))?;
        let result = |hit: &crate::Hit| RerankResult { id: ids[hit.document].clone(), score: hit.score };
        Ok(hits[0].iter().map(result).collect())
    };
    documents_ids.iter().zip(queries_embeddings).zip(documents_embeddings).map(one).collect()
}
