//! Exact search, tile by tile.

use crate::{Error, Floor, Hit, Packed, Result, Scoring, scores};

/// The best `k` documents of each query among all that were shown to it.
#[derive(Debug)]
pub struct ExactSearch<'a> {
    queries: &'a Packed,
    k: usize,
    hits: Vec<Vec<Hit>>,
    scoring: Scoring,
}

impl<'a> ExactSearch<'a> {
    /// A search for the `k` best documents of each query.
    ///
    /// # Errors
    /// When `k` is 0.
    pub fn new(queries: &'a Packed, k: usize) -> Result<Self> {
        if k == 0 {
            let message = "a positive number of documents is expected".to_owned();
            return Err(Error::Argument { name: "k", value: k.to_string(), message });
        }
        Ok(Self { queries, k, hits: vec![Vec::new(); queries.len()], scoring: Scoring::Host })
    }

    /// Where scores are computed; on the host unless said otherwise.
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.scoring = scoring;
        self
    }

    /// Shows documents, numbered as the caller likes; no number should come twice.
    ///
    /// # Errors
    /// When widths or lengths differ, or a score is not finite.
    pub fn add(&mut self, numbers: &[usize], documents: &Packed, floor: Floor<'_>) -> Result<()> {
        let scores = scores(self.queries, documents, floor)?;
        for (query, hits) in self.hits.iter_mut().enumerate() {
            for (at, &document) in numbers.iter().enumerate() {
                hits.push(Hit { document, score: scores[query * numbers.len() + at] });
            }
            hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.document.cmp(&b.document)));
            hits.truncate(self.k);
        }
        Ok(())
    }

    /// The best documents of each query, best first; fewer than `k` where fewer were shown.
    pub fn finish(self) -> Vec<Vec<Hit>> {
        self.hits
    }
}

/// The best `k` of all documents for each query, best first; documents are numbered by their place.
///
/// # Errors
/// As [`ExactSearch::new`] and [`ExactSearch::add`].
pub fn search(queries: &Packed, documents: &Packed, k: usize, floor: Floor<'_>) -> Result<Vec<Vec<Hit>>> {
    let mut search = ExactSearch::new(queries, k)?;
    search.add(&(0..documents.len()).collect::<Vec<_>>(), documents, floor)?;
    Ok(search.finish())
}
