//! MaxSim on a device, tile by tile.
//!
//! The queries stay on the device, in bands. Documents of the host are copied to it a tile at a time; those of similar length share a tile,
//! because a device without kernels pads all documents of a tile to the longest. Documents that are on the device already are one tile. The
//! copies of the scores are queued at once and read later, so that the device goes on with the next documents meanwhile.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use colburn_ops::{Embeddings, LateNumbers, MaskRule, Spans, device::name, maxsim, squared_norm};

use super::floor::Floor;
use crate::{Error, Packed, Result};

/// The sizes of tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// Query tokens of a band, or of one query that has more.
    pub band: usize,
    /// Products of a band with a tile, or with one document that has more.
    pub products: usize,
}

impl Tiling {
    /// The sizes for a device: kernels keep no products, Burn's operations a few copies of them.
    pub fn of(device: &Device) -> Self {
        match name(device) {
            "cuda" | "wgpu" => Self { band: 1 << 14, products: 1 << 29 },
            // 64 MiB of products.
            _ => Self { band: 2048, products: 1 << 24 },
        }
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

/// Scores on their way to the host.
#[derive(Debug)]
pub(crate) struct LateScores {
    tiles: Vec<Tile>,
    /// Number of documents.
    documents: usize,
    soundness: Soundness,
}

/// The scores of some documents.
#[derive(Debug)]
struct Tile {
    documents: Vec<usize>,
    /// Of each band its queries and, row-major, the scores of each with each document.
    bands: Vec<(Range<usize>, LateNumbers)>,
}

/// The documents with values that are not finite.
#[derive(Debug)]
enum Soundness {
    /// True for the others.
    Known(Vec<bool>),
    /// Documents on the device, and the sum of the squares of all of their values.
    Late(Box<(Embeddings, LateNumbers)>),
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

    /// Begins the scores with some of the documents. The widths are the same.
    pub fn begin(&self, documents: &Packed, range: Range<usize>, floor: Floor<'_>) -> Result<LateScores> {
        let tokens = |&document: &usize| documents.range(document).len();
        let mut order: Vec<usize> = range.clone().filter(|document| tokens(document) > 0).collect();
        order.sort_by_key(|document| std::cmp::Reverse(tokens(document)));
        let mut tiles = Vec::new();
        let mut rest = order.as_slice();
        while let Some(longest) = rest.first() {
            let (tile, behind) = rest.split_at((self.width / tokens(longest)).clamp(1, rest.len()));
            let mut embedded = embeddings(documents, tile, &self.device)?;
            embedded.floor = tile.iter().map(|document| floor.lifts(*document, tokens(document))).collect();
            let places = tile.iter().map(|document| document - range.start).collect();
            tiles.push(self.tile(places, &embedded)?);
            rest = behind;
        }
        let sound = range.clone().map(|document| finite(documents, document)).collect();
        Ok(LateScores { tiles, documents: range.len(), soundness: Soundness::Known(sound) })
    }

    /// Begins the scores with documents that are on the device. Their tokens that do not count are left out, and their floors are given here.
    /// The widths are the same.
    pub fn begin_on_device(&self, documents: &Embeddings, floor: Floor<'_>) -> Result<LateScores> {
        let mut documents = documents.clone().counting();
        let lengths: Vec<usize> = documents.spans.lengths().collect();
        documents.floor = lengths.iter().enumerate().map(|(at, &tokens)| floor.lifts(at, tokens)).collect();
        documents.values = documents.values.inner();
        if documents.values.device() != self.device {
            documents.values = documents.values.to_device(&self.device);
        }
        let count = documents.len();
        if documents.spans.tokens() == 0 {
            let soundness = Soundness::Known(vec![true; count]);
            return Ok(LateScores { tiles: Vec::new(), documents: count, soundness });
        }
        let tiles = vec![self.tile((0..count).collect(), &documents)?];
        let norm = LateNumbers::new(squared_norm(documents.values.clone()));
        Ok(LateScores { tiles, documents: count, soundness: Soundness::Late(Box::new((documents, norm))) })
    }

    fn tile(&self, documents: Vec<usize>, embedded: &Embeddings) -> Result<Tile> {
        let scores = |(queries, band): &(Range<usize>, Embeddings)| {
            Ok((queries.clone(), LateNumbers::new(maxsim(band, embedded, MaskRule::Zero)?)))
        };
        Ok(Tile { documents, bands: self.bands.iter().map(scores).collect::<Result<_>>()? })
    }

    /// The scores, row-major `[queries, documents]`. Those of texts with values that are not finite are NaN, because devices differ in the
    /// maximum of a NaN.
    pub fn read(&self, late: LateScores) -> Result<Vec<f32>> {
        let count = late.documents;
        let mut scores = vec![0.0; self.finite.len() * count];
        for tile in late.tiles {
            for (queries, found) in tile.bands {
                let found = found.read().map_err(Error::Device)?;
                for (query, found) in queries.zip(found.chunks_exact(tile.documents.len())) {
                    for (document, score) in tile.documents.iter().zip(found) {
                        scores[query * count + document] = *score;
                    }
                }
            }
        }
        let sound = late.soundness.read()?;
        if !self.finite.iter().chain(&sound).all(|&sound| sound) {
            for (at, score) in scores.iter_mut().enumerate() {
                let (query, document) = (at / count, at % count);
                if !(self.finite[query] && sound[document]) {
                    *score = f32::NAN;
                }
            }
        }
        Ok(scores)
    }
}

impl Soundness {
    /// True for the documents all of whose values are finite.
    fn read(self) -> Result<Vec<bool>> {
        match self {
            Self::Known(sound) => Ok(sound),
            Self::Late(late) => {
                let (documents, norm) = *late;
                let norm = norm.read().map_err(Error::Device)?;
                // A norm of finite values is not finite only where they are far from those of an encoder. Then each is looked at.
                if norm.iter().all(|norm| norm.is_finite()) {
                    return Ok(vec![true; documents.len()]);
                }
                let documents = Packed::from_device(&documents)?;
                Ok((0..documents.len()).map(|document| finite(&documents, document)).collect())
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

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, on_device, slow_scores};

    const TILING: Tiling = Tiling { band: 2048, products: 1 << 24 };

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
                let expected = slow_scores(&queries, &documents, floor);
                let found = ready.read(ready.begin(&documents, 0..documents.len(), floor).unwrap()).unwrap();
                assert_close(&found, &expected);
                let there = on_device(&documents, &mut random);
                let found = ready.read(ready.begin_on_device(&there, floor).unwrap()).unwrap();
                assert_close(&found, &expected);
            }
        }
    }

    #[test]
    fn of_a_part_of_the_documents() {
        let mut random = Random::new(12);
        let (queries, documents) = (random.texts(3, 4, 7, false), random.texts(9, 5, 7, false));
        let marked: Vec<bool> = (0..9).map(|at| at % 2 == 0).collect();
        let ready = Queries::new(&queries, &Device::flex(), TILING).unwrap();
        let whole = slow_scores(&queries, &documents, Floor::Marked(&marked));
        let expected: Vec<f32> = whole.chunks_exact(9).flat_map(|row| row[4..8].to_vec()).collect();
        let found = ready.begin(&documents, 4..8, Floor::Marked(&marked)).unwrap();
        assert_close(&ready.read(found).unwrap(), &expected);
    }

    #[test]
    fn a_nan_or_infinity_spoils_the_scores_of_its_text() {
        let (mut queries, mut documents) = (Packed::new(1), Packed::new(1));
        [1.0, 2.0].iter().for_each(|&value: &f32| queries.push_values(&[value]).unwrap());
        for values in [[1.0, 2.0], [1.0, f32::NAN], [3.0, f32::NEG_INFINITY]] {
            documents.push_values(&values).unwrap();
        }
        let ready = Queries::new(&queries, &Device::flex(), TILING).unwrap();
        let there = on_device(&documents, &mut Random::new(13));
        for late in [ready.begin(&documents, 0..3, Floor::None), ready.begin_on_device(&there, Floor::None)] {
            let found = ready.read(late.unwrap()).unwrap();
            assert_eq!([found[0], found[3]], [2.0, 4.0]);
            assert!([1, 2, 4, 5].iter().all(|&at: &usize| found[at].is_nan()), "{found:?}");
        }
    }

    /// Finite values the sum of whose squares is not.
    #[test]
    fn large_values_are_no_error() {
        let (mut queries, mut documents) = (Packed::new(1), Packed::new(1));
        queries.push_values(&[0.5]).unwrap();
        documents.push_values(&[f32::MAX, f32::MAX]).unwrap();
        let ready = Queries::new(&queries, &Device::flex(), TILING).unwrap();
        let there = on_device(&documents, &mut Random::new(1));
        let late = ready.begin_on_device(&there, Floor::None).unwrap();
        assert_eq!(ready.read(late).unwrap(), [0.5 * f32::MAX]);
    }
}
