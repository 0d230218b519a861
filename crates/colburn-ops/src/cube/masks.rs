//! The factors of dropout in kernels: by the row of the run, the text that it is of, and the hash.

use std::sync::Arc;

use cubecl::prelude::*;

use super::array::argument;
use super::random::{Wide, draw, factor, key};
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
    pub scale: f32,
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

/// A bit for each element of a row from a column on: 1 if it is dropped. A vector of several elements begins at an even place, so that two share a
/// draw.
#[cube]
pub(crate) fn dropped<N: Size>(row: &RowKey, column: u32) -> u32 {
    let element = row.first + column;
    let size = N::value();
    let pairs = comptime!(size / 2);
    let mut bits = 0u32;
    if comptime!(pairs == 0) {
        bits = u32::cast_from(factor(copy(&row.key), element, row.threshold, 1.0f32) == 0.0f32);
    }
    #[unroll]
    for pair in 0..pairs {
        let draw = draw(copy(&row.key), (element >> 1) + pair as u32);
        bits |= u32::cast_from(draw.low < row.threshold) << comptime!(2 * pair as u32);
        bits |= u32::cast_from(draw.high < row.threshold) << comptime!(2 * pair as u32 + 1);
    }
    bits
}

/// The factors of the elements with these bits.
#[cube]
pub(crate) fn factors<N: Size>(row: &RowKey, bits: u32) -> Vector<f32, N> {
    let mut out = Vector::<f32, N>::empty();
    #[unroll]
    for i in 0..N::value() {
        out.insert(i, select((bits >> i as u32) & 1u32 == 1u32, 0.0f32, row.scale));
    }
    out
}

/// The factors of the elements of a row from a vector on, if there are masks.
#[cube]
pub(crate) fn factors_at<N: Size>(masks: &ComptimeOption<RowKey>, column: usize) -> ComptimeOption<Vector<f32, N>> {
    #[comptime]
    match masks {
        ComptimeOption::Some(row) => {
            let bits = dropped::<N>(row, (column * N::value()) as u32);
            ComptimeOption::new_Some(factors::<N>(row, bits))
        }
        ComptimeOption::None => ComptimeOption::new_None(),
    }
}

#[cube]
fn copy(key: &Wide) -> Wide {
    Wide { low: key.low, high: key.high }
}
