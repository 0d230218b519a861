//! Reranking on a device: candidates are scored there as their documents are encoded, and no vector is read to the host.

use std::collections::HashMap;

use burn::tensor::Device;
use colburn_ops::Embeddings;

use crate::exact::{DeviceQueries, Floor, LateScores, Tiling};
use crate::rerank::ranked;
use crate::{Error, Packed, RerankResult, Result};

/// Orders candidates as [`rerank`](crate::rerank()) does, by documents that are on a device and come a batch at a time.
///
/// Each batch is scored with all of the queries, so they should be few: some tens of queries with some hundreds of candidates each cost a
/// small part of what encoding the documents costs.
#[derive(Debug)]
pub struct DeviceRerank {
    queries: DeviceQueries,
    dim: usize,
    /// The documents that each query has as candidates.
    candidates: Vec<Vec<usize>>,
    /// For each document, the queries and the places among their candidates.
    wanted: HashMap<usize, Vec<(usize, usize)>>,
    scored: Vec<Vec<Option<Scored>>>,
    late: Option<LateBatch>,
}

/// A candidate with both scores that it may have: which one counts depends on the longest candidate of the query.
#[derive(Clone, Copy, Debug)]
struct Scored {
    tokens: usize,
    own: f32,
    floored: f32,
}

#[derive(Debug)]
struct LateBatch {
    numbers: Vec<usize>,
    lengths: Vec<usize>,
    own: LateScores,
    floored: LateScores,
}

impl DeviceRerank {
    /// Candidates of each query, as numbers of documents of the caller's choice. A document may be a candidate of several queries, and is
    /// given once.
    ///
    /// # Errors
    /// When there is not one list of candidates for each query.
    pub fn new(queries: &Packed, candidates: Vec<Vec<usize>>, device: &Device) -> Result<Self> {
        if candidates.len() != queries.len() {
            let what = "lists of candidates for the queries".to_owned();
            return Err(Error::Length { what, expected: queries.len(), found: candidates.len() });
        }
        let mut wanted: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
        for (query, candidates) in candidates.iter().enumerate() {
            for (place, &document) in candidates.iter().enumerate() {
                wanted.entry(document).or_default().push((query, place));
            }
        }
        let scored = candidates.iter().map(|candidates| vec![None; candidates.len()]).collect();
        let dim = queries.dim();
        let device = device.clone().inner();
        let queries = DeviceQueries::new(queries, &device, Tiling::of(&device))?;
        Ok(Self { queries, dim, candidates, wanted, scored, late: None })
    }

    /// Adds documents, with their numbers. Their tokens that do not count are left out.
    ///
    /// # Errors
    /// When there is not one number for each document, or widths differ; when the scores of the call before cannot be read.
    pub fn add(&mut self, numbers: &[usize], documents: &Embeddings) -> Result<()> {
        if numbers.len() != documents.len() {
            let what = "numbers of documents".to_owned();
            return Err(Error::Length { what, expected: documents.len(), found: numbers.len() });
        }
        if documents.dim() != self.dim && !self.candidates.is_empty() {
            let what = "documents".to_owned();
            return Err(Error::Dimensions { what, expected: self.dim, found: documents.dim() });
        }
        let documents = documents.clone().counting();
        let own = self.queries.begin_on_device(&documents, Floor::None)?;
        let floored = self.queries.begin_on_device(&documents, Floor::PaddedTo(usize::MAX))?;
        let lengths = documents.spans.lengths().collect();
        let before = self.late.replace(LateBatch { numbers: numbers.to_vec(), lengths, own, floored });
        self.settle(before)
    }

    /// The candidates of each query by their numbers, best first; ties stay in the given order.
    ///
    /// # Errors
    /// When a candidate was not added; when a score is not finite. The message has the query and the place of the candidate, counted from 0.
    pub fn finish(mut self) -> Result<Vec<Vec<RerankResult<usize>>>> {
        let last = self.late.take();
        self.settle(last)?;
        let missing = self.scored.iter().flatten().filter(|scored| scored.is_none()).count();
        if missing > 0 {
            let expected = self.scored.iter().map(Vec::len).sum();
            return Err(Error::Length { what: "scored candidates".to_owned(), expected, found: expected - missing });
        }
        let both = self.candidates.iter().zip(self.scored).enumerate();
        both.map(|(query, (candidates, scored))| {
            let scored: Vec<Scored> = scored.into_iter().flatten().collect();
            let longest = scored.iter().map(|scored| scored.tokens).max().unwrap_or(0);
            let score = |scored: &Scored| if scored.tokens < longest { scored.floored } else { scored.own };
            ranked(query, candidates, scored.iter().map(score).collect())
        })
        .collect()
    }

