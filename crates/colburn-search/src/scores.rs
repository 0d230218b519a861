//! MaxSim of every query with every document, on the host or on a device.

use burn::tensor::Device;

use crate::{Error, Packed, Result};

/// Which documents have no maximum below 0: PyLate pads documents with zero vectors before it scores them, up to the longest one of
/// those that it scores together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Floor<'a> {
    /// None: the score of the tokens that there are.
    #[default]
    None,
    /// Those with fewer tokens than this, as if padded to it.
    PaddedTo(usize),
    /// Those marked, one entry a document.
    Marked(&'a [bool]),
}

/// Where scores are computed.
#[derive(Clone, Debug, Default)]
pub enum Scoring {
    /// On all cores of the host.
    #[default]
    Host,
    /// By Burn's operations on a device.
    Device(Device),
}

impl Scoring {
    /// What suits the device of a model: a CPU backend (flex, ndarray) scores on the host, any other by its own operations.
    pub fn for_device(device: &Device) -> Self {
        match colburn_ops::device::name(device) {
            "flex" | "ndarray" => Self::Host,
            _ => Self::Device(device.clone().inner()),
        }
    }

    /// [`scores`], computed here.
    ///
    /// # Errors
    /// As [`scores`].
    pub fn scores(&self, queries: &Packed, documents: &Packed, floor: Floor<'_>) -> Result<Vec<f32>> {
        scores(queries, documents, floor)
    }
}

/// MaxSim of every query with every document, row-major `[queries, documents]`. A query or document without tokens scores 0.
///
/// # Errors
/// When the widths differ.
pub fn scores(queries: &Packed, documents: &Packed, floor: Floor<'_>) -> Result<Vec<f32>> {
    if queries.dim() != documents.dim() && !queries.is_empty() && !documents.is_empty() {
        return Err(Error::Dimensions {
            what: "documents".to_owned(),
            expected: queries.dim(),
            found: documents.dim(),
        });
    }
    let dim = queries.dim();
    let vector = |packed: &Packed, token: usize| packed.values()[token * dim..(token + 1) * dim].to_vec();
    let mut scores = Vec::with_capacity(queries.len() * documents.len());
    for query in 0..queries.len() {
        for document in 0..documents.len() {
            let range = documents.range(document);
            let floored = range.is_empty()
                || match floor {
                    Floor::None => false,
                    Floor::PaddedTo(tokens) => range.len() < tokens,
                    Floor::Marked(marked) => marked[document],
                };
            let best = |token: usize| {
                let query = vector(queries, token);
                let products = range
                    .clone()
                    .map(|token| vector(documents, token).iter().zip(&query).map(|(a, b)| a * b).sum::<f32>());
                products.fold(if floored { 0.0 } else { f32::NEG_INFINITY }, f32::max)
            };
            scores.push(queries.range(query).map(best).sum());
        }
    }
    Ok(scores)
}
