//! The texts of a batch on the device: their places, the text of each row, and their seeds of dropout. They are uploaded once a batch.

use std::sync::Arc;

use burn_cubecl::tensor::CubeTensor;

use super::array::{cube_device, upload};
use crate::batch::Batch;
use crate::masks::Masks;

/// The places of the texts.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    /// The first row of each text, and the row behind the last one: `[texts + 1]`.
    pub offsets: CubeTensor,
    /// The text of each row, `[tokens]`.
    pub of_row: CubeTensor,
}

/// The key of the texts in a batch.
#[derive(PartialEq)]
struct TextsKey;

/// The key of the seeds in a batch.
#[derive(PartialEq)]
struct SeedsKey;

/// The masks of one place in the network, as kernels take them.
#[derive(Clone, Debug)]
pub(crate) struct DeviceMasks {
    /// The seed of each text, low half first: `[2 · texts]`.
    pub seeds: Arc<CubeTensor>,
    /// The number of the place.
    pub site: u32,
    /// An element is dropped if its 32 bits are below.
    pub threshold: u32,
    /// The factor of the other elements.
    pub scale: f32,
}

impl Texts {
    /// The texts of this batch.
    pub fn of(batch: &mut Batch) -> Arc<Self> {
        batch.prepared(TextsKey, |spans, device| {
            let device = cube_device(device);
            let texts = 0..spans.len();
            let mut offsets: Vec<u32> = texts.clone().map(|text| spans.range(text).start as u32).collect();
            offsets.push(spans.tokens() as u32);
            let of_row: Vec<u32> = texts.flat_map(|text| spans.range(text).map(move |_| text as u32)).collect();
            Self { offsets: upload(&device, &offsets), of_row: upload(&device, &of_row) }
        })
    }
}

impl DeviceMasks {
    /// The masks on the device of a batch.
    pub fn of(masks: &Masks, batch: &mut Batch) -> Self {
        let seeds = batch.prepared(SeedsKey, |_, device| {
            let halves: Vec<u32> = masks.seeds().iter().flat_map(|&seed| [seed as u32, (seed >> 32) as u32]).collect();
            upload(&cube_device(device), &halves)
        });
        // A probability so near to 1 that it rounds to 1 drops all but one in 2³².
        let threshold = masks.threshold.min(u64::from(u32::MAX)) as u32;
        Self { seeds, site: masks.site() as u32, threshold, scale: masks.scale }
    }
}
