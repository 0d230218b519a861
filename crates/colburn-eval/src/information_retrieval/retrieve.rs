//! The best documents of each query: a corpus goes through the model and past the queries in tiles, so that memory holds the token ids of
//! a chunk and the vectors of a tile, however large the corpus is. On a GPU vectors stay on the device, which encodes a batch while the host
//! orders the scores of the one before and tokenizes the next chunk.

use std::ops::Range;

use colburn_data::same_id;
use colburn_model::{ColBert, EncodeOptions, Kind, TokenBatch, Tokenizing, ahead};
use colburn_search::{Error as SearchError, ExactSearch, Floor, Hit, Packed, Scoring};

use super::options::RetrievalOptions;
use crate::{
    collection::Collection,
    error::{Error, Result},
    finite::check_finite,
};

/// Texts that are tokenized at once: enough to keep all cores busy.
const TEXTS: usize = 2048;

/// Tokens of the documents that are encoded and scored together on a CPU, about: 8 MiB of vectors of 128 dimensions, and seconds of work.
const TILE: usize = 1 << 14;

/// The best `options.most()` documents of each query by MaxSim as PyLate's evaluator computes it, best first; among equal scores the
/// document that comes first in the corpus. With `ignore_identical_ids`, a document that has the query's id is none of them.
///
/// PyLate pads the documents of a chunk of the corpus with zero vectors to the longest of them, so that no maximum of a shorter one is
/// below 0. How long a document is, skipped tokens left out, is known once the chunk is tokenized; nothing is padded here.
pub(super) fn retrieve(
    collection: &Collection,
    model: &ColBert,
    options: &RetrievalOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Hit>>> {
    retrieve_by(collection, model, options, Scoring::for_device(&model.device()), progress)
}

/// The same with the place of scores: where that is a device, vectors stay there.
pub(super) fn retrieve_by(
    collection: &Collection,
    model: &ColBert,
    options: &RetrievalOptions,
    scoring: Scoring,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Hit>>> {
    let queries = encode_queries(collection, model, options)?;
    let encode = encoding(model, options, Kind::Document)?;
    // One more, because one of them may be the query itself.
    let most = options.most().saturating_add(usize::from(options.ignore_identical_ids));
    let on_device = matches!(scoring, Scoring::Device(_));
    let search = ExactSearch::new(&queries, most)?.scoring(scoring);
    let mut corpus = Corpus { collection, model, encode: &encode, search, done: collection.queries(), progress };
    (corpus.progress)(corpus.done);
    let tokenizing = model.tokenizing(Kind::Document, &encode);
    let mut chunks = (0..collection.documents()).step_by(options.corpus_chunk_size).map(|start| {
        let end = collection.documents().min(start.saturating_add(options.corpus_chunk_size));
        Ok::<_, Error>((start, tokenize(collection, &tokenizing, start..end)?))
    });
    let mut hits = if on_device {
        ahead(chunks, |mut chunks| chunks.try_for_each(|chunk| corpus.add_on_device(chunk?)))?;
        corpus.search.finish().map_err(|error| named(collection, error))?
    } else {
        chunks.try_for_each(|chunk| corpus.add(chunk?))?;
        corpus.search.finish()?
    };
    if options.ignore_identical_ids {
        leave_out_own(collection, &mut hits, options.most())?;
    }
    Ok(hits)
}

/// A corpus on its way past the queries.
struct Corpus<'a> {
    collection: &'a Collection,
    model: &'a ColBert,
    encode: &'a EncodeOptions,
    search: ExactSearch<'a>,
    done: usize,
    progress: &'a mut dyn FnMut(usize),
}

impl Corpus<'_> {
    /// Encodes the documents of a chunk, which begins with the document `start`, and scores them on the host.
    fn add(&mut self, (start, tokens): (usize, TokenBatch)) -> Result<()> {
        let floor = Floor::PaddedTo(longest(&tokens));
        for tile in tiles(&tokens, &self.model.batches(&tokens, self.encode)?) {
            let embeddings = self.model.encode_tokens(&tokens.select(&tile), Kind::Document, self.encode)?;
            let numbers: Vec<usize> = tile.iter().map(|document| start + document).collect();
            let name = |at: usize| Ok(format!("document \"{}\"", self.collection.document_id(numbers[at])?));
            check_finite(&embeddings, name)?;
            self.search.add(&numbers, &Packed::from_embeddings(&embeddings)?, floor)?;
            self.advance(numbers.len());
        }
        Ok(())
    }

    /// The same on the model's device, by which nothing is waited for but the scores of the batch before.
    fn add_on_device(&mut self, (start, tokens): (usize, TokenBatch)) -> Result<()> {
        let floor = Floor::PaddedTo(longest(&tokens));
        for batch in self.model.batches(&tokens, self.encode)? {
            let embeddings = self.model.embed(&tokens.select(&batch), self.encode)?;
            let numbers: Vec<usize> = batch.iter().map(|document| start + document).collect();
            let added = self.search.add_on_device(&numbers, &embeddings, floor);
            added.map_err(|error| named(self.collection, error))?;
            self.advance(numbers.len());
        }
        Ok(())
    }

    fn advance(&mut self, documents: usize) {
        self.done += documents;
        (self.progress)(self.done);
    }
}

