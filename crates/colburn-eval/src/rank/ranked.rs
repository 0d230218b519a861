//! The metrics of one query. They see grades, not documents: whatever made the ranking, and whatever ids it is of, one definition of each
//! metric serves all evaluators.

/// The gain of a document's grade in nDCG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gain {
    /// 1 for every relevant document: PyLate's and sentence-transformers' evaluators of retrieval.
    #[default]
    Binary,
    /// The grade (Järvelin and Kekäläinen 2002): `ndcg` of trec_eval and ranx, and scikit-learn's `ndcg_score`.
    Linear,
    /// 2^grade − 1 (Burges et al. 2005): `ndcg_burges` of ranx.
    Exponential,
}

impl Gain {
    fn of(self, grade: f64) -> f64 {
        match self {
            Gain::Binary => f64::from(u8::from(is_relevant(grade))),
            Gain::Linear => grade,
            Gain::Exponential => grade.exp2() - 1.0,
        }
    }
}

/// The ranking of one query: what the documents that were found are worth, and what could have been found.
///
/// A document is relevant when its grade is above 0; [`at_level`] raises that threshold. A cut `k` counts documents, `None` means all
/// that were found; a `k` beyond the end of the ranking is allowed everywhere, and with a `k` of 0 every metric is 0. So is every metric of a
/// query for which nothing is judged relevant.
///
/// ```
/// use colburn_eval::rank::{Gain, Ranked};
///
/// // Of three relevant documents, with grades 2, 1 and 1, two were found: in the second place and in the fourth.
/// let ranked = Ranked { grades: &[0.0, 1.0, 0.0, 2.0], judged: &[2.0, 1.0, 1.0] };
/// assert_eq!(ranked.accuracy(1), 0.0);
/// assert_eq!(ranked.reciprocal_rank(10), 0.5);
/// assert_eq!(ranked.precision(4), 0.5);
/// assert_eq!(ranked.recall(None), 2.0 / 3.0);
/// assert_eq!(ranked.average_precision(2), (1.0 / 2.0) / 2.0);
/// assert!((ranked.ndcg(10, Gain::Linear) - 0.4766).abs() < 1e-4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked<'a> {
    /// The grades of the documents that were found, best first; 0 for one that is not relevant or not judged.
    pub grades: &'a [f64],
    /// The positive grades of all documents judged relevant for the query, found or not, in any order.
    pub judged: &'a [f64],
}

impl<'a> Ranked<'a> {
    /// The number of relevant documents among the first `k`: `hits` of ranx.
    pub fn hits(&self, k: impl Into<Option<usize>>) -> f64 {
        count(self.first(k.into()))
    }

    /// 1 if a relevant document is among the first `k`, else 0: `accuracy@k` of PyLate and sentence-transformers, `success` of trec_eval,
    /// `hit_rate` of ranx.
    pub fn accuracy(&self, k: impl Into<Option<usize>>) -> f64 {
        f64::from(u8::from(self.first(k.into()).iter().any(|&grade| is_relevant(grade))))
    }

    /// The share of relevant documents among the first `k`, divided by `k` even if fewer were found; without a cut, by their number.
    pub fn precision(&self, k: impl Into<Option<usize>>) -> f64 {
        let k = k.into();
        ratio(count(self.first(k)), k.unwrap_or(self.grades.len()) as f64)
    }

    /// The share of the relevant documents that is among the first `k`.
    pub fn recall(&self, k: impl Into<Option<usize>>) -> f64 {
        ratio(self.hits(k), self.relevant())
    }

    /// 1 / the rank of the first relevant document, or 0 if it is not among the first `k`. Its mean over queries is MRR.
    pub fn reciprocal_rank(&self, k: impl Into<Option<usize>>) -> f64 {
        let first = self.first(k.into()).iter().position(|&grade| is_relevant(grade));
        first.map_or(0.0, |position| 1.0 / (position + 1) as f64)
    }

