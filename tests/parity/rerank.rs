//! MaxSim of all queries with all documents, and reranking.
//!
//! `scores.colbert_scores(queries, pad_sequence(documents), documents_mask=…)` and
//! `rank.rerank(ids, queries_embeddings, documents_embeddings)`.

use std::collections::BTreeMap;

use colburn::{
    prelude::*,
    search::{Floor, Packed, RerankResult, Scoring, rerank, scores},
};
use serde_json::Value;

use crate::support::*;

/// For sums of a few products; scores are of the order of 10.
const TOLERANCE: f32 = 1e-5;
/// Where the embeddings are ours too: those of 16 query tokens are within 1e-5 each.
const ENCODED_TOLERANCE: f32 = 5e-5;

fn text(golden: &Golden) -> TokenEmbeddings {
    TokenEmbeddings { values: golden.values.clone(), dim: golden.shape[1] }
}

/// The texts of a tensor `[texts, tokens, dim]`.
fn texts(golden: &Golden) -> Vec<TokenEmbeddings> {
    let [_, tokens, dim] = golden.shape[..] else { panic!("{:?}", golden.shape) };
    golden.values.chunks(tokens * dim).map(|values| TokenEmbeddings { values: values.to_vec(), dim }).collect()
}

fn candidates(golden: &BTreeMap<String, Golden>, ids: &Value) -> Vec<Vec<TokenEmbeddings>> {
    let lists = ids.as_array().unwrap().iter().enumerate();
    let list = |(query, ids): (usize, &Value)| {
        let places = 0..ids.as_array().unwrap().len();
        places.map(|place| text(&golden[&format!("document.{query}.{place}")])).collect()
    };
    lists.map(list).collect()
}

fn assert_ranked(found: &[Vec<RerankResult<Value>>], expected: &Value, tolerance: f32) {
    let expected = expected.as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for (query, (found, expected)) in found.iter().zip(expected).enumerate() {
        let expected = expected.as_array().unwrap();
        let ids: Vec<&Value> = expected.iter().map(|result| &result["id"]).collect();
        assert_eq!(found.iter().map(|result| &result.id).collect::<Vec<_>>(), ids, "query {query}");
        for (found, expected) in found.iter().zip(expected) {
            let off = (f64::from(found.score) - expected["score"].as_f64().unwrap()).abs();
            assert!(off <= f64::from(tolerance), "query {query}, {}: off by {off}", found.id);
        }
    }
}

fn ids(golden: &Value) -> Vec<Vec<Value>> {
    golden["ids"].as_array().unwrap().iter().map(|ids| ids.as_array().unwrap().clone()).collect()
}

#[test]
fn of_random_candidates_of_different_lengths() {
    let (tensors, golden) = (tensors(&fixture("rerank.safetensors")), json("rerank.json"));
    let golden = &golden["random"];
    let documents = candidates(&tensors, &golden["ids"]);
    let queries: Vec<TokenEmbeddings> =
        (0..documents.len()).map(|query| text(&tensors[&format!("query.{query}")])).collect();
    let found = rerank(&ids(golden), &queries, &documents).unwrap();
    assert_ranked(&found, &golden["results"], TOLERANCE);
}

#[test]
fn of_texts_by_a_model() {
    let golden = &json("rerank.json")["tiny"];
    let (ids, device) = (ids(golden), device());
    let lists = |embeddings: &[TokenEmbeddings]| -> Vec<Vec<TokenEmbeddings>> {
        let one = |id: &Value| embeddings[id.as_u64().unwrap() as usize].clone();
        ids.iter().map(|ids| ids.iter().map(one).collect()).collect()
    };

    let stored = tensors(&fixture("embeddings.safetensors"));
    let of = |kind: &str| -> Vec<TokenEmbeddings> { (0..8).map(|at| text(&stored[&format!("{kind}.{at}")])).collect() };
    let found = rerank(&ids, &of("query"), &lists(&of("document"))).unwrap();
    assert_ranked(&found, &golden["results"], TOLERANCE);

    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device).unwrap();
    let encode = |texts: &Value, kind| model.encode(&strings(texts), kind, &EncodeOptions::default()).unwrap();
    let (queries, documents) = (encode(&golden["queries"], Kind::Query), encode(&golden["documents"], Kind::Document));
    let found = rerank(&ids, &queries, &lists(&documents)).unwrap();
    assert_ranked(&found, &golden["results"], ENCODED_TOLERANCE);
}

#[test]
fn of_all_queries_with_all_documents() {
    let (tensors, golden) = (tensors(&fixture("rerank.safetensors")), json("rerank.json"));
    let queries = Packed::from_embeddings(&texts(&tensors["batch.queries"])).unwrap();
    let documents = candidates(&tensors, &golden["random"]["ids"]).concat();
    let longest = documents.iter().map(TokenEmbeddings::tokens).max().unwrap();
    let documents = Packed::from_embeddings(&documents).unwrap();

    // A masked token counts 0, which is to leave it out and to mark its document.
    let mask = tensors["masked.mask"].values.chunks(5);
    let marked: Vec<bool> = mask.clone().map(|mask| mask.contains(&0.0)).collect();
    let kept = |(document, mask): (TokenEmbeddings, &[f32])| {
        let rows = document.rows().zip(mask).filter(|&(_, &mask)| mask == 1.0).flat_map(|(row, _)| row.to_vec());
        TokenEmbeddings { values: rows.collect(), dim: document.dim }
    };
    let masked: Vec<TokenEmbeddings> = texts(&tensors["masked.documents"]).into_iter().zip(mask).map(kept).collect();
    let masked = Packed::from_embeddings(&masked).unwrap();

    let found = scores(&queries, &documents, Floor::PaddedTo(longest)).unwrap();
    assert_close("padded", &found, &tensors["batch.scores"], TOLERANCE);
    let found = scores(&queries, &masked, Floor::Marked(&marked)).unwrap();
    assert_close("masked", &found, &tensors["masked.scores"], TOLERANCE);

    let on_device = Scoring::Device(device());
    let found = on_device.scores(&queries, &documents, Floor::PaddedTo(longest)).unwrap();
    assert_close("padded, on the device", &found, &tensors["batch.scores"], TOLERANCE);
    let found = on_device.scores(&queries, &masked, Floor::Marked(&marked)).unwrap();
    assert_close("masked, on the device", &found, &tensors["masked.scores"], TOLERANCE);
}
