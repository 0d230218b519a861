//! The tiles of a batch on the device. They are uploaded once a batch, and the same for all layers.

use std::cmp::Reverse;
use std::sync::Arc;

use burn_cubecl::tensor::CubeTensor;

use super::scores::{PLANNED, RECORD};
use crate::attention::RelativeBias;
use crate::batch::Batch;
use crate::cube::array::{cube_device, upload};
use crate::masks::Masks;

/// The tiles, and the buckets of a bias by distance.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each tile the first row of its text, the number of rows and of keys of the text, the first row of the tile in the text, and the two
    /// halves of the text's seed. Behind them the bucket of each distance, from the least on, which is 1 less the longest length.
    pub numbers: CubeTensor,
    pub tiles: usize,
    /// The length of the longest text.
    pub longest: usize,
}

/// The key of a plan in a batch.
#[derive(PartialEq)]
struct PlanKey {
    dropped: bool,
    /// The function of the buckets.
    buckets: Option<usize>,
}

impl Plan {
    /// The plan of this batch, with the seeds of dropout if there are masks.
    pub fn of(batch: &mut Batch, masks: Option<&Masks>, bias: Option<&RelativeBias>) -> Arc<Self> {
        let key = PlanKey { dropped: masks.is_some(), buckets: bias.map(RelativeBias::function) };
        batch.prepared(key, |spans, device| {
            let mut texts: Vec<usize> = (0..spans.len()).collect();
            // Long texts take long: they come first.
            texts.sort_by_key(|&text| Reverse(spans.length(text)));
            let mut numbers: Vec<u32> = Vec::new();
            for text in texts {
                let seed = masks.map_or(0, |masks| masks.seeds()[text]);
                for first in (0..spans.length(text)).step_by(PLANNED) {
                    let (start, length, keys) = (spans.range(text).start, spans.length(text), spans.keys(text));
                    numbers.extend([start, length, keys, first].map(|number| number as u32));
                    numbers.extend([seed as u32, (seed >> 32) as u32]);
                }
            }
            let (tiles, longest) = (numbers.len() / RECORD, spans.max_length());
            if let Some(bias) = bias {
                let farthest = longest as i64 - 1;
                numbers.extend((-farthest..=farthest).map(|distance| (bias.bucket)(distance) as u32));
            }
            Self { numbers: upload(&cube_device(device), &numbers), tiles, longest }
        })
    }
}
