//! The factors of dropout in kernels: by the row of the run, the text that it is of, and the hash.

use std::sync::Arc;

use cubecl::prelude::*;

use super::array::argument;
use super::random::{Wide, factor, key, mix};
use super::texts::{DeviceMasks, Texts};
use crate::batch::Batch;
use crate::masks::RowMasks as HostMasks;

/// The masks of a place in the network for all rows of a run.
pub(crate) type RowMasks = (DeviceMasks, Arc<Texts>);

/// The masks of a batch on its device.
pub(crate) fn on_device(masks: &HostMasks, batch: &mut Batch) -> RowMasks {
    (DeviceMasks::of(masks.by_text(), batch), Texts::of(batch))
}

/// The masks as kernels take them.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct MaskArrays {
    of_row: Box<[u32]>,
    offsets: Box<[u32]>,
    seeds: Box<[u32]>,
    site: u32,
    threshold: u32,
    scale: f32,
}

/// The masks as arguments of a kernel.
pub(crate) fn arguments(masks: Option<&RowMasks>) -> ComptimeOptionArgs<MaskArrays> {
    match masks {
        Some((masks, texts)) => ComptimeOptionArgs::Some(MaskArraysLaunch::new(
            argument(&texts.of_row),
            argument(&texts.offsets),
            argument(&masks.seeds),
            masks.site,
            masks.threshold,
            masks.scale,
        )),
        None => ComptimeOptionArgs::None,
    }
}

/// The masks of a row.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct RowKey {
    key: Wide,
    /// The place of the row's first element in its text.
    first: u32,
    threshold: u32,
    scale: f32,
}

/// The masks of a row, if there are masks.
#[cube]
pub(crate) fn row_key(
    masks: &ComptimeOption<MaskArrays>,
    row: usize,
    #[comptime] width: u32,
) -> ComptimeOption<RowKey> {
    #[comptime]
    match masks {
        ComptimeOption::Some(masks) => {
            let text = masks.of_row[row];
            let first = (row as u32 - masks.offsets[text as usize]) * width;
            let key = key(&masks.seeds, text, masks.site);
            ComptimeOption::new_Some(RowKey { key, first, threshold: masks.threshold, scale: masks.scale })
        }
        ComptimeOption::None => ComptimeOption::new_None(),
    }
}

/// The factors of the elements of a row from a column on. A vector of several elements begins at an even place, so that two share a draw.
#[cube]
pub(crate) fn factors<N: Size>(row: &RowKey, column: u32) -> Vector<f32, N> {
    let element = row.first + column;
    let mut out = Vector::<f32, N>::empty();
    let size = N::value();
    let pairs = comptime!(size / 2);
    if comptime!(pairs == 0) {
        out = Vector::<f32, N>::new(factor(copy(&row.key), element, row.threshold, row.scale));
    }
    #[unroll]
    for pair in 0..pairs {
        let draw = mix(copy(&row.key), Wide { low: (element >> 1) + pair as u32, high: 0u32 });
        out.insert(2 * pair, select(draw.low < row.threshold, 0.0f32, row.scale));
        out.insert(2 * pair + 1, select(draw.high < row.threshold, 0.0f32, row.scale));
    }
    out
}

#[cube]
fn copy(key: &Wide) -> Wide {
    Wide { low: key.low, high: key.high }
}
