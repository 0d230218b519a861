//! Every layout of heads and weights: parameters, embeddings within 1e-5, loss and gradients of a training batch within 1e-4; and saved
//! again, in PyLate's layout.
//!
//! `ColBERT(folder, …).encode(texts, is_query=…)`, and `losses.Contrastive(model)(features).backward()`.

use std::fs;

use colburn::prelude::*;
use serde_json::Value;

use crate::{gradients, support::*};

const TOLERANCE: f32 = 1e-5;

/// The model of a layout as the fixture was made, with what PyLate drew for a projection that it appended.
fn load(name: &str, golden: &Value) -> ColBert {
    let folder = fixture("heads").join(golden["folder"].as_str().unwrap());
    let options: ColBertOptions = serde_json::from_value(golden["arguments"].clone()).unwrap();
    let model = ColBert::from_pretrained_with(&folder, &options, &device()).unwrap();
    let Some(appended) = tensors(&fixture("heads.safetensors")).remove(&format!("{name}.appended")) else {
        return model;
    };
    let saved = tempfile::tempdir().unwrap();
    model.save_pretrained(saved.path()).unwrap();
    let last = format!("{}_Dense/model.safetensors", golden["modules"].as_array().unwrap().len());
    write_tensors(&saved.path().join(last), &[("linear.weight".to_owned(), appended)].into());
    ColBert::from_pretrained(saved.path(), &device()).unwrap()
}

fn layout(name: &str) {
    let (all, expected) = (json("heads.json"), tensors(&fixture("heads.safetensors")));
    let golden = &all["layouts"][name];
    let model = load(name, golden);
    let config = model.config();
    assert_eq!(config.query_prefix, golden["query_prefix"].as_str().unwrap());
    assert_eq!(config.document_prefix, golden["document_prefix"].as_str().unwrap());
    assert_eq!(config.query_length as u64, golden["query_length"].as_u64().unwrap());
    assert_eq!(config.document_length as u64, golden["document_length"].as_u64().unwrap());
    assert_eq!(config.attend_to_expansion_tokens, golden["attend_to_expansion_tokens"].as_bool().unwrap());
    let encode = |model: &ColBert| {
        for (kind, side) in [(Kind::Query, "query"), (Kind::Document, "document")] {
            let texts = strings(&all["texts"][side]);
            assert_embeddings(model, &texts, kind, &expected, &format!("{name}.{side}"), TOLERANCE);
        }
    };
    encode(&model);

    gradients::of_triplets(name, &model, &all["rows"], &golden["loss"], &expected);

    // Whatever it was read from, it is saved in PyLate's layout, in one file, and is the same model.
    let saved = tempfile::tempdir().unwrap();
    model.save_pretrained(saved.path()).unwrap();
    let again = ColBert::from_pretrained(saved.path(), &device()).unwrap();
    assert_eq!(again.config(), model.config());
    encode(&again);
    let read = |file: &str| -> Value { serde_json::from_slice(&fs::read(saved.path().join(file)).unwrap()).unwrap() };
    assert_eq!(read("config.json")["architectures"], serde_json::json!(["BertModel"]));
    assert_eq!(read("config.json")["dtype"], "float32");
    let modules = golden["modules"].as_array().unwrap();
    assert_eq!(read("modules.json").as_array().unwrap().len(), 1 + modules.len());
    for (index, sizes) in modules.iter().enumerate() {
        let dense = read(&format!("{}_Dense/config.json", index + 1));
        assert_eq!([&dense["in_features"], &dense["out_features"]], [&sizes[0], &sizes[1]]);
    }
}

#[test]
fn several_with_biases_activations_and_both_residuals() {
    layout("dense");
}

#[test]
fn one_more_for_another_embedding_size() {
    layout("dense-appended");
}

#[test]
fn an_activation_with_a_weight() {
    layout("prelu");
}

#[test]
fn sentence_transformers_dense_behind_its_pooling() {
    layout("sentence-transformers");
}

#[test]
fn stanford() {
    layout("stanford");
}

#[test]
fn stanford_with_one_more() {
    layout("stanford-appended");
}

#[test]
fn stanford_pickled_and_without_metadata() {
    layout("stanford-bin");
}

#[test]
fn shards_of_bfloat16_and_a_projection_of_float16() {
    layout("shards");
}

#[test]
fn pickled_shards_of_both_generations() {
    layout("shards-bin");
}
