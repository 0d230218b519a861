//! Reranking: candidates ordered by MaxSim (`rank.rerank` of PyLate).

use colburn_model::TokenEmbeddings;
use rayon::prelude::*;

use crate::exact::{Floor, scores};
use crate::{Error, Packed, Result};

/// A candidate with its score.
///
/// ```
/// use colburn_model::TokenEmbeddings;
/// use colburn_search::{RerankResult, rerank};
///
/// let text = |values: &[f32]| TokenEmbeddings { values: values.to_vec(), dim: 2 };
/// let query = text(&[1.0, 0.0, 0.0, 1.0]);
/// let candidates = vec![text(&[0.5, 0.0]), text(&[0.0, 2.0, 1.0, 0.0])];
/// let ranked = rerank(&[vec!["a", "b"]], &[query], &[candidates])?;
/// assert_eq!(ranked[0], [RerankResult { id: "b", score: 3.0 }, RerankResult { id: "a", score: 0.5 }]);
/// # Ok::<(), colburn_search::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RerankResult<Id> {
    /// The candidate's id.
    pub id: Id,
    /// Its MaxSim score.
    pub score: f32,
}

/// The candidates of each query, best first; ties stay in the given order. A query without candidates has an empty list.
///
/// As in PyLate, the candidates of a query are padded to the longest of them: no maximum of a shorter one is below 0.
///
/// # Errors
/// When there is not one list of ids and one of embeddings for each query, or not one id for each candidate; when widths differ; when a score
/// is not finite. The message has the query and the place of the candidate, counted from 0.
pub fn rerank<Id: Clone + Send + Sync>(
    documents_ids: &[Vec<Id>],
    queries_embeddings: &[TokenEmbeddings],
    documents_embeddings: &[Vec<TokenEmbeddings>],
) -> Result<Vec<Vec<RerankResult<Id>>>> {
    let expected = queries_embeddings.len();
    let lists = [("lists of document ids", documents_ids.len()), ("lists of embeddings", documents_embeddings.len())];
    if let Some((what, found)) = lists.into_iter().find(|&(_, found)| found != expected) {
        return Err(Error::Length { what: format!("{what} for the queries"), expected, found });
    }
    let one = |query: usize| {
        rerank_one(query, &documents_ids[query], &queries_embeddings[query], &documents_embeddings[query])
    };
    // Collected first, so of several errors it is always the first that is returned.
    let all: Vec<Result<Vec<RerankResult<Id>>>> = (0..expected).into_par_iter().map(one).collect();
    all.into_iter().collect()
}

fn rerank_one<Id: Clone>(
    query: usize,
    ids: &[Id],
    embeddings: &TokenEmbeddings,
    candidates: &[TokenEmbeddings],
) -> Result<Vec<RerankResult<Id>>> {
    if ids.len() != candidates.len() {
        let what = format!("embeddings of candidates of query {query}");
        return Err(Error::Length { what, expected: ids.len(), found: candidates.len() });
    }
    let mut documents = Packed::new(embeddings.dim);
    for (place, candidate) in candidates.iter().enumerate() {
        if candidate.dim != embeddings.dim {
            let what = format!("the embeddings of candidate {place} of query {query}");
            return Err(Error::Dimensions { what, expected: embeddings.dim, found: candidate.dim });
        }
        documents.push(candidate)?;
    }
    let longest = candidates.iter().map(TokenEmbeddings::tokens).max().unwrap_or(0);
    let scores = scores(&Packed::from_embeddings([embeddings])?, &documents, Floor::PaddedTo(longest))?;
    ranked(query, ids, scores)
}

/// The candidates of a query with their scores, best first.
pub(crate) fn ranked<Id: Clone>(query: usize, ids: &[Id], scores: Vec<f32>) -> Result<Vec<RerankResult<Id>>> {
    if let Some(document) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::Score { query, document, score: scores[document] });
    }
    let mut ranked: Vec<RerankResult<Id>> =
        ids.iter().zip(scores).map(|(id, score)| RerankResult { id: id.clone(), score }).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(ranked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, slow_scores};

    fn text(values: &[f32], dim: usize) -> TokenEmbeddings {
        TokenEmbeddings { values: values.to_vec(), dim }
    }

    #[test]
    fn orders_each_querys_candidates_by_their_score_padded_to_the_longest() {
        let mut random = Random::new(15);
        let (mut ids, mut queries, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        for query in 0..30 {
            let count = random.below(12);
            queries.push(text(&(0..3 * 4).map(|_| random.below(3) as f32 - 1.0).collect::<Vec<_>>(), 4));
            let candidates = random.texts(count, 6, 4, true);
            let of = |at: usize| &candidates.values()[candidates.range(at).start * 4..candidates.range(at).end * 4];
            documents.push((0..count).map(|at| text(of(at), 4)).collect::<Vec<_>>());
            ids.push((0..count).map(|at| format!("{query}-{at}")).collect::<Vec<_>>());
        }
        let found = rerank(&ids, &queries, &documents).unwrap();
        for (((found, ids), query), documents) in found.iter().zip(&ids).zip(&queries).zip(&documents) {
            let longest = documents.iter().map(TokenEmbeddings::tokens).max().unwrap_or(0);
            let (query, documents) =
                (Packed::from_embeddings([query]).unwrap(), Packed::from_embeddings(documents).unwrap());
            let scores = slow_scores(&query, &documents, Floor::PaddedTo(longest));
            let mut expected: Vec<(&String, f32)> = ids.iter().zip(scores).collect();
            expected.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
            assert_eq!(found.iter().map(|result| (&result.id, result.score)).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn lists_that_do_not_go_together_are_errors() {
        let (query, document) = (text(&[1.0, 0.0], 2), text(&[0.5, 0.5], 2));
        let message = |ids: &[Vec<u32>], documents: &[Vec<TokenEmbeddings>]| {
            rerank(ids, &[query.clone(), query.clone()], documents).unwrap_err().to_string()
        };
        let one = vec![document.clone()];
        assert_eq!(
            message(&[vec![1]], &[one.clone(), one.clone()]),
            "1 lists of document ids for the queries; 2 are expected"
        );
        assert_eq!(
            message(&[vec![1], vec![2]], &[one.clone(), one.clone(), one.clone()]),
            "3 lists of embeddings for the queries; 2 are expected"
        );
        assert_eq!(
            message(&[vec![1], vec![2, 3]], &[one.clone(), one.clone()]),
            "1 embeddings of candidates of query 1; 2 are expected"
        );
        let wide = message(&[vec![1], vec![2]], &[one.clone(), vec![text(&[1.0; 3], 3)]]);
        assert!(
            wide.starts_with("the embeddings of candidate 0 of query 1 have 3 dimensions, 2 are expected"),
            "{wide}"
        );
        let nan = message(&[vec![1], vec![2, 3]], &[one.clone(), vec![document.clone(), text(&[f32::NAN, 1.0], 2)]]);
        assert!(nan.starts_with("the score of query 1 with document 1 is NaN"), "{nan}");
        let wrong = text(&[0.0, f32::NAN], 2);
        let nan = rerank(&[vec![1]], &[wrong], std::slice::from_ref(&one)).unwrap_err().to_string();
        assert!(nan.starts_with("the score of query 0 with document 0 is NaN"), "{nan}");
    }

    #[test]
    fn nothing_to_rank_is_an_empty_list() {
        let query = text(&[1.0, 0.0], 2);
        assert_eq!(rerank::<u32>(&[vec![]], &[query], &[vec![]]).unwrap(), [vec![]]);
        assert!(rerank::<u32>(&[], &[], &[]).unwrap().is_empty());
    }
}