    /// The harmonic mean of [`Ranked::precision`] and [`Ranked::recall`].
    pub fn f1(&self, k: impl Into<Option<usize>>) -> f64 {
        let k = k.into();
        let (precision, recall) = (self.precision(k), self.recall(k));
        ratio(2.0 * precision * recall, precision + recall)
    }

    /// Discounted cumulative gain: the gains of the first `k` documents, each divided by log2(rank + 1).
    pub fn dcg(&self, k: impl Into<Option<usize>>, gain: Gain) -> f64 {
        dcg(self.first(k.into()), gain)
    }

    /// [`Ranked::dcg`] divided by that of the best ranking there could be.
    pub fn ndcg(&self, k: impl Into<Option<usize>>, gain: Gain) -> f64 {
        let k = k.into();
        let mut ideal: Vec<f64> = self.judged.iter().copied().filter(|&grade| is_relevant(grade)).collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        ratio(dcg(self.first(k), gain), dcg(cut(&ideal, k), gain))
    }

    /// Mean of the precisions at the relevant documents among the first `k`, divided by how many there could be: min(`k`, relevant). Its mean
    /// over queries is `map@k` of PyLate and sentence-transformers.
    pub fn average_precision(&self, k: impl Into<Option<usize>>) -> f64 {
        let k = k.into();
        ratio(self.precisions(k), self.relevant().min(k.map_or(f64::INFINITY, |k| k as f64)))
    }

    /// The same divided by the number of all relevant documents, so that a cut below it keeps the value under 1: `map` of trec_eval and ranx,
    /// with a cut `map_cut_k` and `map@k`.
    pub fn average_precision_of_all(&self, k: impl Into<Option<usize>>) -> f64 {
        ratio(self.precisions(k.into()), self.relevant())
    }

    /// The share of relevant documents among the first R, where R documents are relevant.
    pub fn r_precision(&self) -> f64 {
        self.precision(self.relevant() as usize)
    }

    fn first(&self, k: Option<usize>) -> &'a [f64] {
        cut(self.grades, k)
    }

    fn relevant(&self) -> f64 {
        count(self.judged)
    }

    /// The sum of the precisions at the relevant documents.
    fn precisions(&self, k: Option<usize>) -> f64 {
        let (mut hits, mut sum) = (0.0, 0.0);
        for (position, &grade) in self.first(k).iter().enumerate() {
            if is_relevant(grade) {
                hits += 1.0;
                sum += hits / (position + 1) as f64;
            }
        }
        sum
    }
}

/// Grades with those below `level` set to 0: what counts as relevant from a threshold on. Of a graded judgement with levels 1 to 3,
/// `at_level(grades, 2.0)` asks for those that a judge found good.
///
/// ```
/// use colburn_eval::rank::at_level;
///
/// assert_eq!(at_level(&[0.0, 1.0, 2.0, 3.0], 2.0), [0.0, 0.0, 2.0, 3.0]);
/// ```
pub fn at_level(grades: &[f64], level: f64) -> Vec<f64> {
    grades.iter().map(|&grade| if grade >= level { grade } else { 0.0 }).collect()
}

fn is_relevant(grade: f64) -> bool {
    grade > 0.0
}

fn cut(grades: &[f64], k: Option<usize>) -> &[f64] {
    k.and_then(|k| grades.get(..k)).unwrap_or(grades)
}

fn count(grades: &[f64]) -> f64 {
    grades.iter().filter(|&&grade| is_relevant(grade)).count() as f64
}

fn dcg(grades: &[f64], gain: Gain) -> f64 {
    let relevant = grades.iter().enumerate().filter(|(_, grade)| is_relevant(**grade));
    relevant.map(|(position, &grade)| gain.of(grade) / ((position + 2) as f64).log2()).sum()
}

