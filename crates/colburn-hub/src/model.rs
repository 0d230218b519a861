//! The files of a model in a repository. A repository often has the same weights in five formats, and pictures; a model is its configurations,
//! its tokenizer and one set of weights, in each folder that `modules.json` names.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{Hub, RepoId, RepoKind, Result, error::io, listing::Listing, pattern::Pattern};

/// Configurations and tokenizers.
const SMALL: [&str; 4] = ["*.json", "*.txt", "*.model", "artifact.metadata"];

/// One file of weights, or an index of several, in the order of preference.
const WEIGHTS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

impl Hub {
    /// Fetches the files that a model needs, and returns their folder. Files in the cache are not fetched again; without a network they are
    /// used.
    ///
    /// # Errors
    /// When there is no such repository or revision, it has no model, it may not be read, or the network fails. The message has the
    /// repository, the revision and the file, and what to do.
    pub fn model(&self, id: &RepoId) -> Result<PathBuf> {
        let listing = self.list(RepoKind::Model, id)?;
        if listing.file("config.json").is_none() && listing.file("modules.json").is_none() {
            return Err(
                listing.error("there is neither config.json nor modules.json: it is not a model that can be loaded")
            );
        }
        let mut folders = vec![String::new()];
        self.fetch_small(&listing, "")?;
        if listing.file("modules.json").is_some() {
            folders.extend(modules(&self.json(&listing, "modules.json")?));
        }
        for folder in &folders {
            if !folder.is_empty() {
                self.fetch_small(&listing, folder)?;
            }
            // The encoder always has weights; a module only if it has parameters.
            let encoder =
                listing.file(&join(folder, "config.json")).is_some() && is_encoder(folder, &folders, &listing);
            self.fetch_weights(&listing, folder, encoder)?;
        }
        listing.remember();
        Ok(listing.folder())
    }

    fn fetch_small(&self, listing: &Listing, folder: &str) -> Result<()> {
        let wanted = SMALL.map(Pattern::fnmatch);
        let is_wanted = |name: &str| wanted.iter().any(|pattern| pattern.matches(name));
        let files = listing.files.iter().filter(|file| file.folder() == folder && is_wanted(file.name()));
        files.map(|file| &file.path).try_for_each(|path| self.fetch(listing, path).map(drop))
    }

    fn fetch_weights(&self, listing: &Listing, folder: &str, needed: bool) -> Result<()> {
        let Some(name) = WEIGHTS.iter().find(|name| listing.file(&join(folder, name)).is_some()) else {
            return if needed { Err(no_weights(listing, folder)) } else { Ok(()) };
        };
        let path = join(folder, name);
        self.fetch(listing, &path)?;
        if !name.ends_with(".json") {
            return Ok(());
        }
        let index = self.json(listing, &path)?;
        let names = index.get("weight_map").and_then(Value::as_object).into_iter().flatten();
        let mut shards: Vec<&str> = names.filter_map(|(_, file)| file.as_str()).collect();
        shards.sort_unstable();
        shards.dedup();
        if shards.is_empty() {
            return Err(listing.resource.file(&path).error("its weight_map names no file"));
        }
        shards.into_iter().try_for_each(|shard| self.fetch(listing, &join(folder, shard)).map(drop))
    }

    fn json(&self, listing: &Listing, path: &str) -> Result<Value> {
        let place = self.fetch(listing, path)?;
        let bytes = fs::read(&place).map_err(io(&place))?;
        let wrong = |error| listing.resource.file(path).error(format!("it is not the expected JSON: {error}"));
        serde_json::from_slice(&bytes).map_err(wrong)
    }
}

/// The folders in a modules.json, without the root.
fn modules(json: &Value) -> Vec<String> {
    let paths = json.as_array().into_iter().flatten().filter_map(|module| module.get("path")?.as_str());
    paths.map(|path| path.trim_matches('/').to_owned()).filter(|path| !path.is_empty()).collect()
}

/// True if a folder holds the encoder: the root, or the first folder of modules.json where the root has no configuration of one.
fn is_encoder(folder: &str, folders: &[String], listing: &Listing) -> bool {
    folder.is_empty() || (listing.file("config.json").is_none() && folders.get(1).is_some_and(|first| first == folder))
}

fn no_weights(listing: &Listing, folder: &str) -> crate::Error {
    let ends = [".h5", ".msgpack", ".onnx", ".bin", ".gguf", ".ckpt", ".pt", ".safetensors"];
    let others: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    let others: Vec<&str> =
        others.into_iter().filter(|path| ends.iter().any(|end| path.ends_with(end))).take(4).collect();
    let found = if others.is_empty() {
        String::new()
    } else {
        format!("; there are {}, which are not read", others.join(", "))
    };
    listing.error(format!("there is no {}{found}", join(folder, "model.safetensors")))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_name_folders() {
        let json = serde_json::json!([
            {"idx": 0, "path": "", "type": "Transformer"}, {"idx": 1, "path": "1_Dense", "type": "Dense"},
            {"idx": 2, "path": "2_Dense/", "type": "Dense"}, {"idx": 3}, 4
        ]);
        assert_eq!(modules(&json), ["1_Dense", "2_Dense"]);
        assert!(modules(&Value::Null).is_empty());
    }
}
