//! Reranking of given candidates: metrics and CSV, and one sample with a tie.
//!
//! `RerankingEvaluator(samples, at_k=…, name=…, similarity_fct=maxsim)(model, output_path=…)` of sentence-transformers.

use std::fs;

use colburn::{
    eval::{DistillationEvaluator, RerankingEvaluator, RerankingSample},
    prelude::*,
};
use serde_json::Value;

use crate::support::*;

const TOLERANCE: f64 = 1e-12;

fn samples() -> Vec<RerankingSample> {
    let lines = fs::read_to_string(fixture("reranking.jsonl")).unwrap();
    let sample = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let query = row["query"].as_str().unwrap().to_owned();
        RerankingSample { query, positive: strings(&row["positive"]), negative: strings(&row["negative"]) }
    };
    lines.lines().map(sample).collect()
}

/// Fields of the lines of a CSV file, as numbers.
fn fields(csv: &str) -> Vec<f64> {
    csv.lines().skip(1).flat_map(|line| line.split(',')).map(|field| field.parse().unwrap()).collect()
}

#[test]
fn metrics_and_csv() {
    let golden = json("reranking.json");
    let model = ColBert::from_pretrained(fixture("tiny-colbert"), &device()).unwrap();
    let rows = Dataset::load(fixture("reranking.jsonl")).unwrap();
    let mut worst = 0f64;
    for golden in golden["cases"].as_array().unwrap() {
        for evaluator in [RerankingEvaluator::from_dataset(&rows), RerankingEvaluator::new(samples())] {
            let (k, name) = (&golden["arguments"]["at_k"], golden["arguments"]["name"].as_str().unwrap_or(""));
            // Stretches of few samples: where they end must not show.
            let evaluator =
                evaluator.unwrap().name(name).at_k(k.as_u64().unwrap_or(10) as usize).unwrap().batch_size(2);
            assert_eq!(evaluator.samples() as u64, golden["samples"].as_u64().unwrap());

            let mut seen = Vec::new();
            let report = evaluator.evaluate_with(&model, &mut |at| seen.push((at.done, at.total))).unwrap();
            assert!(seen.len() > 3 && seen.last() == Some(&(evaluator.samples(), evaluator.samples())), "{seen:?}");
            let expected = golden["metrics"].as_object().unwrap();
            assert_eq!(evaluator.metrics(), expected.keys().cloned().collect::<Vec<_>>());
            assert_eq!(report.primary.as_deref(), golden["primary"].as_str());
            for (metric, expected) in expected {
                let off = (report.get(metric).unwrap() - expected.as_f64().unwrap()).abs();
                assert!(off < TOLERANCE, "{metric}: off by {off}");
                worst = worst.max(off);
            }

            let folder = tempfile::tempdir().unwrap();
            evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
            evaluator.write_csv(&report, folder.path(), 1.5, 30).unwrap();
            let csv = fs::read_to_string(folder.path().join(golden["csv_name"].as_str().unwrap())).unwrap();
            let expected = golden["csv_text"].as_str().unwrap();
            assert_eq!(csv.split_once("\r\n").unwrap().0, expected.split_once("\r\n").unwrap().0);
            assert!(csv.contains("\r\n-1,-1,") && csv.contains("\r\n1.5,30,") && csv.ends_with("\r\n"), "{csv}");
            let off = fields(&csv).into_iter().zip(fields(expected)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < TOLERANCE && fields(&csv).len() == fields(expected).len(), "{csv}");
        }
    }
    println!("off by at most {worst:.1e}");
}

#[test]
fn scores_that_are_no_numbers_are_named() {
    let folder = copy_of("tiny-colbert");
    let file = folder.path().join("1_Dense/model.safetensors");
    let mut dense = tensors(&file);
    dense.values_mut().for_each(|tensor| tensor.values.fill(f32::NAN));
    write_tensors(&file, &dense);
    let model = ColBert::from_pretrained(folder.path(), &device()).unwrap();
    let message = RerankingEvaluator::new(samples()).unwrap().evaluate(&model).unwrap_err().to_string();
    assert!(message.starts_with("the score of query 0 with document 0 is "), "{message}");
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let kd = DistillationEvaluator::from_lists(vec!["q".into()], vec![texts(["a", "b"])], vec![vec![1.0, 2.0]]);
    let message = kd.unwrap().evaluate(&model).unwrap_err().to_string();
    assert!(message.starts_with("the score of query 0 with document 0 is "), "{message}");
}
