//! Triplet accuracy of held-out rows, and its CSV.
//!
//! `evaluation.ColBERTTripletEvaluator(anchors, positives, negatives, name="held-out")(model, output_path=…)`.

use std::fs;

use colburn::prelude::*;

use crate::support::*;

#[test]
fn accuracy_and_csv() {
    let golden = json("triplets_eval.json");
    let rows = Dataset::load(fixture("triplets_eval.jsonl")).unwrap();
    for (name, expand) in [("default", true), ("no_expansion", false)] {
        let golden = &golden[name];
        let options = ColBertOptions { do_query_expansion: Some(expand), ..Default::default() };
        let model = ColBert::from_pretrained_with(fixture("tiny-colbert"), &options, &device()).unwrap();
        let evaluator = TripletEvaluator::new(&rows).unwrap().name("held-out").batch_size(7);
        let report = evaluator.evaluate(&model).unwrap();
        let (accuracy, expected) =
            (report.get("held-out_accuracy").unwrap(), golden["metrics"]["accuracy"].as_f64().unwrap());
        assert!((accuracy - expected).abs() < 1e-6, "{name}: {accuracy}, PyLate's {expected}");

        let folder = tempfile::tempdir().unwrap();
        evaluator.write_csv(&report, folder.path(), -1.0, -1).unwrap();
        evaluator.write_csv(&report, folder.path(), 1.5, 30).unwrap();
        let csv = fs::read_to_string(folder.path().join(golden["csv_name"].as_str().unwrap())).unwrap();
        // PyLate's accuracy has been through f32.
        let accuracy_in_f32 = format!("{:?}", f64::from(accuracy as f32));
        assert_eq!(csv.replace(&format!("{accuracy:?}"), &accuracy_in_f32), golden["csv_text"].as_str().unwrap());
    }
}
