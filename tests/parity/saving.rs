//! A saved model has PyLate's layout. `xtask/fixtures/interchange.py` shows that PyLate itself reads it.

use std::fs;

use colburn::prelude::*;

use crate::support::*;

#[test]
fn a_saved_model_gives_the_same_vectors() {
    let texts = strings(&json("embeddings.json")["document"]);
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model.save_pretrained(folder.path()).unwrap();
    let again = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    let encode = |model: &ColBert| model.encode(&texts, Kind::Document, &EncodeOptions::default()).unwrap();
    assert_eq!(encode(&model), encode(&again));
    assert_eq!(model.config(), again.config());
}

#[test]
fn saved_weights_are_the_bytes_that_were_loaded() {
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model.save_pretrained(folder.path()).unwrap();
    for file in ["model.safetensors", "1_Dense/model.safetensors"] {
        let (saved, original) = (tensors(&folder.path().join(file)), tensors(&fixture("tiny-colbert").join(file)));
        // transformers 5 writes norms under their oldest names, and reads both.
        let modern = |name: String| {
            name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        };
        let original: std::collections::BTreeMap<_, _> =
            original.into_iter().map(|(name, golden)| (modern(name), golden)).collect();
        assert_eq!(saved.keys().collect::<Vec<_>>(), original.keys().collect::<Vec<_>>(), "pooler included");
        for (name, original) in &original {
            assert_eq!((&saved[name].shape, &saved[name].values), (&original.shape, &original.values), "{name}");
        }
    }
}

#[test]
fn the_layout_is_pylates() {
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model.save_pretrained(folder.path()).unwrap();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap()
    };
    for file in ["config.json", "config_sentence_transformers.json", "1_Dense/config.json"] {
        let (saved, original) = (read(file), json(&format!("tiny-colbert/{file}")));
        for (key, value) in original.as_object().unwrap() {
            // The versions of what wrote the file, and the type that we convert to.
            if !["__version__", "transformers_version", "dtype"].contains(&key.as_str()) {
                assert_eq!(&saved[key], value, "{key} in {file}");
            }
        }
    }
    assert_eq!(read("modules.json"), json("tiny-colbert/modules.json"));
}
