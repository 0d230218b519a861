//! The divergence from a teacher on the rows of `kd/`, within 1e-6, and its CSV.
//!
//! `evaluation.ColBERTDistillationEvaluator(queries, documents, scores, name=…, normalize_scores=…)(model, output_path=…)`.

use std::fs;

use colburn::{eval::DistillationEvaluator, prelude::*};

use crate::support::*;

#[test]
fn divergence_and_csv() {
    let golden = json("kd_evaluation.json");
    let (mut worst, mut floor_shows) = (0f64, 0);
    for (case, golden) in golden.as_object().unwrap() {
        let options = ColBertOptions {
            do_query_expansion: golden["arguments"]["do_query_expansion"].as_bool(),
            ..Default::default()
        };
        let model = ColBert::from_pretrained_with(fixture("tiny-colbert"), &options, &device()).unwrap();
        let number = |key: &str| golden[key].as_u64().unwrap() as usize;
        let table = fixture(golden["table"].as_str().unwrap());
        let data = KdProcessing::load(table, fixture("kd/queries.jsonl"), fixture("kd/documents.jsonl")).unwrap();
        let data = data.n_ways(number("n_ways")).unwrap().take(number("rows"));
        let rows = 0..data.len();
        let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let queries = rows.clone().map(|row| data.query(row).unwrap().to_owned()).collect();
        let documents = rows.clone().map(|row| texts(data.documents(row).unwrap())).collect();
        let scores = rows.map(|row| data.scores(row).unwrap()).collect();
        let in_memory = DistillationEvaluator::from_lists(queries, documents, scores).unwrap();
        for (evaluator, batch_size) in [(DistillationEvaluator::new(&data).unwrap(), 3), (in_memory, 64)] {
            let evaluator = evaluator
                .name(golden["name"].as_str().unwrap())
                .normalize_scores(golden["normalize_scores"].as_bool().unwrap())
                .batch_size(batch_size);
            let report = evaluator.evaluate(&model).unwrap();
            let (metric, expected) = golden["metrics"].as_object().unwrap().iter().next().unwrap();
            assert_eq!((evaluator.metrics(), report.primary.as_ref()), (vec![metric.clone()], Some(metric)));
            let (found, expected) = (report.get(metric).unwrap(), expected.as_f64().unwrap());
            let off = (found - expected).abs();
            assert!(off < 1e-6, "{case}: {found}, PyLate's {expected}");
            worst = worst.max(off);
            floor_shows += usize::from((found - golden["unpadded"].as_f64().unwrap()).abs() > 5e-6);

            let folder = tempfile::tempdir().unwrap();
            evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
            evaluator.write_csv(&report, folder.path(), 1.5, 30).unwrap();
            let csv = fs::read_to_string(folder.path().join(golden["csv_name"].as_str().unwrap())).unwrap();
            assert_eq!(
                csv.replace(&format!("{found:?}"), &format!("{expected:?}")),
                golden["csv_text"].as_str().unwrap()
            );
        }
    }
    assert!(floor_shows >= 4, "the zero floor of padding does not show in these rows");
    println!("off by at most {worst:.1e}");
}
