//! Results of many queries against judgements: `evaluation.evaluate` of PyLate, which is ranx.

use std::collections::{BTreeMap, HashMap};

use colburn_search::RerankResult;

use super::{Metric, Ranked, order};
use crate::{Error, Result};

/// Judgements: of each query, by its id, the grades of documents. 0 means not relevant; documents that are not named count as that.
pub type Qrels = BTreeMap<String, BTreeMap<String, f64>>;

/// Results: of each query, by its id, documents with scores, in any order. PyLate gives queries and lists of results side by side, which is
/// `queries.into_iter().zip(results).collect()`.
pub type Runs = BTreeMap<String, Vec<RerankResult<String>>>;

/// The result of [`evaluate`]: every metric of every query.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    queries: Vec<String>,
    /// Metrics in the order that was asked for, each with its values in the order of the queries.
    values: Vec<(Metric, Vec<f64>)>,
}

impl Evaluation {
    /// The means over all queries, by the metrics' names, in the order that was asked for.
    pub fn means(&self) -> Vec<(String, f64)> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        self.values.iter().map(|(metric, values)| (metric.to_string(), mean(values))).collect()
    }

    /// The mean of one metric.
    pub fn mean(&self, metric: &str) -> Option<f64> {
        self.means().into_iter().find(|(name, _)| name == metric).map(|(_, mean)| mean)
    }

    /// The queries, in the order of their ids: those that are judged.
    pub fn queries(&self) -> &[String] {
        &self.queries
    }

    /// The values of one metric, in the order of [`Evaluation::queries`].
    pub fn per_query(&self, metric: &str) -> Option<&[f64]> {
        self.values.iter().find(|(known, _)| known.to_string() == metric).map(|(_, values)| &values[..])
    }
}

/// Metrics of results against judgements (`evaluation.evaluate` of PyLate; `ranx.evaluate` with `make_comparable`).
///
/// Every query that is judged counts: one without results has 0 everywhere, and so has one of which nothing is judged relevant. Results of
/// queries that are not judged are left out. Documents are ordered by their scores, ties in the order in which they are given
/// ([`order`](super::order())). ranx rounds grades down to whole numbers; here a grade of 0.5 is a grade.
///
/// ```
/// use colburn_eval::rank::{Qrels, Runs, evaluate};
/// use colburn_search::RerankResult;
///
/// let result = |id: &str, score| RerankResult { id: id.to_owned(), score };
/// let runs = Runs::from([("q1".to_owned(), vec![result("d2", 0.9), result("d1", 0.8)])]);
/// let qrels = Qrels::from([
///     ("q1".to_owned(), [("d1".to_owned(), 1.0)].into()),
///     ("q2".to_owned(), [("d3".to_owned(), 1.0)].into()),
/// ]);
/// let found = evaluate(&runs, &qrels, &["mrr".parse()?, "hits@1".parse()?])?;
/// assert_eq!(found.means(), [("mrr".to_owned(), 0.25), ("hits@1".to_owned(), 0.0)]);
/// assert_eq!((found.queries(), found.per_query("mrr")), (&["q1".to_owned(), "q2".to_owned()][..], Some(&[0.5, 0.0][..])));
/// # Ok::<(), colburn_eval::Error>(())
/// ```
///
/// # Errors
/// When no query is judged, no metric is named, a grade is negative, NaN or infinite, or the results of a query have a document twice or a
/// score that is NaN.
pub fn evaluate(runs: &Runs, qrels: &Qrels, metrics: &[Metric]) -> Result<Evaluation> {
    let nothing = |message: &str| Error::Data { evaluator: "rank metrics", message: message.to_owned() };
    if qrels.is_empty() {
        return Err(nothing("no query is judged; judgements of at least one are expected"));
    }
    if metrics.is_empty() {
        return Err(nothing("no metric is named; at least one is expected"));
    }
    let mut values: Vec<(Metric, Vec<f64>)> = Vec::with_capacity(metrics.len());
    for &metric in metrics {
        if values.iter().all(|(known, _)| *known != metric) {
            values.push((metric, Vec::with_capacity(qrels.len())));
        }
    }
    let mut without = 0;
    for (query, documents) in qrels {
        let judged = judged(query, documents)?;
        let found = runs.get(query).map_or(&[][..], |found| found);
        without += usize::from(found.is_empty());
        let grades = grades(query, found, documents)?;
        let ranked = Ranked { grades: &grades, judged: &judged };
        for (metric, values) in &mut values {
            values.push(metric.of(&ranked));
        }
    }
    if without > 0 {
        tracing::warn!("{without} of {} judged queries have no results, and count as 0", qrels.len());
    }
    Ok(Evaluation { queries: qrels.keys().cloned().collect(), values })
}

