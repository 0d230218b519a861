//! Token ids, attention and scoring masks of awkward texts.
//!
//! `model.tokenize(texts, is_query=…)` and `ColBERT.skiplist_mask(ids, model.skiplist)`.

use colburn::{model::TokenBatch, prelude::*};
use serde_json::Value;

use crate::support::*;

fn options(settings: &Value) -> ColBertOptions {
    let text = |key: &str| settings[key].as_str().map(str::to_owned);
    let number = |key: &str| settings[key].as_u64().map(|number| number as usize);
    ColBertOptions {
        query_prefix: text("query_prefix"),
        document_prefix: text("document_prefix"),
        query_length: number("query_length"),
        document_length: number("document_length"),
        attend_to_expansion_tokens: settings["attend_to_expansion_tokens"].as_bool(),
        do_query_expansion: settings["do_query_expansion"].as_bool(),
        skiplist_words: Some(strings(&settings["skiplist_words"])),
        ..Default::default()
    }
}

/// Compares every text of a table, and returns how many there were.
pub fn compare(model: &ColBert, name: &str, texts: &[String], table: &Value) -> usize {
    let mut compared = 0;
    for (kind, key) in [(Kind::Query, "query"), (Kind::Document, "document")] {
        let Some(expected) = table[key].as_array() else { continue };
        assert_eq!(expected.len(), texts.len());
        let batch = model.tokenizer().tokenize(texts, kind).unwrap();
        for (index, (text, expected)) in texts.iter().zip(expected).enumerate() {
            let what = format!("{name}, {key}, {text:?}");
            compare_text(&batch, index, expected, &what);
            compared += 1;
        }
    }
    compared
}

fn compare_text(batch: &TokenBatch, index: usize, expected: &Value, what: &str) {
    let range = batch.spans.range(index);
    let ids: Vec<f64> = batch.ids[range.clone()].iter().map(|&id| f64::from(id)).collect();
    assert_eq!(ids, numbers(&expected["ids"]), "ids of {what}");
    let keys = batch.spans.keys(index);
    let attention: Vec<f64> = (0..range.len()).map(|place| if place < keys { 1.0 } else { 0.0 }).collect();
    assert_eq!(attention, numbers(&expected["attention"]), "attention mask of {what}");
    if expected.get("mask").is_some() {
        let mask: Vec<f64> = batch.mask[range].iter().map(|&counts| f64::from(u8::from(counts))).collect();
        assert_eq!(mask, numbers(&expected["mask"]), "scoring mask of {what}");
    }
}

#[test]
fn tiny_vocabulary_in_every_configuration() {
    let golden = json("tokens.json");
    let texts = strings(&golden["texts"]);
    assert!(texts.len() >= 40);
    for (name, folder) in [
        ("tiny", "tiny-colbert"),
        ("attend", "tiny-colbert"),
        ("no_expansion", "tiny-colbert"),
        ("skiplist", "tiny-colbert"),
        ("no_prefix", "tiny-bert"),
        ("known_prefix", "tiny-bert"),
    ] {
        let table = &golden["tables"][name];
        let model = ColBert::from_pretrained_with(fixture(folder), &options(table), &device()).unwrap();
        assert!(compare(&model, name, &texts, table) >= texts.len());
    }
}

#[test]
fn the_english_vocabulary_of_bert() {
    let golden = json("tokens.json");
    let texts = strings(&golden["texts"]);
    let folder = fixture("../../examples/data/bert-small");
    for name in ["minilm", "minilm_no_expansion"] {
        let table = &golden["tables"][name];
        let model = ColBert::from_config(&folder, &options(table), &device()).unwrap();
        assert!(compare(&model, name, &texts, table) >= texts.len());
    }
}
