//! The metrics of an evaluation of retrieval: their names and their order in a report and in a CSV file.

use super::options::RetrievalOptions;
use crate::rank::{Gain, Ranked};

/// The only score function of a late-interaction model.
pub(crate) const SCORE: &str = "MaxSim";

/// A metric without its cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Accuracy,
    Precision,
    Recall,
    Ndcg,
    Mrr,
    Map,
}

/// A metric with its cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut(Measure, usize);

impl Cut {
    /// All metrics in the order of a report.
    pub fn of_report(options: &RetrievalOptions) -> Vec<Self> {
        use Measure::{Accuracy, Map, Mrr, Ndcg, Precision, Recall};
        let lists: [(Measure, &[usize]); 6] = [
            (Accuracy, &options.accuracy_at_k),
            (Precision, &options.precision_recall_at_k),
            (Recall, &options.precision_recall_at_k),
            (Ndcg, &options.ndcg_at_k),
            (Mrr, &options.mrr_at_k),
            (Map, &options.map_at_k),
        ];
        lists.into_iter().flat_map(|(measure, cuts)| cuts.iter().map(move |&k| Self(measure, k))).collect()
    }

    /// All metrics in the order of a CSV file.
    pub fn of_csv(options: &RetrievalOptions) -> Vec<Self> {
        use Measure::{Accuracy, Map, Mrr, Ndcg, Precision, Recall};
        let accuracy = options.accuracy_at_k.iter().map(|&k| Self(Accuracy, k));
        let both = options.precision_recall_at_k.iter().flat_map(|&k| [Self(Precision, k), Self(Recall, k)]);
        let lists: [(Measure, &[usize]); 3] =
            [(Mrr, &options.mrr_at_k), (Ndcg, &options.ndcg_at_k), (Map, &options.map_at_k)];
        let others = lists.into_iter().flat_map(|(measure, cuts)| cuts.iter().map(move |&k| Self(measure, k)));
        accuracy.chain(both).chain(others).collect()
    }

    /// The metric by which models are compared: nDCG at its largest cut.
    pub fn primary(options: &RetrievalOptions) -> Self {
        Self(Measure::Ndcg, options.ndcg_at_k.iter().copied().max().unwrap_or(10))
    }

    /// Its name in the report of an evaluator: `NanoSciFact_MaxSim_ndcg@10`.
    pub fn key(self, evaluator: &str) -> String {
        let Self(measure, k) = self;
        let separator = if evaluator.is_empty() { "" } else { "_" };
        let measure = match measure {
            Measure::Accuracy => "accuracy",
            Measure::Precision => "precision",
            Measure::Recall => "recall",
            Measure::Ndcg => "ndcg",
            Measure::Mrr => "mrr",
            Measure::Map => "map",
        };
        format!("{evaluator}{separator}{SCORE}_{measure}@{k}")
    }

    /// Its column in a CSV file: `MaxSim-NDCG@10`.
    pub fn column(self) -> String {
        let Self(measure, k) = self;
        let measure = match measure {
            Measure::Accuracy => "Accuracy",
            Measure::Precision => "Precision",
            Measure::Recall => "Recall",
            Measure::Ndcg => "NDCG",
            Measure::Mrr => "MRR",
            Measure::Map => "MAP",
        };
        format!("{SCORE}-{measure}@{k}")
    }

    /// Its value for one query.
    pub fn of(self, ranked: &Ranked<'_>) -> f64 {
        let Self(measure, k) = self;
        match measure {
            Measure::Accuracy => ranked.accuracy(k),
            Measure::Precision => ranked.precision(k),
            Measure::Recall => ranked.recall(k),
            Measure::Ndcg => ranked.ndcg(k, Gain::Binary),
            Measure::Mrr => ranked.reciprocal_rank(k),
            Measure::Map => ranked.average_precision(k),
        }
    }
}
