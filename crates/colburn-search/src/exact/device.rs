//! MaxSim by Burn's operations on a device, tile by tile.
//!
//! The queries stay on the device, in bands. Documents are copied to it a tile at a time; those of similar length share a tile, because all
//! documents of a tile are padded to the longest. The products of a band with a tile bound the memory.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use colburn_ops::{Embeddings, MaskRule, Spans, maxsim};

use super::floor::Floor;
use crate::{Error, Packed, Result};

/// The sizes of tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// Query tokens of a band, or of one query that has more.
    pub band: usize,
    /// Products of a band with a tile, or with one document that has more. Burn holds a few copies of them while it computes.
    pub products: usize,
}

impl Default for Tiling {
    fn default() -> Self {
        // 64 MiB of products.
        Self { band: 2048, products: 1 << 24 }
    }
}

/// Queries on their device.
#[derive(Debug)]
pub(crate) struct Queries {
    bands: Vec<(Range<usize>, Embeddings)>,
    /// True if all values of a query are finite.
    finite: Vec<bool>,
    device: Device,
    /// Document tokens of a tile.
    width: usize,
}

impl Queries {
    pub fn new(queries: &Packed, device: &Device, tiling: Tiling) -> Result<Self> {
        let all: Vec<usize> = (0..queries.len()).collect();
        let mut bands = Vec::new();
        let (mut start, mut largest) = (0, 1);
        while start < queries.len() {
            let fits = |&&query: &&usize| queries.range(query).end - queries.range(start).start <= tiling.band;
            let count = all[start..].iter().take_while(fits).count().max(1);
            let band = start..start + count;
            let tokens = band.clone().map(|query| queries.range(query).len()).sum::<usize>();
            // Not every backend has tensors without elements; without tokens the scores stay 0.
            if tokens > 0 {
                largest = largest.max(tokens);
                bands.push((band, embeddings(queries, &all[start..start + count], device)?));
            }
            start += count;
        }
        let finite = all.iter().map(|&query| finite(queries, query)).collect();
        Ok(Self { bands, finite, device: device.clone(), width: tiling.products / largest })
    }

    /// The scores with some of the documents, row-major `[queries, documents]`. The widths are the same.
    pub fn scores(&self, documents: &Packed, range: Range<usize>, floor: Floor<'_>) -> Result<Vec<f32>> {
        let tokens = |&document: &usize| documents.range(document).len();
        let mut order: Vec<usize> = range.clone().filter(|document| tokens(document) > 0).collect();
        order.sort_by_key(|document| std::cmp::Reverse(tokens(document)));
        let mut scores = vec![0.0; self.finite.len() * range.len()];
        let mut rest = order.as_slice();
        while let Some(longest) = rest.first() {
            let (tile, behind) = rest.split_at((self.width / tokens(longest)).clamp(1, rest.len()));
            let mut embedded = embeddings(documents, tile, &self.device)?;
            embedded.floor = tile.iter().map(|document| floor.lifts(*document, tokens(document))).collect();
            for (queries, band) in &self.bands {
                let found = read(maxsim(band, &embedded, MaskRule::Zero)?)?;
                for (query, found) in queries.clone().zip(found.chunks_exact(tile.len())) {
                    for (document, score) in tile.iter().zip(found) {
                        scores[query * range.len() + document - range.start] = *score;
                    }
                }
            }
            rest = behind;
        }
        self.mark(documents, range, &mut scores);
        Ok(scores)
    }

    /// Sets the scores of texts with values that are not finite to NaN, because devices differ in the maximum of a NaN.
    fn mark(&self, documents: &Packed, range: Range<usize>, scores: &mut [f32]) {
        let sound: Vec<bool> = range.clone().map(|document| finite(documents, document)).collect();
        if self.finite.iter().chain(&sound).all(|&sound| sound) {
            return;
        }
        for (at, score) in scores.iter_mut().enumerate() {
            let (query, document) = (at / range.len(), at % range.len());
            if !(self.finite[query] && sound[document]) {
                *score = f32::NAN;
            }
        }
    }
}

