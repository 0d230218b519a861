//! The projections of a loaded model: the saved ones, or a new one; one more if the caller asks for another width.

use burn::tensor::Device;

use super::layout::Layout;
use crate::{
    Error, Result,
    dense::{Dense, DenseConfig},
    draw::Draw,
    names,
    weights::Weights,
};

/// The largest width; more is a mistake.
const MOST_DIMENSIONS: usize = 1 << 16;

/// The width of a new projection in PyLate.
const DEFAULT_DIMENSIONS: usize = 128;

/// The saved modules of type Dense behind an encoder of width `hidden`.
pub(super) fn saved(layout: &Layout, hidden: usize, device: &Device) -> Result<Vec<Dense>> {
    let mut dense = Vec::new();
    let mut width = hidden;
    for (folder, config) in layout.dense.iter().zip(layout.dense_configs()?) {
        if config.in_features != width {
            let message = format!("in_features = {}, but its input has a width of {width}", config.in_features);
            return Err(Error::config(folder.join("config.json"), message));
        }
        dense.push(Weights::open(folder)?.load_into(config.init(device))?);
        width = config.out_features;
    }
    Ok(dense)
}

/// Adds a new projection if there is none, or if the last one has another width than `embedding_size`.
pub(super) fn complete(
    mut dense: Vec<Dense>,
    hidden: usize,
    embedding_size: Option<usize>,
    draw: &mut Draw,
    device: &Device,
) -> Result<Vec<Dense>> {
    let last = dense.last().map(|dense| dense.config().out_features);
    let wanted = match (embedding_size, last) {
        (Some(size), _) if !(1..=MOST_DIMENSIONS).contains(&size) => {
            let message = format!("{size}; a number from 1 to {MOST_DIMENSIONS} is expected");
            return Err(Error::config("embedding_size", message));
        }
        (Some(size), last) if last != Some(size) => size,
        (None, None) => DEFAULT_DIMENSIONS,
        _ => return Ok(dense),
    };
    let width = last.unwrap_or(hidden);
    let new = DenseConfig::new(width, wanted).init(device);
    dense.push(names::replace(new, |parameter| Some(draw.linear(parameter, width))));
    Ok(dense)
}
