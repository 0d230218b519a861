//! The gradient of every parameter against that of a fixture, `CASE.grad.NAME`.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Gradients, Tensor},
};
use colburn::{data::Collator, loss::Targets, model::TokenBatch, prelude::*};
use serde_json::Value;

use crate::support::*;

/// Within this, relative to the norm of a parameter's gradient.
const TOLERANCE: f64 = 1e-4;

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

/// Trains for one step on triplets: compares the loss, within 1e-5 relative, and its gradients.
///
/// `losses.Contrastive(model)(features).backward()`.
pub fn of_triplets(case: &str, model: &ColBert, rows: &Value, loss: &Value, golden: &BTreeMap<String, Golden>) {
    let rows: Vec<Vec<String>> = rows.as_array().unwrap().iter().map(strings).collect();
    let count = rows.len();
    let dataset = Dataset::from_rows(&["query", "positive", "negative"], rows).unwrap();
    let model = model.clone().train();
    let collator = Collator::new(model.tokenizer().clone(), dataset).unwrap();
    let batch = collator.collate(&(0..count).collect::<Vec<_>>()).unwrap();
    let embeddings = model.forward(&TokenBatch::concat(&[&batch.queries, &batch.documents]));
    let (queries, documents) = embeddings.split_at(count);
    let found = Contrastive::default().forward(&queries, &documents, &Targets::Positives).unwrap();
    let value = f64::from(found.clone().inner().into_scalar::<f32>());
    let of_pylate = loss.as_f64().unwrap();
    assert!((value - of_pylate).abs() <= 1e-5 * of_pylate.abs(), "{case}: loss {value}, PyLate's {of_pylate}");
    compare(case, &model, &found, golden);
}

/// Compares the gradients of a loss.
pub fn compare(case: &str, model: &ColBert, loss: &Tensor<1>, golden: &BTreeMap<String, Golden>) {
    let gradients = loss.backward();
    let parameters = model.parameters();
    let transposed = parameters.iter().map(|parameter| (parameter.id, parameter.transposed)).collect();
    let mut collect = Collect { gradients: &gradients, transposed, found: BTreeMap::new() };
    model.visit(&mut collect);

    let (mut compared, mut worst) = (0, 0f64);
    for parameter in &parameters {
        let key = format!("{case}.grad.{}", parameter.name);
        let expected = match golden.get(&key) {
            Some(expected) => expected.values.clone(),
            None => dense_rows(&golden[&format!("{key}.rows")], &golden[&format!("{key}.values")], &parameter.shape),
        };
        let found = collect.found.get(&parameter.id).cloned().unwrap_or_else(|| vec![0.0; expected.len()]);
        // A gradient that is nothing but rounding (that of the key biases is zero by symmetry) has no relative error.
        let norm = expected.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-6 {
            assert!(difference(&found, &expected) < 1e-6, "{key}");
        } else {
            let off = relative_difference(&found, &expected);
            worst = worst.max(off);
            assert!(off < TOLERANCE, "{key}: off by {off}, norm {norm}");
        }
        compared += 1;
    }
    println!("{case}: {compared} gradients, off by at most {worst:.1e}");
    let in_fixture =
        golden.keys().filter(|key| key.starts_with(&format!("{case}.grad.")) && !key.ends_with(".values")).count();
    assert_eq!(compared, in_fixture, "{case}: gradients compared, and in the fixture");
}

/// A matrix of which a fixture holds only the rows that are not zero.
fn dense_rows(rows: &Golden, values: &Golden, shape: &[usize]) -> Vec<f32> {
    let mut dense = vec![0.0; shape[0] * shape[1]];
    for (row, values) in rows.values.iter().zip(values.values.chunks(shape[1])) {
        dense[*row as usize * shape[1]..][..shape[1]].copy_from_slice(values);
    }
    dense
}
