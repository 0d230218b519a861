//! Names of metrics, as ranx spells them and PyLate passes them on: `ndcg@10`, `hits@5`, `map`, `recall@100-l2`.

use std::fmt;
use std::str::FromStr;

use colburn_data::nearest;

use super::{Gain, Ranked, at_level};
use crate::{Error, Result};

/// The measure that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Measure {
    Hits,
    Accuracy,
    Precision,
    Recall,
    F1,
    RPrecision,
    ReciprocalRank,
    AveragePrecision,
    Dcg(Gain),
    Ndcg(Gain),
}

/// Every known name. ranx has all but `success` (trec_eval's) and `accuracy` (PyLate's), which are its `hit_rate`.
const NAMES: [(&str, Measure); 14] = [
    ("hits", Measure::Hits),
    ("hit_rate", Measure::Accuracy),
    ("success", Measure::Accuracy),
    ("accuracy", Measure::Accuracy),
    ("precision", Measure::Precision),
    ("recall", Measure::Recall),
    ("f1", Measure::F1),
    ("r-precision", Measure::RPrecision),
    ("mrr", Measure::ReciprocalRank),
    ("map", Measure::AveragePrecision),
    ("dcg", Measure::Dcg(Gain::Linear)),
    ("dcg_burges", Measure::Dcg(Gain::Exponential)),
    ("ndcg", Measure::Ndcg(Gain::Linear)),
    ("ndcg_burges", Measure::Ndcg(Gain::Exponential)),
];

/// A metric by its name in ranx: `NAME`, `NAME@K`, and either with `-lLEVEL`, which makes only documents with a grade of at least LEVEL
/// relevant (1 unless said otherwise).
///
/// The names are `hits` (their number), `hit_rate` and its synonyms `success` and `accuracy` (0 or 1), `precision`, `recall`, `f1`,
/// `r-precision`, `mrr`, `map`, `dcg`, `ndcg` (the gain is the grade), `dcg_burges` and `ndcg_burges` (2^grade − 1). Without `@K` all
/// documents that were found count. `map` and `map@K` divide by the number of all relevant documents, as ranx and trec_eval do; PyLate's own
/// evaluators divide by min(K, relevant) ([`Ranked::average_precision`]).
///
/// ```
/// use colburn_eval::rank::{Metric, Ranked};
///
/// let metric: Metric = "recall@2-l2".parse()?;
/// assert_eq!(metric.to_string(), "recall@2-l2");
/// assert_eq!(metric.of(&Ranked { grades: &[2.0, 1.0, 2.0], judged: &[2.0, 2.0, 1.0] }), 0.5);
///
/// let message = "ncdg@10".parse::<Metric>().unwrap_err().to_string();
/// assert!(message.starts_with("metric \"ncdg@10\": did you mean \"ndcg\"?"));
/// # Ok::<(), colburn_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    name: &'static str,
    measure: Measure,
    k: Option<usize>,
    level: u32,
}

impl Metric {
    /// The metrics of PyLate's `evaluate` when none are named: nDCG at 10, and hits at 1, 2, 3, 4, 5 and 10.
    pub fn pylate_defaults() -> Vec<Self> {
        let hits = |k| Self { name: "hits", measure: Measure::Hits, k: Some(k), level: 1 };
        let ndcg = Self { name: "ndcg", measure: Measure::Ndcg(Gain::Linear), k: Some(10), level: 1 };
        std::iter::once(ndcg).chain([1, 2, 3, 4, 5, 10].map(hits)).collect()
    }

    /// The value for the ranking of one query.
    pub fn of(&self, ranked: &Ranked<'_>) -> f64 {
        if self.level == 1 {
            return self.measure.of(ranked, self.k);
        }
        let level = f64::from(self.level);
        let (grades, judged) = (at_level(ranked.grades, level), at_level(ranked.judged, level));
        self.measure.of(&Ranked { grades: &grades, judged: &judged }, self.k)
    }

    /// The number of documents that count; all that were found if there is no cut.
    pub fn k(&self) -> Option<usize> {
        self.k
    }
}

