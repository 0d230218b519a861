//! Retrieval: metrics, the documents found with their scores, and files.
//!
//! `evaluation.PyLateInformationRetrievalEvaluator(queries, corpus, relevant_docs, …)(model, output_path=…)`, and
//! `evaluation.NanoBEIREvaluator(["NQ", "msmarco"], …)` made to load the same collections (`xtask/fixtures/golden_retrieval.py`).

use std::{fs, path::Path};

use colburn::{
    eval::{Collection, InformationRetrievalEvaluator, NanoBeirEvaluator},
    prelude::*,
};
use serde_json::Value;

use crate::support::*;

fn collection(name: &str) -> Collection {
    Collection::from_nano_dir(fixture("retrieval").join(name)).unwrap()
}

fn tiny() -> ColBert {
    ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap()
}

/// The model with 2 of its 24 dimensions, in which many maxima are below 0.
fn two_dimensions() -> ColBert {
    let folder = copy_of("tiny-colbert");
    let path = folder.path().join("1_Dense/model.safetensors");
    let mut weights = tensors(&path);
    let weight = weights.get_mut("linear.weight").unwrap();
    let width = weight.shape[1];
    weight.values[..width].fill(0.0);
    weight.values[3 * width..].fill(0.0);
    write_tensors(&path, &weights);
    ColBert::from_pretrained(folder.path(), &device()).unwrap()
}

/// Metrics in PyLate's order with PyLate's values, and files with its names and lines.
fn assert_same(case: &str, evaluator: &dyn Evaluator, model: &ColBert, golden: &Value) -> tempfile::TempDir {
    let report = evaluator.evaluate(model).unwrap();
    let expected = golden["metrics"].as_object().unwrap();
    assert_eq!(evaluator.metrics(), report.metrics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    assert_eq!(report.metrics.len(), expected.len(), "{case}");
    for (name, value) in &report.metrics {
        let expected = expected.get(name).unwrap_or_else(|| panic!("{case}: PyLate has no {name}")).as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{case}: {name} = {value}, PyLate's {expected}");
    }
    assert_eq!(report.primary.as_deref(), golden["primary"].as_str(), "{case}");

    let folder = tempfile::tempdir().unwrap();
    evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
    evaluator.write_csv(&report, folder.path(), 1.5, 30).unwrap();
    for (name, expected) in golden["files"].as_object().unwrap() {
        assert_same_csv(&folder.path().join(name), expected.as_str().unwrap());
    }
    folder
}

/// The same bytes, but that the last digits of a number may differ.
fn assert_same_csv(path: &Path, expected: &str) {
    let found = fs::read_to_string(path).unwrap();
    let (found, expected): (Vec<&str>, Vec<&str>) = (found.split('\n').collect(), expected.split('\n').collect());
    assert_eq!((found[0], found.len()), (expected[0], expected.len()), "{}", path.display());
    for (found, expected) in found[1..].iter().zip(&expected[1..]) {
        let (values, golden): (Vec<&str>, Vec<&str>) = (found.split(',').collect(), expected.split(',').collect());
        assert_eq!(values.len(), golden.len(), "{found}");
        assert_eq!(values.get(..2), golden.get(..2), "epoch and steps");
        for (value, golden) in values.iter().zip(&golden).skip(2) {
            let number = |text: &str| text.parse::<f64>().unwrap();
            assert!(value == golden || (number(value) - number(golden)).abs() < 1e-12, "{found}\n{expected}");
        }
    }
}

/// Every document that PyLate found, with its score, best first.
fn assert_same_predictions(case: &str, folder: &Path, golden: &Value) {
    let text = fs::read_to_string(folder.join(golden["predictions_file"].as_str().unwrap())).unwrap();
    let expected = golden["predictions"].as_object().unwrap();
    assert_eq!(text.lines().count(), expected.len());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let expected = expected[line["query_id"].as_str().unwrap()].as_object().unwrap();
        let results = line["results"].as_array().unwrap();
        assert_eq!(results.len(), expected.len());
        assert!(results.is_sorted_by(|a, b| a["score"].as_f64() >= b["score"].as_f64()));
        for result in results {
            let (id, score) = (result["corpus_id"].as_str().unwrap(), result["score"].as_f64().unwrap());
            let expected = expected[id].as_f64().unwrap();
            assert!((score - expected).abs() < 1e-5, "{case}: {id} scores {score}, PyLate's {expected}");
        }
    }
    // Scores differ in their last digits; all else is the same to the byte.
    let without_digits = |line: &str| line.split("\"score\": ").map(after_number).collect::<Vec<_>>().concat();
    let (found, golden) = (text.lines().next().unwrap(), golden["predictions_line"].as_str().unwrap());
    assert_eq!(without_digits(found), without_digits(golden), "{case}");
}

/// A text without the number that it begins with.
fn after_number(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
}

#[test]
fn metrics_and_scores() {
    let golden = json("retrieval.json");
    let evaluator = |collection_name: &str, name: &str| {
        InformationRetrievalEvaluator::new(collection(collection_name)).name(name).write_predictions(true).unwrap()
    };
    let prompts = evaluator("first", "prompts")
        .query_prompt("question: ")
        .corpus_prompt("passage: ")
        .mrr_at_k(&[3, 1000])
        .and_then(|evaluator| evaluator.ndcg_at_k(&[1, 5])?.accuracy_at_k(&[2])?.precision_recall_at_k(&[7, 4]))
        .and_then(|evaluator| evaluator.map_at_k(&[1, 30]))
        .unwrap();
    let chunks = evaluator("first", "").corpus_chunk_size(3).unwrap().batch_size(2).unwrap();
    let no_expansion = ColBertOptions { do_query_expansion: Some(false), ..Default::default() };
    let no_expansion = ColBert::from_pretrained_with(fixture("tiny-colbert"), &no_expansion, &device()).unwrap();
    for (case, evaluator, model) in [
        ("default", evaluator("first", "first"), tiny()),
        ("prompts", prompts, tiny()),
        ("no_expansion", evaluator("second", "no_expansion").map_at_k(&[5]).unwrap(), no_expansion),
        ("chunks", chunks, two_dimensions()),
        ("whole", evaluator("first", "").batch_size(7).unwrap(), two_dimensions()),
    ] {
        // The second call finds no predictions to write, so that those of the evaluation stay.
        let folder = assert_same(case, &evaluator, &model, &golden[case]);
        assert_same_predictions(case, folder.path(), &golden[case]);
    }
}

#[test]
fn several_collections_and_their_means() {
    let golden = &json("retrieval.json")["nano_beir"];
    // The names that PyLate was made to find them under.
    let root = tempfile::tempdir().unwrap();
    for (from, to) in [("first", "NanoNQ"), ("second", "msmarco")] {
        copy_folder(&fixture("retrieval").join(from), &root.path().join(to));
    }
    let evaluator = |names: &[&str]| NanoBeirEvaluator::new(names, Some(root.path())).unwrap();
    let prompts = evaluator(&["nq", "msmarco"])
        .query_prompts([("NanoNQ", "question: "), ("msmarco", "who knows? ")])
        .and_then(|evaluator| evaluator.corpus_prompts("passage: ")?.ndcg_at_k(&[3, 20])?.map_at_k(&[5]))
        .unwrap();
    for (case, evaluator) in
        [("plain", evaluator(&["NQ", "msmarco"])), ("prompts", prompts), ("one", evaluator(&["NanoMSMARCO"]))]
    {
        assert_same(case, &evaluator, &tiny(), &golden[case]);
    }
}
