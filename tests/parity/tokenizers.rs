//! Token ids of every tokenizer class, and of folders whose files disagree: what decides is what transformers, running under PyLate, made of
//! the same files.
//!
//! `ColBERT(folder).tokenize(texts, is_query=…)`, and the number of rows of its word embeddings.

use std::{fs, path::Path};

use colburn::prelude::*;
use serde_json::{Map, Value};

use crate::{support::*, tokens};

/// The same changes that golden_tokenizers.py makes: by file name the keys to put and to drop, a text to write, null for no file.
fn apply(changes: &Map<String, Value>, folder: &Path) {
    for (name, change) in changes {
        let path = folder.join(name);
        if change.is_null() {
            fs::remove_file(path).unwrap();
        } else if let Some(text) = change.get("write") {
            fs::write(path, text.as_str().unwrap()).unwrap();
        } else {
            let mut value: Map<String, Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            value.extend(change["put"].as_object().unwrap().clone());
            for key in strings(&change["drop"]) {
                value.remove(&key);
            }
            fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn rows(model: &ColBert) -> usize {
    let parameters = model.parameters();
    let words = parameters.iter().find(|parameter| parameter.name.ends_with("word_embeddings.weight")).unwrap();
    words.shape[0]
}

#[test]
fn every_class_and_every_disagreement_of_files() {
    let golden = json("tokenizers.json");
    let texts = strings(&golden["texts"]);
    let cases = golden["cases"].as_object().unwrap();
    assert!(cases.len() >= 20);
    for (name, case) in cases {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture("encoders").join(case["base"].as_str().unwrap()), folder.path());
        apply(case["changes"].as_object().unwrap(), folder.path());
        let model =
            ColBert::from_pretrained(folder.path(), &device()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Some(rows(&model) as u64), case["rows"].as_u64(), "rows of {name}");
        assert_eq!(tokens::compare(&model, name, &texts, case), 2 * texts.len(), "{name}");

        // What is saved is read alike, by the steps that are written down in it.
        let saved = tempfile::tempdir().unwrap();
        model.save_pretrained(saved.path()).unwrap();
        let again = ColBert::from_pretrained(saved.path(), &device()).unwrap_or_else(|error| panic!("{name}: {error}"));
        tokens::compare(&again, &format!("{name}, saved"), &texts, case);
        let steps = |file: &str| serde_json::from_slice::<Value>(&fs::read(saved.path().join(file)).unwrap()).unwrap();
        assert_eq!(steps("tokenizer.json")["truncation"], Value::Null, "{name}");
    }
}
