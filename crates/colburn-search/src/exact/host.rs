//! MaxSim on all cores of the host, tile by tile.
//!
//! A tile is a band of queries with a group of documents, and a task of one thread. The thread multiplies one piece of the documents' tokens
//! after the other with the band's tokens, and raises a running maximum per query token. So it holds the products of one piece only, however
//! large the corpus and however long a document. The running maximum keeps a NaN, so a NaN among the values reaches the score (`raise`).
//! Scores do not depend on the cut of the tiles or on the threads: a product is the same in every tile, the order of a maximum does not
//! matter, and a query's maxima are added in the order of its tokens.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    floor::Floor,
    products::{Transposed, raise},
};
use crate::Packed;

/// The sizes of tiles. A block and its products with a piece should fit in the L2 cache of a core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// Query tokens that are multiplied at once.
    pub block: usize,
    /// Document tokens that are multiplied at once.
    pub piece: usize,
    /// Document tokens of a tile, approximately.
    pub group: usize,
}

impl Default for Tiling {
    fn default() -> Self {
        Self { block: 256, piece: 256, group: 2048 }
    }
}

/// Queries, prepared for any number of documents.
#[derive(Debug)]
pub(crate) struct Queries {
    bands: Vec<Band>,
    count: usize,
    tiling: Tiling,
}

/// Neighbouring queries with about as many tokens as a block has, or one query that has more.
#[derive(Debug)]
struct Band {
    queries: Range<usize>,
    blocks: Vec<Block>,
}

/// Tokens of a band that are multiplied at once.
#[derive(Debug)]
struct Block {
    transposed: Transposed,
    /// The queries with tokens here, counted within the band, and the position of these tokens in the block.
    parts: Vec<(usize, Range<usize>)>,
}

/// The buffers of a thread.
#[derive(Default)]
struct Scratch {
    products: Vec<f32>,
    best: Vec<f32>,
}

impl Queries {
    pub fn new(queries: &Packed, tiling: Tiling) -> Self {
        // Bands of about the same size: the products of a small last band would run at half the speed.
        let bands = queries.tokens().div_ceil(tiling.block);
        let band = |&query: &usize| queries.range(query).start * bands / queries.tokens().max(1);
        let all: Vec<usize> = (0..queries.len()).collect();
        let bands: Vec<&[usize]> = all.chunk_by(|one, next| band(one) == band(next)).collect();
        let band = |band: &&[usize]| Band::new(queries, band[0]..band[0] + band.len(), tiling.block);
        Self { bands: bands.par_iter().map(band).collect(), count: queries.len(), tiling }
    }

    /// The scores with some of the documents, row-major `[queries, documents]`. The widths are the same.
    pub fn scores(&self, documents: &Packed, range: Range<usize>, floor: Floor<'_>) -> Vec<f32> {
        let groups = groups(documents, range.clone(), self.tiling.group);
        // Group after group, so that its tokens are still in the cache for the next band.
        let tiles: Vec<(&Range<usize>, &Band)> =
            groups.iter().flat_map(|group| self.bands.iter().map(move |band| (group, band))).collect();
        let score = |scratch: &mut Scratch, &(group, band): &(&Range<usize>, &Band)| {
            band.scores(documents, group.clone(), floor, self.tiling.piece, scratch)
        };
        let found: Vec<Vec<f32>> = tiles.par_iter().map_init(Scratch::default, score).collect();
        let mut scores = vec![0.0; self.count * range.len()];
        for ((group, band), found) in tiles.into_iter().zip(found) {
            for (query, found) in band.queries.clone().zip(found.chunks_exact(group.len())) {
                let start = query * range.len() + group.start - range.start;
                scores[start..start + group.len()].copy_from_slice(found);
            }
        }
        scores
    }
}

impl Band {
    fn new(packed: &Packed, queries: Range<usize>, block: usize) -> Self {
        let (tokens, dim) = (span(packed, &queries), packed.dim());
        // A band may have one query more than a block. It is cut only if it has half a block more.
        let size = tokens.len().div_ceil(tokens.len().div_ceil(block + block / 2).max(1)).max(1);
        let block = |start: usize| {
            let tokens = start..tokens.end.min(start + size);
            let part = |(at, query): (usize, usize)| {
                let query = packed.range(query);
                let part = query.start.max(tokens.start)..query.end.min(tokens.end);
                (!part.is_empty()).then(|| (at, part.start - tokens.start..part.end - tokens.start))
            };
            let transposed = Transposed::new(&packed.values()[tokens.start * dim..tokens.end * dim], dim);
            Block { transposed, parts: queries.clone().enumerate().filter_map(part).collect() }
        };
        let blocks = tokens.clone().step_by(size).map(block).collect();
        Self { queries, blocks }
    }

    /// Row-major, `[queries of the band, documents]`.
    fn scores(
        &self,
        documents: &Packed,
        range: Range<usize>,
        floor: Floor<'_>,
        piece: usize,
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let mut scores = vec![0.0; self.queries.len() * range.len()];
        for block in &self.blocks {
            block.add(documents, range.clone(), floor, piece, scratch, &mut scores);
        }
        scores
    }
}

