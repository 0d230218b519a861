//! Tests of model folders in which one file is damaged, at random with a fixed seed. Loading must end in a model or an error, never in a
//! panic, and must not allocate more memory than the files account for: the files of a model are input, even if they come from the hub.
//!
//! The folders are those of `tests/fixtures`, as PyLate and transformers wrote them.

mod allocations;
mod mutations;

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use burn::tensor::Device;

use self::mutations::Mutations;
use crate::{ColBert, ColBertOptions, Kind, files::write_atomic};

/// The largest allocation in bytes that one of these models may need.
const MOST: usize = 8 << 20;

/// Folders of `tests/fixtures/encoders`.
const FAMILIES: [&str; 7] = ["albert", "distilbert", "electra", "modernbert", "mpnet", "roberta", "xlm-roberta"];

/// A copy of a fixture.
struct Folder {
    fixture: String,
    place: tempfile::TempDir,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Folder {
    fn of(fixture: &str) -> Self {
        fn collect(folder: &Path, within: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let (path, inside) = entry.map(|entry| (entry.path(), within.join(entry.file_name()))).unwrap();
                if path.is_dir() {
                    collect(&path, &inside, files);
                } else {
                    files.insert(inside, fs::read(&path).unwrap());
                }
            }
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(fixture);
        let (place, mut files) = (tempfile::tempdir().unwrap(), BTreeMap::new());
        collect(&source, Path::new(""), &mut files);
        for (name, bytes) in &files {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { fixture: fixture.to_owned(), place, files }
    }

    /// Loads the folder with each version of one file and uses the models that load. Returns the number of these and of the versions.
    fn try_all(&self, file: &str, versions: impl Iterator<Item = Vec<u8>>) -> (usize, usize) {
        let (path, device) = (self.place.path().join(file), Device::flex());
        let (mut loaded, mut tried, mut failures) = (0, 0, Vec::new());
        for version in versions {
            fs::write(&path, &version).unwrap();
            allocations::forget();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let model = ColBert::from_pretrained_with(self.place.path(), &ColBertOptions::default(), &device)?;
                let largest = allocations::largest();
                model.encode(&["the king of 1842!"], Kind::Document, &Default::default())?;
                model.encode(&["the king of 1842!"], Kind::Query, &Default::default())?;
                Ok::<_, crate::Error>(largest)
            }));
            let largest = match &outcome {
                Ok(Ok(largest)) => *largest,
                _ => allocations::largest(),
            };
            let problem = match outcome {
                Err(_) => Some("a panic".to_owned()),
                _ if largest > MOST => Some(format!("an allocation of {largest} bytes")),
                Ok(Err(error)) if error.to_string().contains('\n') => {
                    Some(format!("an error of several lines: {error}"))
                }
                Ok(result) => {
                    loaded += usize::from(result.is_ok());
                    None
                }
            };
            if let Some(problem) = problem {
                failures.push(format!("version {tried}: {problem}\n{}", excerpt(&version)));
            }
            tried += 1;
        }
        fs::write(&path, &self.files[Path::new(file)]).unwrap();
        let shown = failures.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
        assert!(failures.is_empty(), "{file}: {} of {tried} versions\n{shown}", failures.len());
        (loaded, tried)
    }

    fn bytes(&self, file: &str) -> &[u8] {
        &self.files[Path::new(file)]
    }

    /// Tries `count` versions with damaged bytes, and for JSON as many with damaged values.
    fn damage(&self, file: &str, count: usize) {
        let mut mutations = Mutations::new(&format!("{}/{file}", self.fixture));
        let original = self.bytes(file);
        let (mut loaded, mut tried) = self.try_all(file, (0..count).map(|_| mutations.bytes(original)));
        if let Ok(json) = serde_json::from_slice(original) {
            let more = self.try_all(file, (0..count).map(|_| mutations.json(&json).to_string().into_bytes()));
            (loaded, tried) = (loaded + more.0, tried + more.1);
        }
        println!("{file}: {loaded} of {tried} damaged versions load");
        assert!(loaded < tried, "{file}: no damage does anything");
    }
}

/// The beginning of a file as text.
fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned()
}

#[test]
fn configurations() {
    let folder = Folder::of("heads/dense");
    for file in [
        "config.json",
        "config_sentence_transformers.json",
        "modules.json",
        "1_Dense/config.json",
        "tokenizer_config.json",
    ] {
        folder.damage(file, 150);
    }
    folder.damage("sentence_bert_config.json", 50);
}

#[test]
fn stanfords_metadata() {
    Folder::of("heads/stanford").damage("artifact.metadata", 100);
}

#[test]
fn tokenizers() {
    Folder::of("heads/dense").damage("tokenizer.json", 200);
}

#[test]
fn encoders() {
    for family in FAMILIES {
        let folder = Folder::of(&format!("encoders/{family}"));
        folder.damage("config.json", 60);
    }
}

#[test]
fn tokenizers_of_encoders() {
    for family in FAMILIES {
        let folder = Folder::of(&format!("encoders/{family}"));
        folder.damage("tokenizer.json", 40);
        folder.damage("tokenizer_config.json", 40);
    }
}

#[test]
fn safetensors_files() {
    let folder = Folder::of("heads/dense");
    for file in ["model.safetensors", "1_Dense/model.safetensors"] {
        let original = folder.bytes(file);
        let end = 8 + u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
        let mut mutations = Mutations::new(file);
        // The length and the header; the values of the tensors may be anything.
        folder.try_all(file, (0..200).map(|_| [&mutations.bytes(&original[..end]), &original[end..]].concat()));
        let header = serde_json::from_slice(&original[8..end]).unwrap();
        let with_header = |mutations: &mut Mutations| {
            let header = mutations.json(&header).to_string();
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &original[end..]].concat()
        };
        folder.try_all(file, (0..200).map(|_| with_header(&mut mutations)));
        folder.try_all(file, (0..60).map(|_| mutations.bytes(original)));
    }
}

#[test]
fn indexes_of_shards() {
    Folder::of("heads/shards").damage("model.safetensors.index.json", 100);
    Folder::of("heads/shards-bin").damage("pytorch_model.bin.index.json", 50);
}

#[test]
fn pickles() {
    // A ZIP archive, and the older stream of pickles, which has no checksum.
    Folder::of("heads/shards-bin").damage("pytorch_model-00001-of-00002.bin", 400);
    Folder::of("heads/shards-bin").damage("pytorch_model-00002-of-00002.bin", 1000);
}

#[test]
fn a_large_piece_of_memory_is_noticed() {
    allocations::forget();
    drop(std::hint::black_box(vec![0u8; MOST + 1]));
    assert!(allocations::largest() > MOST);
}

/// The sizes in the configuration are compared with the weights before memory is allocated.
#[test]
fn sizes_without_weights_take_no_memory() {
    let folder = Folder::of("heads/dense");
    let path = folder.place.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(folder.bytes("config.json")).unwrap();
    for key in ["hidden_size", "intermediate_size", "vocab_size", "max_position_embeddings"] {
        config[key] = (1u64 << 24).into();
    }
    config["num_hidden_layers"] = 1000.into();
    write_atomic(&path, config.to_string().as_bytes()).unwrap();
    allocations::forget();
    let error = ColBert::from_pretrained(folder.place.path(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("tensor(s) missing") && error.contains("not of the shape"), "{error}");
    let error =
        ColBert::from_config(folder.place.path(), &Default::default(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("parameters; at most"), "{error}");
    assert!(allocations::largest() < MOST, "{} bytes", allocations::largest());
}
