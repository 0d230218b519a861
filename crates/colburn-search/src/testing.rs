//! Helpers of tests: random embeddings, and MaxSim by its definition.

#[cfg(feature = "flex")]
use burn::tensor::{Device, Tensor, TensorData};
#[cfg(feature = "flex")]
use colburn_ops::{Embeddings, Spans};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{Floor, Hit, Packed};

/// A stream of numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below this; slightly uneven, which matters to no test.
    pub fn below(&mut self, count: usize) -> usize {
        (self.0.next_u64() % count as u64) as usize
    }

    /// A value between -1 and 1.
    pub fn value(&mut self) -> f32 {
        self.0.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }

    /// The start and length of a random part of `count` items; it is not empty.
    pub fn part(&mut self, count: usize) -> (usize, usize) {
        let start = self.below(count);
        (start, 1 + self.below(count - start))
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// Texts of 0 to `longest` tokens, a few of them empty. With `whole`, values are small integers, so that sums are exact and many scores are equal.
    pub fn texts(&mut self, count: usize, longest: usize, dim: usize, whole: bool) -> Packed {
        let mut packed = Packed::new(dim);
        for _ in 0..count {
            let tokens = self.below(longest + 1);
            let values = (0..tokens * dim).map(|_| if whole { self.below(3) as f32 - 1.0 } else { self.value() });
            packed.push_values(&values.collect::<Vec<_>>()).expect("whole vectors");
        }
        packed
    }
}

/// Some of the texts, in this order.
pub fn selected(packed: &Packed, texts: &[usize]) -> Packed {
    let mut some = Packed::new(packed.dim());
    for &text in texts {
        some.push_values(text_values(packed, text)).expect("whole vectors");
    }
    some
}

fn text_values(packed: &Packed, text: usize) -> &[f32] {
    let tokens = packed.range(text);
    &packed.values()[tokens.start * packed.dim()..tokens.end * packed.dim()]
}

/// The texts on flex, with tokens between theirs that do not count.
#[cfg(feature = "flex")]
pub fn on_device(packed: &Packed, random: &mut Random) -> Embeddings {
    let (mut values, mut mask, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for text in 0..packed.len() {
        let before = mask.len();
        for vector in text_values(packed, text).chunks_exact(packed.dim()) {
            if random.below(2) == 0 {
                values.extend(vec![9.0; packed.dim()]);
                mask.push(false);
            }
            values.extend_from_slice(vector);
            mask.push(true);
        }
        lengths.push(mask.len() - before);
    }
    let values = TensorData::new(values, [mask.len(), packed.dim()]);
    let values = Tensor::from_data(values, &Device::flex());
    Embeddings { mask, ..Embeddings::new(values, Spans::from_lengths(&lengths)).expect("as many rows as tokens") }
}

/// The definition, in 64 bits.
pub fn slow_scores(queries: &Packed, documents: &Packed, floor: Floor<'_>) -> Vec<f32> {
    let dim = queries.dim();
    let score = |query: usize, document: usize| -> f32 {
        let document_values = text_values(documents, document);
        let tokens = documents.range(document).len();
        let floored = match floor {
            Floor::None => false,
            Floor::PaddedTo(longest) => tokens < longest,
            Floor::Marked(marked) => marked[document],
        };
        let best = |query: &[f32]| -> f64 {
            let product = |document: &[f32]| -> f64 {
                query.iter().zip(document).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            let products = document_values.chunks_exact(dim).map(product);
            let least = if floored || tokens == 0 { 0.0 } else { f64::NEG_INFINITY };
            products.fold(least, f64::max)
        };
        text_values(queries, query).chunks_exact(dim).map(best).sum::<f64>() as f32
    };
    (0..queries.len()).flat_map(|query| (0..documents.len()).map(move |document| score(query, document))).collect()
}

/// The best of all scores by sorting them.
pub fn slow_search(scores: &[f32], queries: usize, documents: usize, k: usize) -> Vec<Vec<Hit>> {
    let best = |query: usize| {
        let hit = |document: usize| Hit { document, score: scores[query * documents + document] };
        let mut hits: Vec<Hit> = (0..documents).map(hit).collect();
        hits.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("numbers").then(a.document.cmp(&b.document)));
        hits.truncate(k);
        hits
    };
    (0..queries).map(best).collect()
}

/// Within 1e-5 of the largest that numbers of this size can have.
pub fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "number of scores");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "score {at}: {found}, expected {expected}");
    }
}
