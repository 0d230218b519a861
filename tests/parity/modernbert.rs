//! ModernBERT in the files of old: the numbers of `encoders.safetensors` from a checkpoint as transformers 4 wrote them.

use colburn::prelude::*;

use crate::support::*;

/// `ModernBertForMaskedLM` of transformers 4.48, as answerdotai/ModernBERT-base was saved: the encoder under `model.`, a head beside it, one
/// number for the pattern of layers and one for each base of the rotary embeddings.
#[test]
fn a_masked_language_model_of_transformers_4() {
    let folder = copy_of("encoders/modernbert");
    let config = folder.path().join("config.json");
    for key in ["layer_types", "rope_parameters"] {
        set_json(&config, key, serde_json::Value::Null);
    }
    set_json(&config, "architectures", serde_json::json!(["ModernBertForMaskedLM"]));
    set_json(&config, "global_rope_theta", 160_000.0);
    set_json(&config, "local_rope_theta", 10_000.0);
    set_json(&config, "position_embedding_type", "absolute");
    let file = folder.path().join("model.safetensors");
    let mut renamed: std::collections::BTreeMap<_, _> =
        tensors(&file).into_iter().map(|(name, golden)| (format!("model.{name}"), golden)).collect();
    let head = |shape: &[usize]| Golden { shape: shape.to_vec(), values: vec![0.5; shape.iter().product()] };
    renamed.insert("head.dense.weight".into(), head(&[16, 16]));
    renamed.insert("head.norm.weight".into(), head(&[16]));
    renamed.insert("decoder.bias".into(), head(&[422]));
    write_tensors(&file, &renamed);

    let (golden, expected) = (json("encoders.json"), tensors(&fixture("encoders.safetensors")));
    let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    for (kind, side) in [(Kind::Query, "query"), (Kind::Document, "document")] {
        let texts = strings(&golden["texts"][side]);
        assert_embeddings(&model, &texts, kind, &expected, &format!("modernbert.{side}"), 1e-5);
    }
}

/// Local layers depend on their window and base: with others the numbers change.
#[test]
fn windows_and_bases_matter() {
    let (golden, expected) = (json("encoders.json"), tensors(&fixture("encoders.safetensors")));
    let texts = strings(&golden["texts"]["document"]);
    let ropes =
        serde_json::json!({"full_attention": {"rope_theta": 160000.0}, "sliding_attention": {"rope_theta": 160000.0}});
    for (key, value) in [("local_attention", serde_json::json!(12)), ("rope_parameters", ropes)] {
        let folder = copy_of("encoders/modernbert");
        set_json(&folder.path().join("config.json"), key, value);
        let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
        let vectors = model.encode(&texts, Kind::Document, &EncodeOptions::default()).unwrap();
        let off = |(index, text): (usize, &TokenEmbeddings)| {
            difference(&text.values, &expected[&format!("modernbert.document.{index}")].values)
        };
        assert!(vectors.iter().enumerate().map(off).fold(0.0, f32::max) > 1e-3, "{key}");
    }
}
