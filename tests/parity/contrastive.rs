//! Scores, loss values within 1e-5 and gradients within 1e-4, relative, of batches of real rows.
//!
//! `losses.Contrastive(model, temperature=…, size_average=…)(ColBERTCollator(model.tokenize)(rows))`, `.backward()`.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Gradients, Tensor},
};
use colburn::{
    data::Collator,
    loss::Targets,
    model::TokenBatch,
    ops::{Embeddings, maxsim},
    prelude::*,
};
use serde_json::Value;

use crate::support::*;

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
    let collator = Collator::new(model.tokenizer().clone(), &dataset).unwrap();
    let batch = collator.collate(&(0..count).collect::<Vec<_>>()).unwrap();
    // One pass through the encoder for both sides, as the trainer does it.
    let embeddings = model.forward(&TokenBatch::concat(&[&batch.queries, &batch.documents]));
    let (queries, documents) = embeddings.split_at(count);
    let loss = Contrastive {
        temperature: golden["temperature"].as_f64().unwrap(),
        size_average: golden["size_average"].as_bool().unwrap(),
        ..Default::default()
    };
    Case { model, loss, queries, documents }
}

#[test]
fn scores_and_losses() {
    let (golden, scores) = (json("contrastive.json"), tensors(&fixture("contrastive.safetensors")));
    let cases = golden.as_object().unwrap();
    assert!(cases.len() >= 6);
    for (name, golden) in cases {
        let case = case(golden);
        let found = maxsim(&case.queries, &case.documents, MaskRule::Zero).unwrap().inner();
        let expected = &scores[&format!("{name}.scores")];
        assert_eq!(found.dims(), expected.shape[..]);
        let off = relative_difference(&found.into_data().try_to_vec::<f32>().unwrap(), &expected.values);
        assert!(off < 1e-5, "scores of {name}: off by {off}");

        let loss = case.loss.forward(&case.queries, &case.documents, &Targets::Positives).unwrap();
        let (loss, expected) = (f64::from(loss.inner().into_scalar::<f32>()), golden["loss"].as_f64().unwrap());
        assert!((loss - expected).abs() <= 1e-5 * expected.abs(), "{name}: loss {loss}, PyLate's {expected}");
    }
}

/// Gradients by parameter, as PyTorch has them.
struct Collect<'a> {
    gradients: &'a Gradients,
    transposed: BTreeMap<ParamId, bool>,
    found: BTreeMap<ParamId, Vec<f32>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad(self.gradients) else { return };
        let gradient = if self.transposed[&param.id] { gradient.transpose() } else { gradient };
        self.found.insert(param.id, gradient.into_data().try_to_vec().unwrap());
    }
}

#[test]
fn gradients_of_every_parameter() {
    let (cases, golden) = (json("contrastive.json"), tensors(&fixture("contrastive.safetensors")));
    let mut compared = 0;
    for name in ["default", "no_expansion", "three_negatives", "floor", "pad_in_text"] {
        let case = case(&cases[name]);
        let loss = case.loss.forward(&case.queries, &case.documents, &Targets::Positives).unwrap();
        let gradients = loss.backward();
        let parameters = case.model.parameters();
        let transposed = parameters.iter().map(|parameter| (parameter.id, parameter.transposed)).collect();
        let mut collect = Collect { gradients: &gradients, transposed, found: BTreeMap::new() };
        case.model.visit(&mut collect);

        for parameter in &parameters {
            let key = format!("{name}.grad.{}", parameter.name);
            let expected = match golden.get(&key) {
                Some(expected) => expected.values.clone(),
                None => {
                    dense_rows(&golden[&format!("{key}.rows")], &golden[&format!("{key}.values")], &parameter.shape)
                }
            };
            let found = collect.found.get(&parameter.id).cloned().unwrap_or_else(|| vec![0.0; expected.len()]);
            // A gradient that is nothing but rounding (that of the key biases is zero by symmetry) has no relative error.
            let norm = expected.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            if norm < 1e-6 {
                assert!(difference(&found, &expected) < 1e-6, "{key}");
            } else {
                let off = relative_difference(&found, &expected);
                assert!(off < 1e-4, "{key}: off by {off}, norm {norm}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 5 * 38, "{compared} gradients");
}

/// A matrix of which a fixture holds only the rows that are not zero.
fn dense_rows(rows: &Golden, values: &Golden, shape: &[usize]) -> Vec<f32> {
    let mut dense = vec![0.0; shape[0] * shape[1]];
    for (row, values) in rows.values.iter().zip(values.values.chunks(shape[1])) {
        dense[*row as usize * shape[1]..][..shape[1]].copy_from_slice(values);
    }
    dense
}
