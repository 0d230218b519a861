//! The best documents of each query: a corpus goes through the model and past the queries in tiles, so that memory holds the token ids of
//! a chunk and the vectors of a tile, however large the corpus is.

use std::{cmp::Reverse, ops::Range};

use colburn_data::same_id;
use colburn_model::{ColBert, EncodeOptions, Kind, TokenBatch};
use colburn_search::{ExactSearch, Floor, Hit, Packed, Scoring};

use super::options::RetrievalOptions;
use crate::{collection::Collection, error::Result, finite::check_finite};

/// Texts that are tokenized at once: enough to keep all cores busy.
const TEXTS: usize = 2048;

/// Tokens of the documents that are encoded and scored together, about: 8 MiB of vectors of 128 dimensions, and seconds of work on a CPU.
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
    let queries = encode_queries(collection, model, options)?;
    let encode = encoding(model, options, Kind::Document)?;
    // One more, because one of them may be the query itself.
    let most = options.most().saturating_add(usize::from(options.ignore_identical_ids));
    let mut search = ExactSearch::new(&queries, most)?.scoring(Scoring::for_device(&model.device()));
    let mut done = collection.queries();
    progress(done);
    for start in (0..collection.documents()).step_by(options.corpus_chunk_size) {
        let end = collection.documents().min(start.saturating_add(options.corpus_chunk_size));
        let tokens = tokenize(collection, model, start..end, &encode)?;
        let longest = (0..tokens.len()).map(|document| kept(&tokens, document)).max().unwrap_or(0);
        for tile in tiles(&tokens, options.batch_size) {
            let embeddings = model.encode_tokens(&tokens.select(&tile), Kind::Document, &encode)?;
            let numbers: Vec<usize> = tile.iter().map(|document| start + document).collect();
            check_finite(&embeddings, |at| Ok(format!("document \"{}\"", collection.document_id(numbers[at])?)))?;
            search.add(&numbers, &Packed::from_embeddings(&embeddings)?, Floor::PaddedTo(longest))?;
            done += numbers.len();
            progress(done);
        }
    }
    let mut hits = search.finish();
    if options.ignore_identical_ids {
        leave_out_own(collection, &mut hits, options.most())?;
    }
    Ok(hits)
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
fn tokenize(
    collection: &Collection,
    model: &ColBert,
    chunk: Range<usize>,
    encode: &EncodeOptions,
) -> Result<TokenBatch> {
    let mut parts = Vec::new();
    for start in chunk.clone().step_by(TEXTS) {
        let texts = (start..chunk.end.min(start + TEXTS))
            .map(|document| collection.document(document))
            .collect::<Result<Vec<_>>>()?;
        parts.push(model.tokenize(&texts, Kind::Document, encode)?);
    }
    Ok(TokenBatch::concat(&parts.iter().collect::<Vec<_>>()))
}

/// The number of vectors that a document will have.
fn kept(tokens: &TokenBatch, document: usize) -> usize {
    tokens.mask[tokens.spans.range(document)].iter().filter(|kept| **kept).count()
}

/// The documents of a chunk, longest first, in runs of whole batches: batches are of one length, and the largest comes first.
fn tiles(tokens: &TokenBatch, batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&document| Reverse(tokens.spans.length(document)));
    let mut tiles: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for batch in order.chunks(batch_size) {
        let size: usize = batch.iter().map(|&document| tokens.spans.length(document)).sum();
        match tiles.last_mut().filter(|_| size <= room) {
            Some(tile) => {
                tile.extend_from_slice(batch);
                room -= size;
            }
            None => {
                tiles.push(batch.to_vec());
                room = TILE.saturating_sub(size);
            }
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
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
        for batch_size in [1, 32, 1000, 5000] {
            let tiles = tiles(&tokens, batch_size);
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