/// True if all values of a text are finite.
fn finite(packed: &Packed, text: usize) -> bool {
    values(packed, text).iter().all(|value| value.is_finite())
}

fn values(packed: &Packed, text: usize) -> &[f32] {
    let tokens = packed.range(text);
    &packed.values()[tokens.start * packed.dim()..tokens.end * packed.dim()]
}

/// Some texts on the device. All tokens count.
fn embeddings(packed: &Packed, texts: &[usize], device: &Device) -> Result<Embeddings> {
    let lengths: Vec<usize> = texts.iter().map(|&text| packed.range(text).len()).collect();
    let spans = Spans::from_lengths(&lengths);
    let all: Vec<f32> = texts.iter().flat_map(|&text| values(packed, text)).copied().collect();
    let tensor = Tensor::from_data(TensorData::new(all, [spans.tokens(), packed.dim()]), device);
    Ok(Embeddings::new(tensor, spans)?)
}

fn read(scores: Tensor<2>) -> Result<Vec<f32>> {
    let data = scores.try_into_data_as::<f32>().map_err(|error| Error::Device(error.to_string()))?;
    data.try_into_vec::<f32>().map_err(|error| Error::Device(format!("{error:?}")))
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, slow_scores};

    #[test]
    fn equal_those_of_the_definition_in_tiles_of_any_size() {
        let (mut random, device) = (Random::new(11), Device::flex());
        for round in 0..40 {
            let dim = [1, 7, 16, 128][round % 4];
            let (queries, documents) = (random.below(6), random.below(12));
            let (queries, documents) = (random.texts(queries, 5, dim, false), random.texts(documents, 9, dim, false));
            let marked: Vec<bool> = (0..documents.len()).map(|_| random.below(2) == 0).collect();
            let tiling = Tiling { band: 1 + random.below(20), products: 1 + random.below(200) };
            let ready = Queries::new(&queries, &device, tiling).unwrap();
            for floor in [Floor::None, Floor::PaddedTo(random.below(11)), Floor::Marked(&marked)] {
                let found = ready.scores(&documents, 0..documents.len(), floor).unwrap();
                assert_close(&found, &slow_scores(&queries, &documents, floor));
            }
        }
    }

    #[test]
    fn of_a_part_of_the_documents() {
        let mut random = Random::new(12);
        let (queries, documents) = (random.texts(3, 4, 7, false), random.texts(9, 5, 7, false));
        let marked: Vec<bool> = (0..9).map(|at| at % 2 == 0).collect();
        let ready = Queries::new(&queries, &Device::flex(), Tiling::default()).unwrap();
        let whole = slow_scores(&queries, &documents, Floor::Marked(&marked));
        let expected: Vec<f32> = whole.chunks_exact(9).flat_map(|row| row[4..8].to_vec()).collect();
        assert_close(&ready.scores(&documents, 4..8, Floor::Marked(&marked)).unwrap(), &expected);
    }

    #[test]
    fn a_nan_or_infinity_spoils_the_scores_of_its_text() {
        let (mut queries, mut documents) = (Packed::new(1), Packed::new(1));
        [1.0, 2.0].iter().for_each(|&value: &f32| queries.push_values(&[value]).unwrap());
        for values in [[1.0, 2.0], [1.0, f32::NAN], [3.0, f32::NEG_INFINITY]] {
            documents.push_values(&values).unwrap();
        }
        let ready = Queries::new(&queries, &Device::flex(), Tiling::default()).unwrap();
        let found = ready.scores(&documents, 0..3, Floor::None).unwrap();
        assert_eq!([found[0], found[3]], [2.0, 4.0]);
        assert!([1, 2, 4, 5].iter().all(|&at: &usize| found[at].is_nan()), "{found:?}");
    }
}
