//! Binary metrics that say what ties are worth, as scikit-learn has them; sentence-transformers computes with these.

use std::ops::Range;

use crate::Result;
use crate::rank::order;

/// Candidates with one score: which places of the ranking they share, and how many of them are relevant.
struct Tied {
    places: Range<usize>,
    relevant: f64,
}

/// The groups of equal scores, best first. The first `positives` candidates are relevant.
fn groups(scores: &[f32], positives: usize) -> Result<Vec<Tied>> {
    let order = order(scores)?;
    let groups = order.chunk_by(|&a, &b| scores[a] == scores[b]);
    let mut end = 0;
    let group = |group: &[usize]| {
        let start = end;
        end += group.len();
        let relevant = group.iter().filter(|&&candidate| candidate < positives).count() as f64;
        Tied { places: start..end, relevant }
    };
    Ok(groups.map(group).collect())
}

/// nDCG@k, the mean over all orders of tied candidates (McSherry and Najork 2008; `sklearn.metrics.ndcg_score`).
pub(super) fn ndcg(scores: &[f32], positives: usize, k: usize) -> Result<f64> {
    let discounts = |places: Range<usize>| {
        let counted = places.start.min(k)..places.end.min(k);
        counted.map(|place| 1.0 / ((place + 2) as f64).log2()).sum::<f64>()
    };
    let gain = |group: Tied| group.relevant / group.places.len() as f64 * discounts(group.places);
    let dcg: f64 = groups(scores, positives)?.into_iter().map(gain).sum();
    let ideal = discounts(0..positives);
    Ok(if ideal > 0.0 { dcg / ideal } else { 0.0 })
}

/// Average precision, where tied candidates are retrieved at once (`sklearn.metrics.average_precision_score`).
pub(super) fn average_precision(scores: &[f32], positives: usize) -> Result<f64> {
    let (mut found, mut sum) = (0.0, 0.0);
    for group in groups(scores, positives)? {
        found += group.relevant;
        sum += group.relevant * found / group.places.end as f64;
    }
    Ok(if positives > 0 { sum / positives as f64 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: Result<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-14, "{found}, scikit-learn's {expected}");
    }

    // from sklearn.metrics import average_precision_score, ndcg_score
    // ndcg_score([[1, 1, 0, 0, 0]], [[1., .5, 1., .5, .5]], k=k), average_precision_score([1, 1, 0, 0, 0], [1., .5, 1., .5, .5])
    #[test]
    fn ties_are_worth_what_scikit_learn_says() {
        let scores = [1.0, 0.5, 1.0, 0.5, 0.5];
        for (k, expected) in
            [(1, 0.5), (2, 0.5), (3, 0.6021911987942431), (5, 0.7692798105748722), (10, 0.7692798105748722)]
        {
            assert_close(ndcg(&scores, 2, k), expected);
        }
        assert_close(average_precision(&scores, 2), 0.45);
    }

    // The cases of xtask/fixtures/golden_rank.py: 24 lists of candidates, every other one with many ties.
    #[test]
    fn many_candidates_against_scikit_learn() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/rank.json");
        let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in golden["candidates"].as_array().unwrap() {
            let scores: Vec<f32> =
                case["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap() as f32).collect();
            let positives = case["positives"].as_u64().unwrap() as usize;
            for (k, expected) in case["ndcg"].as_object().unwrap() {
                assert_close(ndcg(&scores, positives, k.parse().unwrap()), expected.as_f64().unwrap());
            }
            assert_close(average_precision(&scores, positives), case["map"].as_f64().unwrap());
        }
    }

    #[test]
    fn a_model_that_cannot_tell_candidates_apart_gains_nothing() {
        assert_close(average_precision(&[7.0; 10], 1), 0.1);
        assert_close(ndcg(&[7.0; 4], 1, 1), 0.25);
    }

    #[test]
    fn without_ties_these_are_the_metrics_of_rank() {
        let scores = [0.3, 0.9, 0.1, 0.8, 0.2, 0.7];
        // Candidates 1, 3, 5, 0, 4, 2; of these, 0, 1 and 2 are relevant.
        let ranking = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let ranked = crate::rank::Ranked { grades: &ranking, judged: &[1.0; 3] };
        assert_close(average_precision(&scores, 3), ranked.average_precision(None));
        for k in [1, 2, 4, 6, 10] {
            assert_close(ndcg(&scores, 3, k), ranked.ndcg(k, crate::rank::Gain::Binary));
        }
    }
}
