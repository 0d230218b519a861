//! Every encoder family: token ids, embeddings within 1e-5, loss and gradients of a training batch within 1e-4, of tiny random models.
//!
//! `ColBERT(folder).tokenize(texts)`, `.encode(texts, is_query=…)`, and `losses.Contrastive(model)(features).backward()`.

use colburn::prelude::*;

use crate::{gradients, support::*};

const TOLERANCE: f32 = 1e-5;

fn family(name: &str) {
    let (golden, expected) = (json("encoders.json"), tensors(&fixture("encoders.safetensors")));
    let folder = fixture("encoders").join(name);
    let model = ColBert::from_pretrained(&folder, &device()).unwrap();
    for (kind, side) in [(Kind::Query, "query"), (Kind::Document, "document")] {
        let texts = strings(&golden["texts"][side]);
        let ids = golden["families"][name][side].as_array().unwrap();
        let batch = model.tokenizer().tokenize(&texts, kind).unwrap();
        for (index, ids) in ids.iter().enumerate() {
            let ids: Vec<u32> = numbers(ids).into_iter().map(|id| id as u32).collect();
            assert_eq!(batch.ids[batch.spans.range(index)], ids, "{name}: tokens of {:?}", texts[index]);
        }
        assert_embeddings(&model, &texts, kind, &expected, &format!("{name}.{side}"), TOLERANCE);
    }

    gradients::of_triplets(name, &model, &golden["rows"], &golden["families"][name]["loss"], &expected);

    // What is saved is what was loaded.
    let saved = tempfile::tempdir().unwrap();
    model.save_pretrained(saved.path()).unwrap();
    let (saved, original) =
        (tensors(&saved.path().join("model.safetensors")), tensors(&folder.join("model.safetensors")));
    let modern =
        |name: &str| name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
    assert_eq!(saved.keys().cloned().collect::<Vec<_>>(), original.keys().map(|name| modern(name)).collect::<Vec<_>>());
    for (name, original) in &original {
        assert_eq!((&saved[&modern(name)].shape, &saved[&modern(name)].values), (&original.shape, &original.values));
    }
}

/// The same folder under another name of the family, or with tensors named otherwise, gives the same vectors.
fn same(name: &str, change: impl FnOnce(&std::path::Path)) {
    let folder = copy_of(&format!("encoders/{name}"));
    change(folder.path());
    let (golden, expected) = (json("encoders.json"), tensors(&fixture("encoders.safetensors")));
    let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    let texts = strings(&golden["texts"]["query"]);
    assert_embeddings(&model, &texts, Kind::Query, &expected, &format!("{name}.query"), TOLERANCE);
}

#[test]
fn camembert_is_roberta_by_another_name() {
    same("roberta", |folder| set_json(&folder.join("config.json"), "model_type", "camembert"));
}

#[test]
fn tensors_with_the_prefix_of_a_model_with_a_head() {
    let prefixes = [
        ("distilbert", "distilbert."),
        ("electra", "electra."),
        ("mpnet", "mpnet."),
        ("roberta", "roberta."),
        ("xlm-roberta", "roberta."),
        ("albert", "albert."),
        ("modernbert", "model."),
    ];
    for (name, prefix) in prefixes {
        same(name, |folder| {
            let file = folder.join("model.safetensors");
            let renamed =
                tensors(&file).into_iter().map(|(name, golden)| (format!("{prefix}{name}"), golden)).collect();
            write_tensors(&file, &renamed);
        });
    }
}

/// transformers 4 lists added tokens in tokenizer_config.json, and transformers 5 takes that list for all there are: the prefixes and their
/// trained rows must not be lost by saving and loading.
#[test]
fn prefixes_join_the_list_of_added_tokens() {
    for name in ["electra", "mpnet", "roberta", "xlm-roberta", "albert", "distilbert", "modernbert"] {
        let folder = copy_of(&format!("encoders/{name}"));
        let words: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("tokenizer.json")).unwrap()).unwrap();
        let listed: serde_json::Map<String, serde_json::Value> = words["added_tokens"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|token| !["[Q] ", "[D] "].contains(&token["content"].as_str().unwrap()))
            .map(|token| (token["id"].to_string(), token.clone()))
            .collect();
        set_json(&folder.path().join("tokenizer_config.json"), "added_tokens_decoder", listed);
        // A new model on such a base draws the rows of its prefixes.
        let first = ColBert::from_pretrained(folder.path(), &device()).unwrap();
        let saved = tempfile::tempdir().unwrap();
        first.save_pretrained(saved.path()).unwrap();
        let again = ColBert::from_pretrained(saved.path(), &device()).unwrap();
        let resaved = tempfile::tempdir().unwrap();
        again.save_pretrained(resaved.path()).unwrap();
        let weights = |folder: &tempfile::TempDir| std::fs::read(folder.path().join("model.safetensors")).unwrap();
        assert!(weights(&saved) == weights(&resaved), "{name}: weights change by saving and loading");
        assert_eq!(first.tokenizer().prefix_ids(), again.tokenizer().prefix_ids(), "{name}");
    }
}

#[test]
fn distilbert() {
    family("distilbert");
}

#[test]
fn electra() {
    family("electra");
}

#[test]
fn mpnet() {
    family("mpnet");
}

#[test]
fn roberta() {
    family("roberta");
}

#[test]
fn xlm_roberta() {
    family("xlm-roberta");
}

#[test]
fn albert() {
    family("albert");
}

#[test]
fn modernbert() {
    family("modernbert");
}

#[test]
fn modernbert_with_every_bias() {
    family("modernbert-biases");
}
