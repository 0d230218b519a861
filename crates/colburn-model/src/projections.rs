//! Which projections a model gets: those that are saved, Stanford's, a new one; one more when the caller wants another width.

use burn::tensor::Device;

use crate::{
    Error, Result,
    dense::{Dense, DenseConfig},
    draw::Draw,
    layout::Layout,
    names,
    weights::Weights,
};

/// More dimensions are a mistake.
const MOST_DIMENSIONS: usize = 1 << 16;

/// The width of a new projection, as PyLate has it.
const DEFAULT_DIMENSIONS: usize = 128;

/// The modules of type Dense behind an encoder of this width.
pub(crate) fn saved(layout: &Layout, hidden: usize, device: &Device) -> Result<Vec<Dense>> {
    let mut dense = Vec::new();
    let mut width = hidden;
    for (folder, config) in layout.dense.iter().zip(layout.dense_configs()?) {
        if config.in_features != width {
            let message = format!("in_features = {}, but what comes in is {width} wide", config.in_features);
            return Err(Error::config(folder.join("config.json"), message));
        }
        dense.push(Weights::open(folder)?.load_into(config.init(device))?);
        width = config.out_features;
    }
    Ok(dense)
}

/// Adds a new projection when there is none, or when the last one's width is not what the caller wants.
pub(crate) fn complete(
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
