//! `manifest.json`: the texts, the model and the options that a folder of shards was made from, and the checksum of each shard. An
//! interrupted run is resumed with the same ones, or refused. The file holds no time, so that interruptions do not change it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use colburn::model::write_atomic;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

pub const NAME: &str = "manifest.json";

/// Files by which a model is known; those with weights are known by their ending.
const MODEL_FILES: [&str; 13] = [
    "added_tokens.json",
    "artifact.metadata",
    "config.json",
    "config_sentence_transformers.json",
    "merges.txt",
    "model.safetensors.index.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardManifest {
    /// The name of the model when the folder was begun. It may lie elsewhere by now: only its files count.
    pub model_name_or_path: String,
    #[serde(flatten)]
    pub settings: Settings,
    /// True if all texts of the input are in a shard.
    pub complete: bool,
    /// The number of texts in all shards.
    pub texts: usize,
    pub tokens: usize,
    pub shards: Vec<Shard>,
}

/// All that the bytes of a shard depend on but its texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The checksum of this file.
    pub version: u32,
    pub kind: String,
    pub format: String,
    pub dtype: String,
    pub dim: usize,
    pub shard_size: usize,
    /// None if batches were cut by tokens.
    pub batch_size: Option<usize>,
    pub prompt: Option<String>,
    pub length: Option<usize>,
    pub pool_factor: usize,
    pub protected_tokens: usize,
    #[serde(default)]
    pub bf16: bool,
    pub device: String,
    /// The files of the model, by their names in its folder.
    pub model: BTreeMap<String, Fingerprint>,
    /// The sizes of the input files, by their names.
    pub input: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    pub file: String,
    pub texts: usize,
    pub tokens: usize,
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
    pub texts_crc32: u32,
}

/// The size and the CRC-32 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub bytes: u64,
    pub crc32: u32,
}

impl ShardManifest {
    /// The manifest of a run that has written no shard.
    pub fn new(model: &Path, settings: Settings) -> Self {
        let model_name_or_path = model.display().to_string();
        Self { model_name_or_path, settings, complete: false, texts: 0, tokens: 0, shards: Vec::new() }
    }

    /// Reads the manifest of a folder, if there is one.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| {
            let message = format!("no manifest of encode ({error}); delete the folder and encode anew");
            Error::Texts { path, message }
        })
    }

    pub fn write(&mut self, folder: &Path) -> Result<()> {
        self.texts = self.shards.iter().map(|shard| shard.texts).sum();
        self.tokens = self.shards.iter().map(|shard| shard.tokens).sum();
        let path = folder.join(NAME);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Write { path: path.clone(), source: error.into() })?;
        Ok(write_atomic(&path, format!("{text}\n").as_bytes())?)
    }

    /// The first setting that another run has otherwise, as a key with both values.
    pub fn difference(&self, settings: &Settings) -> Option<String> {
        let value = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
        difference("", &value(&self.settings), &value(settings))
    }

    /// The shards that are as they were written. The others are named in the log.
    pub fn whole_shards(&self, folder: &Path) -> Vec<Option<Shard>> {
        let check = |shard: &Shard| match fingerprint(&folder.join(&shard.file)) {
            Ok(found) if found == shard.fingerprint => Some(shard.clone()),
            Ok(_) => {
                tracing::warn!("{} is damaged (its size or checksum is another); it is made again", shard.file);
                None
            }
            Err(error) => {
                tracing::warn!("{error}; {} is made again", shard.file);
                None
            }
        };
        self.shards.iter().map(check).collect()
    }
}

fn difference(key: &str, there: &Value, here: &Value) -> Option<String> {
    let (Value::Object(old), Value::Object(new)) = (there, here) else {
        let show = |value: &Value| if value.is_null() { "not there".to_owned() } else { value.to_string() };
        return (there != here).then(|| format!("{key} was {} and is {} now", show(there), show(here)));
    };
    let inside = |name: &String| if key.is_empty() { name.clone() } else { format!("{key} {name}") };
    let added = new.keys().filter(|name| !old.contains_key(*name));
    old.keys().chain(added).find_map(|name| {
        let value = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        difference(&inside(name), &value(old), &value(new))
    })
}

