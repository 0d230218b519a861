//! Weights in several files, with an index that says which tensor lies in which (`model.safetensors.index.json`).

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::stored::Stored;
use crate::{Error, Result, error::few, files};

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The tensors that an index names, none of them read.
pub(super) fn open(index: &Path) -> Result<BTreeMap<String, Stored>> {
    let folder = index.parent().unwrap_or(Path::new(""));
    let Index { weight_map } = files::read_json(index)?;
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, shard) in weight_map {
        shards.entry(shard).or_default().push(name);
    }
    let (mut tensors, mut absent) = (BTreeMap::new(), Vec::new());
    for (shard, names) in shards {
        let Some(path) = files::inside(folder, &shard) else {
            let message = format!("weight_map names the file \"{shard}\", which leads out of the model's folder");
            return Err(Error::config(index, message));
        };
        if !path.is_file() {
            let message =
                format!("weight_map names \"{shard}\" for {} tensor(s), but there is no such file", names.len());
            return Err(Error::config(index, message));
        }
        let mut stored = super::tensors_of(&path)?;
        for name in names {
            match stored.remove(&name) {
                Some(tensor) => _ = tensors.insert(name, tensor),
                None => absent.push(format!("`{name}` in {shard}")),
            }
        }
    }
    if absent.is_empty() {
        return Ok(tensors);
    }
    let message = format!("{} tensor(s) are not where weight_map says: {}", absent.len(), few(absent.into_iter()));
    Err(Error::config(index, message))
}
