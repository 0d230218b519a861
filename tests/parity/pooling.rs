//! Hierarchical token pooling: the same vectors in the same order, also where vectors are equal and merges tie.
//!
//! `ColBERT.pool_embeddings_hierarchical([vectors], pool_factor, protected_tokens)` and
//! `ColBERT.encode(texts, is_query=False, pool_factor=…, protected_tokens=…)`.

use colburn::model::{EncodeOptions, TokenEmbeddings, pool};
use colburn::prelude::*;
use serde_json::Value;

use crate::support::*;

fn embeddings(golden: &Golden) -> TokenEmbeddings {
    TokenEmbeddings { values: golden.values.clone(), dim: golden.shape[1] }
}

fn number(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

#[test]
fn clusters_and_their_means() {
    let (golden, tensors) = (json("pooling.json"), tensors(&fixture("pooling.safetensors")));
    let (mut compared, mut fewer, mut ties) = (0, 0, 0);
    for (index, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let input = embeddings(&tensors[&format!("input.{}", case["input"].as_str().unwrap())]);
        let expected = &tensors[&format!("pooled.{index}")];
        let found = pool(&input, number(case, "pool_factor"), number(case, "protected_tokens")).unwrap();
        assert_eq!(found.tokens(), expected.shape[0], "{case}");
        let off = difference(&found.values, &expected.values);
        assert!(off < 1e-6, "{case}: {off}");
        compared += 1;
        ties += usize::from(case["ties"].as_bool().unwrap());
        fewer += usize::from(found.tokens() < input.tokens());
    }
    assert!(compared >= 180 && fewer >= 150 && ties >= 40, "{fewer} of {compared}, {ties} with equal vectors");
}

#[test]
fn documents_are_pooled_and_queries_are_not() {
    let (golden, tensors) = (json("pooling.json"), tensors(&fixture("pooling.safetensors")));
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    for (index, case) in golden["encoded"].as_array().unwrap().iter().enumerate() {
        let options = EncodeOptions {
            pool_factor: number(case, "pool_factor"),
            protected_tokens: number(case, "protected_tokens"),
            ..Default::default()
        };
        let text = [case["document"].as_str().unwrap()];
        let found = &model.encode(&text, Kind::Document, &options).unwrap()[0];
        let expected = &tensors[&format!("encoded.{index}")];
        assert_eq!(found.tokens(), expected.shape[0], "{case}");
        assert!(difference(&found.values, &expected.values) < 1e-5, "{case}");
        let query = model.encode(&text, Kind::Query, &options).unwrap();
        assert_eq!(query, model.encode(&text, Kind::Query, &EncodeOptions::default()).unwrap());
    }
}