/// The error of a document's score with its id in place of its number. Queries were looked at before.
fn named(collection: &Collection, error: SearchError) -> Error {
    match error {
        SearchError::Score { document, .. } => match collection.document_id(document) {
            Ok(id) => Error::NotFinite { text: format!("document \"{id}\"") },
            Err(error) => error,
        },
        error => error.into(),
    }
}

/// Leaves out the document of each query that has its id, and what is more than `most` then.
fn leave_out_own(collection: &Collection, hits: &mut [Vec<Hit>], most: usize) -> Result<()> {
    for (query, hits) in hits.iter_mut().enumerate() {
        let own = collection.query_id(query)?;
        let mut others = Vec::with_capacity(hits.len());
        for hit in hits.drain(..) {
            if !same_id(&own, &collection.document_id(hit.document)?) {
                others.push(hit);
            }
        }
        others.truncate(most);
        *hits = others;
    }
    Ok(())
}

/// Checks that the model takes texts of the lengths in the options, and has the prompts that they name.
pub(super) fn check(model: &ColBert, options: &RetrievalOptions) -> Result<()> {
    for kind in [Kind::Query, Kind::Document] {
        model.tokenize(&[""], kind, &encoding(model, options, kind)?)?;
    }
    Ok(())
}

fn encoding(model: &ColBert, options: &RetrievalOptions, kind: Kind) -> Result<EncodeOptions> {
    let (prompt, name, length) = match kind {
        Kind::Query => (&options.query_prompt, &options.query_prompt_name, options.query_length),
        Kind::Document => (&options.corpus_prompt, &options.corpus_prompt_name, options.document_length),
    };
    let prompt = match name {
        Some(name) => Some(model.prompt(name)?.to_owned()),
        None => prompt.clone(),
    };
    Ok(EncodeOptions { batch_size: options.batch_size, prompt, length, ..Default::default() })
}

fn encode_queries(collection: &Collection, model: &ColBert, options: &RetrievalOptions) -> Result<Packed> {
    let texts = (0..collection.queries()).map(|query| collection.query(query)).collect::<Result<Vec<_>>>()?;
    let encode = encoding(model, options, Kind::Query)?;
    let embeddings = model.encode(&texts, Kind::Query, &encode)?;
    check_finite(&embeddings, |at| Ok(format!("query \"{}\"", collection.query_id(at)?)))?;
    Ok(Packed::from_embeddings(&embeddings)?)
}

/// The token ids of a chunk of the corpus.
fn tokenize(collection: &Collection, tokenizing: &Tokenizing, chunk: Range<usize>) -> Result<TokenBatch> {
    let mut parts = Vec::new();
    for start in chunk.clone().step_by(TEXTS) {
        let texts = (start..chunk.end.min(start + TEXTS))
            .map(|document| collection.document(document))
            .collect::<Result<Vec<_>>>()?;
        parts.push(tokenizing.tokenize(&texts)?);
    }
    Ok(TokenBatch::concat(&parts.iter().collect::<Vec<_>>()))
}

/// The largest number of vectors that a document of a chunk will have.
fn longest(tokens: &TokenBatch) -> usize {
    let kept = |document: usize| tokens.mask[tokens.spans.range(document)].iter().filter(|kept| **kept).count();
    (0..tokens.len()).map(kept).max().unwrap_or(0)
}

/// The documents of a chunk, longest first, in runs of whole batches: batches are of one length, and the largest comes first.
fn tiles(tokens: &TokenBatch, batches: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut tiles: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for batch in batches {
        let size: usize = batch.iter().map(|&document| tokens.spans.length(document)).sum();
        match tiles.last_mut().filter(|_| size <= room) {
            Some(tile) => {
                tile.extend_from_slice(batch);
                room -= size;
            }
            None => {
                tiles.push(batch.clone());
                room = TILE.saturating_sub(size);
            }
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use colburn_ops::Spans;

    use super::*;

    #[test]
    fn tiles_hold_every_document_once_and_not_too_many_tokens() {
        let lengths: Vec<usize> = (0..1000).map(|document| 3 + document * 7 % 300).collect();
        let spans = Spans::from_lengths(&lengths);
        let tokens = TokenBatch {
            ids: vec![0; spans.tokens()],
            mask: vec![true; spans.tokens()],
            floor: vec![false; lengths.len()],
            spans,
        };
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&document| Reverse(lengths[document]));
        for batch_size in [1, 32, 1000, 5000] {
            let batches: Vec<Vec<usize>> = order.chunks(batch_size).map(<[usize]>::to_vec).collect();
            let tiles = tiles(&tokens, &batches);
            let mut all: Vec<usize> = tiles.iter().flatten().copied().collect();
            assert!(all.is_sorted_by_key(|&document| Reverse(lengths[document])));
            let small = |tile: &Vec<usize>| {
                tile.len() <= batch_size || tile.iter().map(|&document| lengths[document]).sum::<usize>() <= TILE
            };
            assert!(tiles.iter().all(small) && tiles.iter().rev().skip(1).all(|tile| tile.len() % batch_size == 0));
            all.sort_unstable();
            assert!(all.into_iter().eq(0..1000));
        }
    }
}