/// The checksums of the model's files, by which `--resume` knows the model.
pub fn model_files(folder: &Path) -> Result<BTreeMap<String, Fingerprint>> {
    let mut found = BTreeMap::new();
    for inside in modules(folder) {
        let place = folder.join(&inside);
        let Ok(entries) = fs::read_dir(&place) else { continue };
        for entry in entries {
            let path = entry.map_err(|source| Error::Read { path: place.clone(), source })?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file()
                && (MODEL_FILES.contains(&name.as_str()) || name.ends_with(".safetensors") || name.ends_with(".bin"))
            {
                found.insert(inside.join(&name).to_string_lossy().replace('\\', "/"), fingerprint(&path)?);
            }
        }
    }
    Ok(found)
}

/// The folders of a model's modules, relative to its own, which is the first. Whether they make a model is seen when it is loaded.
fn modules(folder: &Path) -> Vec<PathBuf> {
    let text = fs::read(folder.join("modules.json")).unwrap_or_default();
    let modules: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
    let paths = modules.iter().filter_map(|module| module["path"].as_str()).filter(|path| !path.is_empty());
    [PathBuf::new()].into_iter().chain(paths.map(PathBuf::from)).collect()
}

/// Reads a file for its checksum.
pub fn fingerprint(path: &Path) -> Result<Fingerprint> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut buffer, mut bytes, mut hasher) = (vec![0; 1 << 20], 0, crc32fast::Hasher::new());
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(Fingerprint { bytes, crc32: hasher.finalize() }),
            count => {
                bytes += count as u64;
                hasher.update(&buffer[..count]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let fingerprint = Fingerprint { bytes: 3, crc32: 7 };
        Settings {
            version: 1,
            kind: "document".into(),
            format: "safetensors".into(),
            dtype: "f32".into(),
            dim: 24,
            shard_size: 10,
            batch_size: Some(32),
            prompt: None,
            length: Some(64),
            pool_factor: 2,
            protected_tokens: 1,
            bf16: false,
            device: "flex".into(),
            model: [("config.json".to_owned(), fingerprint)].into(),
            input: [("a.jsonl".to_owned(), 5)].into(),
        }
    }

    #[test]
    fn what_differs_is_named() {
        let manifest = ShardManifest::new(Path::new("m"), settings());
        let difference = |change: fn(&mut Settings)| {
            let mut other = settings();
            change(&mut other);
            manifest.difference(&other).unwrap_or_default()
        };
        assert_eq!(difference(|_| ()), "");
        assert_eq!(difference(|other| other.pool_factor = 3), "pool_factor was 2 and is 3 now");
        assert_eq!(difference(|other| other.length = None), "length was 64 and is not there now");
        assert_eq!(difference(|other| other.prompt = Some("p: ".into())), "prompt was not there and is \"p: \" now");
        assert_eq!(
            difference(|other| other.model.values_mut().for_each(|file| file.crc32 = 8)),
            "model config.json crc32 was 7 and is 8 now"
        );
        assert_eq!(
            difference(|other| other.input = [("b.jsonl".to_owned(), 5)].into()),
            "input a.jsonl was 5 and is not there now"
        );
        assert_eq!(
            difference(|other| other.input.extend([("b.jsonl".to_owned(), 6)])),
            "input b.jsonl was not there and is 6 now"
        );
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ShardManifest::read(folder.path()).unwrap(), None);
        let mut manifest = ShardManifest::new(Path::new("m"), settings());
        let shard = |file: &str, texts| Shard {
            file: file.to_owned(),
            texts,
            tokens: 30,
            fingerprint: Fingerprint { bytes: 9, crc32: u32::MAX },
            texts_crc32: 1,
        };
        manifest.shards = vec![shard("a", 10), shard("b", 3)];
        manifest.write(folder.path()).unwrap();
        assert_eq!((manifest.texts, manifest.tokens), (13, 60));
        assert_eq!(ShardManifest::read(folder.path()).unwrap(), Some(manifest));
        fs::write(folder.path().join(NAME), "{}").unwrap();
        let message = ShardManifest::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("manifest.json: no manifest of encode ("), "{message}");
    }
}
