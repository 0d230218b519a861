//! Embeddings of a small random BERT with jittered biases and norms, within 1e-5.
//!
//! `ColBERT(folder).encode(texts, is_query=…)`.

use colburn::prelude::*;

use crate::support::*;

const TOLERANCE: f32 = 1e-5;

#[test]
fn of_a_pylate_directory() {
    let (golden, texts) = (tensors(&fixture("embeddings.safetensors")), json("embeddings.json"));
    let (queries, documents) = (strings(&texts["query"]), strings(&texts["document"]));
    let load =
        |options: ColBertOptions| ColBert::from_pretrained_with(fixture("tiny-colbert"), &options, &device()).unwrap();

    let model = load(ColBertOptions::default());
    assert_embeddings(&model, &queries, Kind::Query, &golden, "query", TOLERANCE);
    assert_embeddings(&model, &documents, Kind::Document, &golden, "document", TOLERANCE);

    let attend = load(ColBertOptions { attend_to_expansion_tokens: Some(true), ..Default::default() });
    assert_embeddings(&attend, &queries, Kind::Query, &golden, "attend.query", TOLERANCE);

    let plain = load(ColBertOptions { do_query_expansion: Some(false), ..Default::default() });
    assert_embeddings(&plain, &queries, Kind::Query, &golden, "noexp.query", TOLERANCE);
}

#[test]
fn of_a_sentence_transformers_directory_without_its_pooling() {
    let (golden, texts) = (tensors(&fixture("tiny_st.safetensors")), json("activations.json"));
    let options = ColBertOptions {
        embedding_size: Some(6),
        query_prefix: Some("[unused0]".into()),
        document_prefix: Some("[unused1]".into()),
        ..Default::default()
    };
    let fresh = ColBert::from_pretrained_with(fixture("tiny-st"), &options, &device()).unwrap();
    // The projection is newly drawn; the fixture has its own.
    let folder = tempfile::tempdir().unwrap();
    fresh.save_pretrained(folder.path()).unwrap();
    let dense = [("linear.weight".to_owned(), golden["dense.weight"].clone())].into();
    write_tensors(&folder.path().join("1_Dense/model.safetensors"), &dense);

    let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    let texts = strings(&texts);
    assert_embeddings(&model, &texts, Kind::Query, &golden, "query", TOLERANCE);
    assert_embeddings(&model, &texts, Kind::Document, &golden, "document", TOLERANCE);
}

#[test]
fn with_every_activation() {
    let (golden, texts) = (tensors(&fixture("activations.safetensors")), json("activations.json"));
    let texts = strings(&texts);
    for activation in ["gelu", "gelu_new", "relu"] {
        let folder = copy_of("tiny-colbert");
        set_json(&folder.path().join("config.json"), "hidden_act", activation);
        let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
        assert_embeddings(&model, &texts, Kind::Document, &golden, activation, TOLERANCE);
    }
}

#[test]
fn names_with_the_prefix_of_a_pretraining_checkpoint() {
    let (golden, texts) = (tensors(&fixture("embeddings.safetensors")), json("embeddings.json"));
    let folder = copy_of("tiny-colbert");
    let file = folder.path().join("model.safetensors");
    let renamed = tensors(&file).into_iter().map(|(name, golden)| (format!("bert.{name}"), golden)).collect();
    write_tensors(&file, &renamed);
    let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    assert_embeddings(&model, &strings(&texts["query"]), Kind::Query, &golden, "query", TOLERANCE);
}
