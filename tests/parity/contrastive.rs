//! Scores, loss values within 1e-5 and gradients within 1e-4, relative, of batches of real rows.
//!
//! `losses.Contrastive(model, temperature=…, size_average=…)(ColBERTCollator(model.tokenize)(rows))`, `.backward()`.

use burn::module::Module;
use colburn::{
    data::{Collator, Missing, RowOptions, TextRows},
    loss::{Score, Targets},
    model::TokenBatch,
    ops::{Embeddings, maxsim, xtr},
    prelude::*,
};
use serde_json::Value;

use crate::{gradients, support::*};

struct Case {
    model: ColBert,
    loss: Contrastive,
    queries: Embeddings,
    documents: Embeddings,
}

fn case(golden: &Value) -> Case {
    let options = ColBertOptions {
        do_query_expansion: golden["do_query_expansion"].as_bool(),
        attend_to_expansion_tokens: golden["attend_to_expansion_tokens"].as_bool(),
        ..Default::default()
    };
    let model = ColBert::from_pretrained_with(fixture("tiny-colbert"), &options, &device()).unwrap().train();
    let rows: Vec<Vec<String>> = golden["rows"].as_array().unwrap().iter().map(strings).collect();
    let negatives = (1..rows[0].len() - 1).map(|number| format!("negative_{number}"));
    let columns: Vec<String> = ["query".to_owned(), "positive".to_owned()].into_iter().chain(negatives).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let count = rows.len();
    let dataset = Dataset::from_rows(&columns, rows).unwrap();
    // One of the negatives is an empty text.
    let options = RowOptions { missing: Missing::Keep, ..RowOptions::default() };
    let collator = Collator::new(model.tokenizer().clone(), TextRows::new(dataset, options).unwrap()).unwrap();
    let batch = collator.collate(&(0..count).collect::<Vec<_>>()).unwrap();
    // One pass through the encoder for both sides, as the trainer does it.
    let embeddings = model.forward(&TokenBatch::concat(&[&batch.queries, &batch.documents]));
    let (queries, documents) = embeddings.split_at(count);
    let loss = Contrastive {
        temperature: golden["temperature"].as_f64().unwrap(),
        size_average: golden["size_average"].as_bool().unwrap(),
        score: score(golden),
        ..Default::default()
    };
    Case { model, loss, queries, documents }
}

/// MaxSim, unless the case says how many matches XTR keeps.
pub fn score(golden: &Value) -> Score {
    golden["xtr_k"].as_u64().map_or(Score::MaxSim, |k| Score::Xtr { k: k as usize })
}

#[test]
fn scores_and_losses() {
    let (golden, scores) = (json("contrastive.json"), tensors(&fixture("contrastive.safetensors")));
    let cases = golden.as_object().unwrap();
    assert!(cases.len() >= 12);
    let mut worst = (0f64, 0f64);
    for (name, golden) in cases {
        let case = case(golden);
        let found = match case.loss.score {
            Score::MaxSim => maxsim(&case.queries, &case.documents, MaskRule::Zero),
            Score::Xtr { k } => xtr(&case.queries, &case.documents, k),
        };
        let found = found.unwrap().inner();
        let expected = &scores[&format!("{name}.scores")];
        assert_eq!(found.dims(), expected.shape[..]);
        let off = relative_difference(&found.into_data().try_to_vec::<f32>().unwrap(), &expected.values);
        assert!(off < 1e-5, "scores of {name}: off by {off}");

        let loss = case.loss.forward(&case.queries, &case.documents, &Targets::Positives).unwrap();
        let (loss, expected) = (f64::from(loss.inner().into_scalar::<f32>()), golden["loss"].as_f64().unwrap());
        assert!((loss - expected).abs() <= 1e-5 * expected.abs(), "{name}: loss {loss}, PyLate's {expected}");
        worst = (worst.0.max(off), worst.1.max((loss - expected).abs() / expected.abs()));
    }
    println!("{} cases: scores off by at most {:.1e}, losses by {:.1e}", cases.len(), worst.0, worst.1);
}

#[test]
fn gradients_of_every_parameter() {
    let (cases, golden) = (json("contrastive.json"), tensors(&fixture("contrastive.safetensors")));
    for name in ["default", "no_expansion", "three_negatives", "floor", "pad_in_text", "xtr"] {
        let case = case(&cases[name]);
        let loss = case.loss.forward(&case.queries, &case.documents, &Targets::Positives).unwrap();
        gradients::compare(name, &case.model, &loss, &golden);
    }
}

/// PyLate's CachedContrastive has Contrastive's value, but a gradient that is larger by the number of rows. With gradient caching in the
/// trainer ours must have Contrastive's for both.
#[test]
fn the_value_of_cached_contrastive_is_that_of_contrastive() {
    let golden = &json("contrastive.json")["default"];
    let cached = &golden["cached"];
    let case = case(golden);
    let loss = case.loss.forward(&case.queries, &case.documents, &Targets::Positives).unwrap();
    let (loss, expected) = (f64::from(loss.inner().into_scalar::<f32>()), cached["loss"].as_f64().unwrap());
    assert!((loss - expected).abs() < 1e-5 * expected, "loss {loss}, PyLate's {expected}");
    let rows = golden["rows"].as_array().unwrap().len() as f64;
    assert!((cached["gradient_ratio"].as_f64().unwrap() - rows).abs() < 1e-3, "PyLate has changed: {cached}");
}