/// The positive grades of a query.
fn judged(query: &str, documents: &BTreeMap<String, f64>) -> Result<Vec<f64>> {
    if let Some((document, grade)) = documents.iter().find(|(_, grade)| !(grade.is_finite() && **grade >= 0.0)) {
        let message = format!("its grade is {grade}; a number from 0 is expected");
        return Err(Error::Judgement { query: query.to_owned(), document: document.clone(), message });
    }
    Ok(documents.values().copied().filter(|&grade| grade > 0.0).collect())
}

/// The grades of what was found, best first.
fn grades(query: &str, found: &[RerankResult<String>], documents: &BTreeMap<String, f64>) -> Result<Vec<f64>> {
    let problem = |document: &str, message: String| {
        Err(Error::Judgement { query: query.to_owned(), document: document.to_owned(), message })
    };
    let mut places = HashMap::with_capacity(found.len());
    for (place, result) in found.iter().enumerate() {
        if result.score.is_nan() {
            return problem(&result.id, "its score is NaN; nothing can be ordered by it".to_owned());
        }
        if let Some(first) = places.insert(&result.id, place) {
            let message = format!("found twice, as results {first} and {place} (counted from 0); once is expected");
            return problem(&result.id, message);
        }
    }
    let scores: Vec<f32> = found.iter().map(|result| result.score).collect();
    let grade = |place: usize| documents.get(&found[place].id).copied().unwrap_or(0.0);
    Ok(order(&scores)?.into_iter().map(grade).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(queries: &[(&str, &[(&str, f32)])]) -> Runs {
        let result = |&(id, score): &(&str, f32)| RerankResult { id: id.to_owned(), score };
        queries.iter().map(|(query, found)| (query.to_string(), found.iter().map(result).collect())).collect()
    }

    fn qrels(queries: &[(&str, &[(&str, f64)])]) -> Qrels {
        let grades = |grades: &[(&str, f64)]| grades.iter().map(|(id, grade)| (id.to_string(), *grade)).collect();
        queries.iter().map(|(query, documents)| (query.to_string(), grades(documents))).collect()
    }

    fn metrics(names: &[&str]) -> Vec<Metric> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn queries_are_those_that_are_judged() {
        let runs = runs(&[("b", &[("1", 0.5), ("2", 1.0)]), ("unjudged", &[("1", 1.0)]), ("empty", &[])]);
        let qrels =
            qrels(&[("b", &[("1", 1.0)]), ("empty", &[("1", 1.0)]), ("a", &[("1", 1.0)]), ("none", &[("1", 0.0)])]);
        let found = evaluate(&runs, &qrels, &metrics(&["mrr", "recall@2", "mrr"])).unwrap();
        assert_eq!(found.queries(), ["a", "b", "empty", "none"]);
        assert_eq!(found.per_query("mrr").unwrap(), [0.0, 0.5, 0.0, 0.0]);
        assert_eq!(found.means(), [("mrr".to_owned(), 0.125), ("recall@2".to_owned(), 0.25)]);
        assert_eq!((found.mean("recall@2"), found.mean("recall"), found.per_query("map")), (Some(0.25), None, None));
    }

    #[test]
    fn ties_keep_the_order_in_which_they_are_given() {
        let qrels = qrels(&[("q", &[("1", 1.0)])]);
        for (found, expected) in
            [(&[("1", 1.0), ("2", 1.0)][..], 1.0), (&[("2", 1.0), ("1", 1.0)], 0.5), (&[("2", 0.5), ("1", 1.0)], 1.0)]
        {
            assert_eq!(
                evaluate(&runs(&[("q", found)]), &qrels, &metrics(&["mrr"])).unwrap().mean("mrr"),
                Some(expected)
            );
        }
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        let metric = metrics(&["map"]);
        let good = qrels(&[("q", &[("1", 1.0)])]);
        let error =
            |runs: &Runs, qrels: &Qrels, metrics: &[Metric]| evaluate(runs, qrels, metrics).unwrap_err().to_string();
        assert!(error(&runs(&[]), &qrels(&[]), &metric).contains("no query is judged"));
        assert!(error(&runs(&[]), &good, &[]).contains("no metric is named"));
        for (grade, text) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let message = error(&runs(&[]), &qrels(&[("q", &[("1", 1.0), ("7", grade)])]), &metric);
            assert_eq!(
                message,
                format!("query \"q\", document \"7\": its grade is {text}; a number from 0 is expected")
            );
        }
        let message = error(&runs(&[("q", &[("1", 1.0), ("2", f32::NAN)])]), &good, &metric);
        assert_eq!(message, "query \"q\", document \"2\": its score is NaN; nothing can be ordered by it");
        let message = error(&runs(&[("q", &[("1", 1.0), ("2", 0.5), ("1", 0.0)])]), &good, &metric);
        assert!(
            message.ends_with("document \"1\": found twice, as results 0 and 2 (counted from 0); once is expected")
        );
    }
}
