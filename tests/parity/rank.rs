//! Rank metrics against ranx and trec_eval, within 1e-12, on runs without ties; and how often the three disagree about ties.
//!
//! ```python
//! ranx.evaluate(Qrels(qrels), Run(run), metrics, make_comparable=True)   # pylate.evaluation.evaluate
//! pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
//! ```

use colburn::{
    eval::rank::{Evaluation, Metric, Qrels, Runs, evaluate},
    search::RerankResult,
};
use serde_json::Value;

use crate::support::*;

const TOLERANCE: f64 = 1e-12;

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

fn qrels(golden: &Value) -> Qrels {
    let grades = |judged| object(judged).map(|(id, grade)| (id.clone(), grade.as_f64().unwrap())).collect();
    object(&golden["qrels"]).map(|(query, judged)| (query.clone(), grades(judged))).collect()
}

fn runs(golden: &Value) -> Runs {
    let results = |found| {
        let result =
            |(id, score): (&String, &Value)| RerankResult { id: id.clone(), score: score.as_f64().unwrap() as f32 };
        object(found).map(result).collect()
    };
    object(&golden["run"]).map(|(query, found)| (query.clone(), results(found))).collect()
}

fn evaluated<'a>(golden: &Value, metrics: impl Iterator<Item = &'a String>) -> Evaluation {
    let metrics: Vec<Metric> = metrics.map(|metric| metric.parse().unwrap()).collect();
    evaluate(&runs(golden), &qrels(golden), &metrics).unwrap()
}

#[test]
fn ranx() {
    let (mut compared, mut worst) = (0, 0f64);
    for golden in json("rank.json")["cases"].as_array().unwrap() {
        let found = evaluated(golden, object(&golden["means"]).map(|(metric, _)| metric));
        assert_eq!(found.queries(), strings(&golden["queries"]));
        for (metric, mean) in found.means() {
            let off = (mean - golden["means"][&metric].as_f64().unwrap()).abs();
            assert!(off < TOLERANCE, "{} of {}: off by {off}", metric, golden["name"]);
            (compared, worst) = (compared + 1, worst.max(off));
        }
        for (metric, expected) in object(&golden["per_query"]) {
            let off = found.per_query(metric).unwrap().iter().zip(numbers(expected)).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f64::max) < TOLERANCE, "{metric} of {}", golden["name"]);
        }
    }
    assert!(compared > 250);
    println!("{compared} means of ranx: off by at most {worst:.1e}");
}

/// trec_eval leaves queries without results out of its means, and calls what it cuts by other names.
#[test]
fn trec_eval() {
    let (mut compared, mut worst) = (0, 0f64);
    for golden in json("rank.json")["cases"].as_array().unwrap() {
        let found = evaluated(golden, object(&golden["trec_means"]).map(|(metric, _)| metric));
        let queries = strings(&golden["trec_queries"]);
        for (metric, expected) in object(&golden["trec_means"]) {
            let values = found.queries().iter().zip(found.per_query(metric).unwrap());
            let values = values.filter(|(query, _)| queries.contains(query)).map(|(_, value)| value);
            let off = (values.sum::<f64>() / queries.len() as f64 - expected.as_f64().unwrap()).abs();
            assert!(off < TOLERANCE, "{metric} of {}: off by {off}", golden["name"]);
            (compared, worst) = (compared + 1, worst.max(off));
        }
    }
    assert!(compared > 90);
    println!("{compared} means of trec_eval: off by at most {worst:.1e}");
}

/// Our rule: results of one score stand in the order in which they were given. ranx's sort keeps that order too, but only for up to 15 results,
/// of which it makes insertion sort; trec_eval puts the greater id first. Queries without ties agree in any case.
#[test]
fn ties() {
    let golden = &json("rank.json")["ties"];
    let found = evaluated(golden, [&"ndcg@10".to_owned()].into_iter());
    let runs = runs(golden);
    let tied = |query: &str| {
        let mut scores: Vec<f32> = runs.get(query).into_iter().flatten().map(|result| result.score).collect();
        scores.sort_by(f32::total_cmp);
        scores.windows(2).any(|pair| pair[0] == pair[1])
    };
    let (mut with_ties, mut others) = (0, [0, 0]);
    for (query, value) in found.queries().iter().zip(found.per_query("ndcg@10").unwrap()) {
        with_ties += usize::from(tied(query));
        for (others, library) in others.iter_mut().zip(["ranx", "trec_eval"]) {
            // trec_eval has no value for a query without results.
            let differs = golden[library][query].as_f64().is_some_and(|theirs| (value - theirs).abs() > TOLERANCE);
            assert!(!differs || tied(query), "{library}: {query}");
            *others += usize::from(differs);
        }
    }
    assert_eq!(with_ties as u64, golden["tied"].as_u64().unwrap());
    println!("{with_ties} queries with ties: {} differ from ranx, {} from trec_eval", others[0], others[1]);
    assert_eq!(others, [0, 4]);
}
