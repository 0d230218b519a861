//! Search in an index: tiles of the mapped segments go through [`ExactSearch`].

use colburn_model::TokenEmbeddings;
use rayon::prelude::*;

use super::{ids::DocumentPlace, persistent::Index, segment::Segment};
use crate::exact::{ExactSearch, Floor, Hit, Scoring};
use crate::{Error, Packed, RerankResult, Result};

/// Tokens of a tile: 16 MiB as f32 of width 128.
const TILE_TOKENS: usize = 1 << 15;
/// The largest number of documents of a tile.
const TILE_DOCUMENTS: usize = 1 << 12;

/// The options of a search in an index.
#[derive(Clone, Debug, Default)]
pub struct SearchOptions<'a> {
    /// Only among these documents.
    pub within: Option<&'a [String]>,
    /// Scores as if documents were padded with zero vectors to this many tokens, as PyLate pads those that it scores together: the maxima of a
    /// shorter document are at least 0. By default a score is that of the existing tokens.
    pub padded_to: Option<usize>,
    /// The place where scores are computed; the default is the host.
    pub scoring: Scoring,
}

/// Refuses queries of another width or with values that are not finite.
pub(crate) fn check_queries(queries: &Packed, dim: usize) -> Result<()> {
    if !queries.is_empty() && queries.dim() != dim {
        return Err(Error::Dimensions { what: "queries".to_owned(), expected: dim, found: queries.dim() });
    }
    match queries.values().iter().find(|value| !value.is_finite()) {
        Some(value) => {
            let message = "embeddings of finite numbers are expected".to_owned();
            Err(Error::Argument { name: "queries", value: value.to_string(), message })
        }
        None => Ok(()),
    }
}

impl Index {
    /// The best `k` documents of each query, best first; among equal scores the one that was added first. There are fewer if the
    /// index has fewer. Memory is needed for the queries and a tile of the index.
    ///
    /// # Errors
    /// When `k` is 0, widths differ, or values are not finite.
    pub fn search(&self, queries: &Packed, k: usize) -> Result<Vec<Vec<RerankResult<String>>>> {
        self.search_with(queries, k, &SearchOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Index::search`], and when a document to be searched is not in the index.
    pub fn search_with(
        &self,
        queries: &Packed,
        k: usize,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Vec<RerankResult<String>>>> {
        check_queries(queries, self.dim())?;
        let mut search = ExactSearch::new(queries, k)?.scoring(options.scoring.clone());
        let numbers = DocumentNumbers::new(self);
        let floor = options.padded_to.map_or(Floor::None, Floor::PaddedTo);
        let mut places: Box<dyn Iterator<Item = DocumentPlace>> = match options.within {
            Some(ids) => {
                let mut places = self.find_all(ids)?;
                places.sort_unstable();
                places.dedup();
                Box::new(places.into_iter())
            }
            None => Box::new(self.places()),
        };
        loop {
            let tile = self.tile(&mut places);
            if tile.is_empty() {
                break;
            }
            let texts: Vec<TokenEmbeddings> =
                tile.par_iter().map(|&place| self.finite(place)).collect::<Result<_>>()?;
            let documents = Packed::from_embeddings(&texts)?;
            drop(texts);
            let numbered: Vec<usize> = tile.iter().map(|&place| numbers.of(place)).collect();
            search.add(&numbered, &documents, floor)?;
        }
        let result = |hit: &Hit| RerankResult { id: self.id(numbers.place(hit.document)).to_owned(), score: hit.score };
        Ok(search.finish()?.iter().map(|hits| hits.iter().map(result).collect()).collect())
    }

    /// The vectors of documents, as they are stored.
    ///
    /// # Errors
    /// When some are not in the index, or are damaged.
    pub fn get<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<TokenEmbeddings>> {
        self.find_all(ids)?.into_iter().map(|place| self.finite(place)).collect()
    }

    /// The documents of the next tile; at least one if any is left.
    fn tile(&self, places: &mut impl Iterator<Item = DocumentPlace>) -> Vec<DocumentPlace> {
        let (mut tile, mut tokens) = (Vec::new(), 0);
        while tokens < TILE_TOKENS && tile.len() < TILE_DOCUMENTS {
            let Some(place) = places.next() else { break };
            tokens += self.segments[place.0 as usize].tokens(place.1 as usize);
            tile.push(place);
        }
        tile
    }

    /// The vectors of a document. Only finite values were stored, so any other value is damage.
    fn finite(&self, place: DocumentPlace) -> Result<TokenEmbeddings> {
        let text = self.segments[place.0 as usize].embeddings(place.1 as usize);
        if text.values.iter().all(|value| value.is_finite()) {
            return Ok(text);
        }
        let message = format!("damaged: the vectors of document {:?} are not finite", self.id(place));
        Err(Error::index(self.directory.join(&self.manifest.segments[place.0 as usize].file), message))
    }
}

/// The numbers of documents, in the order in which they were added, and their places.
struct DocumentNumbers {
    /// The number of each segment's first document.
    starts: Vec<usize>,
}

impl DocumentNumbers {
    fn new(index: &Index) -> Self {
        let start = |end: &mut usize, documents: usize| Some(std::mem::replace(end, *end + documents));
        Self { starts: index.segments.iter().map(Segment::documents).scan(0, start).collect() }
    }

    fn of(&self, (segment, document): DocumentPlace) -> usize {
        self.starts[segment as usize] + document as usize
    }

    fn place(&self, number: usize) -> DocumentPlace {
        let segment = self.starts.partition_point(|&start| start <= number).saturating_sub(1);
        (segment as u32, (number - self.starts[segment]) as u32)
    }
}
