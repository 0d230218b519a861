//! Configurations that cannot be used are errors that name the key, in every family.

use serde_json::{Value, json};

use super::*;

fn refused(config: Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    files::write_json(&path, &config).unwrap();
    let error = read_config(&path, &config).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    error
}

#[test]
fn an_unknown_family_is_answered_with_those_that_there_are() {
    let error = refused(json!({"model_type": "llama"}));
    assert!(error.contains("model_type = \"llama\" is not supported; supported: albert, bert, camembert"), "{error}");
    for (family, _) in FAMILIES {
        let config = json!({"model_type": family});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        files::write_json(&path, &config).unwrap();
        assert!(read_config(&path, &config).is_ok(), "{family} with transformers' defaults");
    }
}

#[test]
fn decoders_are_refused() {
    let error = refused(json!({"model_type": "roberta", "is_decoder": true}));
    assert!(error.contains("is_decoder = true"), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_key() {
    for (family, key, value, expected) in [
        ("albert", "embedding_size", json!(0), "embedding_size = 0; a number from 1 to"),
        ("albert", "num_attention_heads", json!(7), "hidden_size = 4096 is not divisible by num_attention_heads = 7"),
        ("albert", "inner_group_num", json!(5000), "num_hidden_groups × inner_group_num = 5000; at most"),
        ("albert", "position_embedding_type", json!("relative_key"), "only \"absolute\" is supported"),
        ("bert", "position_embedding_type", json!("relative_key"), "only \"absolute\" is supported"),
        ("distilbert", "n_heads", json!(5), "dim = 768 is not divisible by n_heads = 5"),
        ("distilbert", "n_layers", json!(5000), "n_layers = 5000; at most"),
        ("distilbert", "attention_dropout", json!(1.0), "attention_dropout = 1; a probability from 0 to below 1"),
        ("electra", "hidden_act", json!("tanhexp"), "hidden_act = \"tanhexp\"; one of"),
        ("electra", "embedding_size", json!(1u64 << 40), "embedding_size = 1099511627776; a number from 1 to"),
        ("mpnet", "relative_attention_num_buckets", json!(31), "relative_attention_num_buckets = 31; at least 32"),
        ("mpnet", "max_position_embeddings", json!(2), "max_position_embeddings = 2; more than 2 are expected"),
        ("roberta", "max_position_embeddings", json!(2), "max_position_embeddings = 2; more than 2 are expected"),
        ("xlm-roberta", "pad_token_id", json!(600), "positions begin behind pad_token_id = 600"),
        ("camembert", "pad_token_id", Value::Null, "invalid type: null"),
    ] {
        let mut config = json!({"model_type": family});
        config[key] = value;
        let error = refused(config);
        assert!(error.contains(expected), "{family}, {key}: {error}");
    }
}

#[test]
fn the_default_vocabulary_of_robertas_goes_by_their_model_type() {
    for (family, rows) in [("roberta", 50265), ("xlm-roberta", 30522), ("camembert", 30522)] {
        let config: RobertaConfig =
            serde_json::from_value(json!({"model_type": family, "num_hidden_layers": 0})).unwrap();
        assert_eq!(config.init(&Device::flex()).vocabulary(), rows, "{family}");
    }
}

/// The number of values that the layers of an encoder prepare for each other in one forward pass.
fn preparations(family: &str, layers: usize) -> usize {
    let config = json!({
        "model_type": family, "vocab_size": 20, "max_position_embeddings": 40, "hidden_size": 8, "dim": 8,
        "embedding_size": 8, "num_hidden_layers": layers, "n_layers": layers, "num_attention_heads": 2, "n_heads": 2,
        "intermediate_size": 8, "hidden_dim": 8, "local_attention": 4,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    files::write_json(&path, &config).unwrap();
    let encoder = read_config(&path, &config).unwrap().init(&Device::flex());
    let spans = Spans::with_keys(&[7, 9, 3], &[7, 4, 3]).unwrap();
    let mut context = encoder.context(&spans, Dropout::seeded(1), Precision::F32);
    let hidden = encoder.forward(&[5; 19], &mut context);
    assert_eq!(hidden.dims(), [19, 8]);
    context.preparations()
}

#[test]
fn layers_share_what_follows_from_the_texts() {
    for (family, _) in FAMILIES {
        let few = preparations(family, 2);
        assert!(few > 0, "{family}");
        assert_eq!(preparations(family, 6), few, "{family}");
    }
}