impl Measure {
    fn of(self, ranked: &Ranked<'_>, k: Option<usize>) -> f64 {
        match self {
            Measure::Hits => ranked.hits(k),
            Measure::Accuracy => ranked.accuracy(k),
            Measure::Precision => ranked.precision(k),
            Measure::Recall => ranked.recall(k),
            Measure::F1 => ranked.f1(k),
            Measure::RPrecision => ranked.r_precision(),
            Measure::ReciprocalRank => ranked.reciprocal_rank(k),
            Measure::AveragePrecision => ranked.average_precision_of_all(k),
            Measure::Dcg(gain) => ranked.dcg(k, gain),
            Measure::Ndcg(gain) => ranked.ndcg(k, gain),
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let problem = |message: String| Error::Metric { metric: text.to_owned(), message };
        let (rest, level) = match text.rsplit_once("-l") {
            Some((rest, level)) => (rest, Some(level)),
            None => (text, None),
        };
        let (name, k) = match rest.split_once('@') {
            Some((name, k)) => (name, Some(k)),
            None => (rest, None),
        };
        let Some((name, measure)) = NAMES.into_iter().find(|(known, _)| *known == name) else {
            let known = NAMES.map(|(known, _)| known);
            let near = nearest(&name.to_lowercase(), &known).map(|near| format!("did you mean \"{near}\"? "));
            let known = known.join(", ");
            return Err(problem(format!("{}expected one of {known}, with or without @K", near.unwrap_or_default())));
        };
        if let (Measure::RPrecision, Some(_)) = (measure, k) {
            return Err(problem("r-precision has no cut: it looks at as many documents as are relevant".to_owned()));
        }
        let k = match k.map(positive::<usize>) {
            Some(None) => {
                return Err(problem(
                    "after @ a whole number from 1 is expected; without @K there is no cut".to_owned(),
                ));
            }
            k => k.flatten(),
        };
        let level = match level.map(positive::<u32>) {
            Some(None) => {
                return Err(problem(
                    "after -l a whole number from 1, the least grade that counts, is expected".to_owned(),
                ));
            }
            level => level.flatten().unwrap_or(1),
        };
        Ok(Self { name, measure, k, level })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(k) = self.k {
            write!(f, "@{k}")?;
        }
        if self.level != 1 {
            write!(f, "-l{}", self.level)?;
        }
        Ok(())
    }
}

/// A number written in digits alone, which is not 0.
fn positive<N: FromStr + Default + PartialEq>(digits: &str) -> Option<N> {
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    (number != N::default()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Metric>().unwrap_err().to_string()
    }

    #[test]
    fn names_come_back_as_they_were() {
        for (name, _) in NAMES {
            let cut = if name == "r-precision" { "" } else { "@7" };
            for text in [name.to_owned(), format!("{name}{cut}"), format!("{name}{cut}-l3")] {
                assert_eq!(text.parse::<Metric>().unwrap().to_string(), text);
            }
        }
        assert_eq!("map@5-l1".parse::<Metric>().unwrap().to_string(), "map@5");
        let defaults = Metric::pylate_defaults().iter().map(Metric::to_string).collect::<Vec<_>>();
        assert_eq!(defaults, ["ndcg@10", "hits@1", "hits@2", "hits@3", "hits@4", "hits@5", "hits@10"]);
        for metric in Metric::pylate_defaults() {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
        }
    }

    #[test]
    fn unknown_names_are_errors_that_name_the_nearest() {
        assert!(
            error("ndgc@10").starts_with("metric \"ndgc@10\": did you mean \"ndcg\"? expected one of hits, hit_rate,")
        );
        assert!(error("NDCG@10").contains("did you mean \"ndcg\"?"));
        assert!(error("hit-rate").contains("did you mean \"hit_rate\"?"));
        assert!(error("perplexity").starts_with("metric \"perplexity\": expected one of hits"));
        assert!(error("").starts_with("metric \"\": expected one of"));
    }

    #[test]
    fn cuts_and_levels_are_positive_numbers() {
        for text in
            ["ndcg@0", "ndcg@", "ndcg@-1", "ndcg@+1", "ndcg@1.5", "ndcg@x", "ndcg@99999999999999999999", "map@5@5"]
        {
            let expected = "after @ a whole number from 1 is expected; without @K there is no cut";
            assert_eq!(error(text), format!("metric \"{text}\": {expected}"));
        }
        for text in ["map-l0", "map-l", "map@5-l2.5"] {
            assert!(
                error(text).ends_with("after -l a whole number from 1, the least grade that counts, is expected"),
                "{text}"
            );
        }
        assert!(error("r-precision@5").contains("r-precision has no cut"));
    }
}