    fn settle(&mut self, late: Option<LateBatch>) -> Result<()> {
        let Some(late) = late else { return Ok(()) };
        let (own, floored) = (self.queries.read(late.own)?, self.queries.read(late.floored)?);
        for (at, (number, &tokens)) in late.numbers.iter().zip(&late.lengths).enumerate() {
            for &(query, place) in self.wanted.get(number).into_iter().flatten() {
                let score = query * late.numbers.len() + at;
                self.scored[query][place] = Some(Scored { tokens, own: own[score], floored: floored[score] });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use colburn_model::TokenEmbeddings;

    use super::*;
    use crate::testing::{Random, on_device, selected};

    #[test]
    fn orders_as_the_host_does() {
        let mut random = Random::new(31);
        for round in 0..10 {
            let (queries, documents) = (random.texts(6, 5, 4, true), random.texts(20, 7, 4, true));
            let candidates: Vec<Vec<usize>> =
                (0..6).map(|query| (0..query * 3).map(|_| random.below(20)).collect()).collect();
            let mut rerank = DeviceRerank::new(&queries, candidates.clone(), &Device::flex()).unwrap();
            for part in [0..0, 0..1 + round, 1 + round..20] {
                let numbers: Vec<usize> = part.collect();
                rerank.add(&numbers, &on_device(&selected(&documents, &numbers), &mut random)).unwrap();
            }
            let text = |packed: &Packed, text: usize| {
                let tokens = packed.range(text);
                TokenEmbeddings { values: packed.values()[tokens.start * 4..tokens.end * 4].to_vec(), dim: 4 }
            };
            let embeddings: Vec<Vec<TokenEmbeddings>> =
                candidates.iter().map(|list| list.iter().map(|&number| text(&documents, number)).collect()).collect();
            let queries: Vec<TokenEmbeddings> = (0..6).map(|query| text(&queries, query)).collect();
            assert_eq!(rerank.finish().unwrap(), crate::rerank(&candidates, &queries, &embeddings).unwrap());
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let mut random = Random::new(32);
        let (queries, documents) = (random.texts(1, 0, 4, true), random.texts(3, 5, 4, true));
        let new = |candidates: Vec<Vec<usize>>| DeviceRerank::new(&queries, candidates, &Device::flex());
        let message = new(vec![]).unwrap_err().to_string();
        assert_eq!(message, "0 lists of candidates for the queries; 1 are expected");
        let message = new(vec![vec![7, 8]]).unwrap().finish().unwrap_err().to_string();
        assert_eq!(message, "0 scored candidates; 2 are expected");
        let there = on_device(&documents, &mut random);
        let message = new(vec![vec![7]]).unwrap().add(&[7], &there).unwrap_err().to_string();
        assert_eq!(message, "1 numbers of documents; 3 are expected");
        let wide = on_device(&random.texts(1, 5, 5, true), &mut random);
        assert!(matches!(new(vec![vec![7]]).unwrap().add(&[7], &wide), Err(Error::Dimensions { .. })));

        let (mut query, mut spoilt) = (Packed::new(1), Packed::new(1));
        query.push_values(&[1.0]).unwrap();
        [0.5, f32::NAN].iter().for_each(|&value: &f32| spoilt.push_values(&[value]).unwrap());
        let mut rerank = DeviceRerank::new(&query, vec![vec![3, 9]], &Device::flex()).unwrap();
        rerank.add(&[3, 9], &on_device(&spoilt, &mut random)).unwrap();
        let message = rerank.finish().unwrap_err().to_string();
        assert!(message.starts_with("the score of query 0 with document 1 is NaN"), "{message}");
    }
}