/// 0 where nothing can be divided by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADES: [f64; 6] = [0.0, 3.0, 0.0, 1.0, 2.0, 0.0];
    const JUDGED: [f64; 5] = [1.0, 3.0, 2.0, 1.0, 3.0];

    fn ranked() -> Ranked<'static> {
        Ranked { grades: &GRADES, judged: &JUDGED }
    }

    // from math import log2
    // dcg = lambda gains: sum(g / log2(i + 2) for i, g in enumerate(gains))
    // dcg([0, 3, 0, 1]) / dcg([3, 3, 2, 1]), dcg([0, 7, 0, 1]) / dcg([7, 7, 3, 1]), dcg([0, 1, 0, 1]) / dcg([1] * 4)
    #[test]
    fn ndcg_by_gain() {
        for (gain, expected) in [
            (Gain::Linear, 0.3674354990398578),
            (Gain::Exponential, 0.36316158753286576),
            (Gain::Binary, 0.4144299250118475),
        ] {
            let found = ranked().ndcg(4, gain);
            assert!((found - expected).abs() < 1e-15, "{gain:?}: {found}");
        }
    }

    #[test]
    fn average_precision_by_divisor() {
        let sum = 1.0 / 2.0 + 2.0 / 4.0 + 3.0 / 5.0;
        assert_eq!(ranked().average_precision(None), sum / 5.0);
        assert_eq!(ranked().average_precision_of_all(None), sum / 5.0);
        assert_eq!(ranked().average_precision(4), 1.0 / 4.0);
        assert_eq!(ranked().average_precision_of_all(4), 1.0 / 5.0);
        assert_eq!(ranked().average_precision(100), sum / 5.0);
    }

    #[test]
    fn cuts_may_lie_anywhere() {
        let ranked = ranked();
        assert_eq!([0, 1, 2, 6, 9].map(|k| ranked.hits(k)), [0.0, 0.0, 1.0, 3.0, 3.0]);
        assert_eq!([0, 1, 2, 6, 9].map(|k| ranked.accuracy(k)), [0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!([0, 1, 2, 6, 12].map(|k| ranked.precision(k)), [0.0, 0.0, 0.5, 0.5, 0.25]);
        assert_eq!([0, 1, 2, 5, usize::MAX].map(|k| ranked.recall(k)), [0.0, 0.0, 0.2, 0.6, 0.6]);
        assert_eq!([0, 1, 2, 6].map(|k| ranked.reciprocal_rank(k)), [0.0, 0.0, 0.5, 0.5]);
        assert_eq!((ranked.precision(None), ranked.r_precision()), (0.5, 3.0 / 5.0));
        assert_eq!([1, 2].map(|k| ranked.f1(k)), [0.0, 2.0 * 0.5 * 0.2 / (0.5 + 0.2)]);
        assert_eq!([1, 2].map(|k| ranked.dcg(k, Gain::Linear)), [0.0, 3.0 / 3f64.log2()]);
        assert_eq!((ranked.ndcg(0, Gain::Linear), ranked.average_precision(0)), (0.0, 0.0));
    }

    #[test]
    fn a_threshold_makes_fewer_documents_relevant() {
        let (grades, judged) = (at_level(&GRADES, 2.0), at_level(&JUDGED, 2.0));
        let ranked = Ranked { grades: &grades, judged: &judged };
        assert_eq!((ranked.hits(None), ranked.recall(None)), (2.0, 2.0 / 3.0));
        assert_eq!(ranked.average_precision(None), (1.0 / 2.0 + 2.0 / 5.0) / 3.0);
    }

    #[test]
    fn without_relevant_documents_everything_is_zero() {
        for ranked in [Ranked { grades: &[0.0; 3], judged: &[] }, Ranked { grades: &[], judged: &[1.0] }] {
            let gains = [Gain::Binary, Gain::Linear, Gain::Exponential].map(|gain| ranked.ndcg(10, gain));
            let others = [
                ranked.hits(10),
                ranked.accuracy(10),
                ranked.precision(None),
                ranked.recall(10),
                ranked.reciprocal_rank(10),
                ranked.average_precision(10),
                ranked.average_precision_of_all(None),
                ranked.r_precision(),
                ranked.f1(10),
                ranked.dcg(10, Gain::Linear),
            ];
            assert!(gains.iter().chain(&others).all(|value| *value == 0.0), "{gains:?} {others:?}");
        }
    }
}