impl Block {
    /// Adds the maxima of the tokens of this block to the scores of their queries.
    fn add(
        &self,
        documents: &Packed,
        range: Range<usize>,
        floor: Floor<'_>,
        size: usize,
        scratch: &mut Scratch,
        scores: &mut [f32],
    ) {
        let (rows, dim, all) = (self.transposed.rows(), documents.dim(), span(documents, &range));
        let Scratch { products, best } = scratch;
        products.resize(self.transposed.room(size.min(all.len())).max(products.len()), 0.0);
        best.resize(rows, 0.0);
        // The tokens whose products are in the buffer.
        let mut piece = all.start..all.start;
        for (at, document) in range.clone().enumerate() {
            let tokens = documents.range(document);
            if tokens.is_empty() {
                continue;
            }
            best.fill(if floor.lifts(document, tokens.len()) { 0.0 } else { f32::NEG_INFINITY });
            let mut next = tokens.start;
            while next < tokens.end {
                if next == piece.end {
                    piece = next..all.end.min(next + size);
                    self.transposed.products(&documents.values()[piece.start * dim..piece.end * dim], products);
                }
                let end = tokens.end.min(piece.end);
                raise(best, &products[(next - piece.start) * rows..(end - piece.start) * rows]);
                next = end;
            }
            for (query, part) in &self.parts {
                let score = &mut scores[query * range.len() + at];
                *score = best[part.clone()].iter().fold(*score, |score, best| score + best);
            }
        }
    }
}

/// Groups of neighbouring texts with at most this many tokens, or of one text that has more. Each text counts one extra token, so the number
/// of empty texts is bounded too.
fn groups(packed: &Packed, texts: Range<usize>, tokens: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut room = 0;
    for text in texts {
        let needed = packed.range(text).len() + 1;
        match groups.last_mut() {
            Some(group) if needed <= room => group.end = text + 1,
            _ => {
                room = tokens.max(needed);
                groups.push(text..text + 1);
            }
        }
        room -= needed;
    }
    groups
}

/// The tokens of neighbouring texts, at least one.
fn span(packed: &Packed, texts: &Range<usize>) -> Range<usize> {
    packed.range(texts.start).start..packed.range(texts.end - 1).end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, slow_scores};

    fn bits(scores: &[f32]) -> Vec<u32> {
        scores.iter().map(|score| score.to_bits()).collect()
    }

    #[test]
    fn equal_those_of_the_definition_and_each_other_to_the_bit_in_tiles_of_any_size() {
        let mut random = Random::new(4);
        for round in 0..150 {
            let dim = [1, 2, 7, 16, 128][round % 5];
            let (queries, documents) = (random.below(9), random.below(16));
            let (longest, longer) = ([0, 1, 5, 40][random.below(4)], [0, 1, 9, 70][random.below(4)]);
            let (queries, documents) =
                (random.texts(queries, longest, dim, false), random.texts(documents, longer, dim, false));
            let marked: Vec<bool> = (0..documents.len()).map(|_| random.below(2) == 0).collect();
            for floor in [Floor::None, Floor::PaddedTo(random.below(72)), Floor::Marked(&marked)] {
                let of = |tiling| Queries::new(&queries, tiling).scores(&documents, 0..documents.len(), floor);
                let whole = of(Tiling::default());
                assert_close(&whole, &slow_scores(&queries, &documents, floor));
                let tiling =
                    Tiling { block: 1 + random.below(50), piece: 1 + random.below(50), group: 1 + random.below(100) };
                assert_eq!(bits(&of(tiling)), bits(&whole), "{tiling:?}, dim {dim}");
            }
        }
    }

    #[test]
    fn are_the_same_on_any_number_of_threads_and_with_any_neighbours() {
        let mut random = Random::new(5);
        let (queries, documents) = (random.texts(20, 32, 24, false), random.texts(60, 100, 24, false));
        let tiling = Tiling { block: 64, piece: 40, group: 200 };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Queries::new(&queries, tiling).scores(&documents, 0..60, Floor::PaddedTo(50)))
        };
        let one = on(1);
        assert!([2, 3, 8].map(on).iter().all(|scores| bits(scores) == bits(&one)));
        let ready = Queries::new(&queries, tiling);
        for _ in 0..20 {
            let (start, count) = random.part(60);
            let part = ready.scores(&documents, start..start + count, Floor::PaddedTo(50));
            let expected: Vec<f32> = one.chunks_exact(60).flat_map(|row| row[start..start + count].to_vec()).collect();
            assert_eq!(bits(&part), bits(&expected));
        }
    }

    #[test]
    fn one_text_may_be_larger_than_any_tile() {
        let mut random = Random::new(6);
        let mut long = |tokens: usize| {
            let mut packed = Packed::new(3);
            packed.push_values(&random.values(tokens * 3)).unwrap();
            packed
        };
        let (query, document) = (long(700), long(5000));
        let found =
            Queries::new(&query, Tiling { block: 64, piece: 48, group: 96 }).scores(&document, 0..1, Floor::None);
        assert_close(&found, &slow_scores(&query, &document, Floor::None));
    }
}
