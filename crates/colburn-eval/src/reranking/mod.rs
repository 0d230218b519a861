//! Reranking: how well a model orders given candidates of a query.

mod samples;
mod tied;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use colburn_data::Dataset;
use colburn_model::{ColBert, Kind};
use colburn_search::{Floor, Packed};
use serde::Deserialize;

pub use self::samples::RerankingSample;
use self::samples::{EVALUATOR, Samples};
use crate::batch_size::BatchSize;
use crate::configured::{Configured, EvalRows, EvaluatorContext, check_texts};
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use crate::progress::Progress;
use crate::python::float;
use crate::rank::{Ranked, order};
use crate::report::{LineEnd, Report, append_csv, epoch_and_steps, file_part, named};

/// MAP, MRR@k and nDCG@k of the candidates of each query, ordered by MaxSim (`RerankingEvaluator` of sentence-transformers, and of its
/// version 6 `MultiVectorRerankingEvaluator`).
///
/// The metrics are `map`, `mrr@10` and `ndcg@10`, each behind `NAME_` if the evaluator has a name; the primary one is nDCG. Scores are taken
/// over the vectors that encoding keeps; nothing is padded, so nothing is floored at 0. Only MRR and nDCG look at the first k alone.
///
/// # Ties
/// Equal scores count as in sentence-transformers, which computes with scikit-learn: nDCG is the mean over all orders of the tied candidates
/// (`ndcg_score`), MAP takes them at once, at the precision after the last of them (`average_precision_score`), and MRR takes them in their
/// given order, positives first, so that it is the best one that the ties allow.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_eval::{Evaluator, RerankingEvaluator, RerankingSample};
/// use colburn_model::ColBert;
///
/// let sample = RerankingSample {
///     query: "what is rust".to_owned(),
///     positive: vec!["Rust is a programming language.".to_owned()],
///     negative: vec!["Iron turns to rust in damp air.".to_owned(), "A crab walks sideways.".to_owned()],
/// };
/// let evaluator = RerankingEvaluator::new([sample])?.name("dev").at_k(5)?;
/// let model = ColBert::from_pretrained("models/colbert", &Device::default())?;
/// let report = evaluator.evaluate(&model)?;
/// println!("{:?} {:?} {:?}", report.get("dev_map"), report.get("dev_mrr@5"), report.get("dev_ndcg@5"));
/// # Ok::<(), colburn_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RerankingEvaluator {
    samples: Samples,
    name: String,
    at_k: usize,
    batch_size: BatchSize,
}

impl RerankingEvaluator {
    /// An evaluator of samples in memory. Samples without a positive or without a negative say nothing about an order: they are left out, and
    /// a log message counts them.
    ///
    /// # Errors
    /// When no sample is left.
    pub fn new(samples: impl IntoIterator<Item = RerankingSample>) -> Result<Self> {
        Ok(Self::of(Samples::in_memory(samples.into_iter().collect())?))
    }

    /// An evaluator of the rows of a data set, which stay on disk. [`Columns`](colburn_data::Columns) says which columns hold the query, the
    /// positives and the negatives. Each value is a text or a list of texts. Rows without a positive or without a negative, which empty lists
    /// can make, are left out as in [`RerankingEvaluator::new`].
    ///
    /// # Errors
    /// When there is no query, positive or negative column, a list holds numbers, or no row is left.
    pub fn from_dataset(data: &Dataset) -> Result<Self> {
        Ok(Self::of(Samples::of_dataset(data)?))
    }

    fn of(samples: Samples) -> Self {
        Self { samples, name: String::new(), at_k: 10, batch_size: BatchSize { given: None, on_cpu: 16 } }
    }

    /// Gives the evaluator a name, which becomes part of its file name and goes before its metrics: `NAME_ndcg@10`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The number of candidates that MRR and nDCG look at, 10.
    ///
    /// # Errors
    /// When it is 0.
    pub fn at_k(mut self, at_k: usize) -> Result<Self> {
        if at_k == 0 {
            let message = "at_k = 0: a positive number of candidates is expected".to_owned();
            return Err(Error::Data { evaluator: EVALUATOR, message });
        }
        self.at_k = at_k;
        Ok(self)
    }

    /// Texts that are encoded at once; without a number 16 on a CPU, and on any other device as many as keep it busy.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size.given = Some(batch_size.max(1));
        self
    }

    /// The number of samples, without those that were left out.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The names of MAP, MRR and nDCG.
    fn names(&self) -> [String; 3] {
        let k = self.at_k;
        ["map".to_owned(), format!("mrr@{k}"), format!("ndcg@{k}")].map(|metric| named(&self.name, &metric))
    }

    /// The sums of MAP, MRR and nDCG over these samples.
    fn sums(&self, model: &ColBert, samples: Range<usize>) -> Result<[f64; 3]> {
        let options = self.batch_size.options(model);
        let rows = samples.clone().map(|sample| self.samples.get(sample)).collect::<Result<Vec<_>>>()?;
        let queries: Vec<&str> = rows.iter().map(|row| &*row.query).collect();
        let candidates: Vec<&str> = rows.iter().flat_map(|row| row.candidates.iter().map(|text| &**text)).collect();
        let queries = model.encode(&queries, Kind::Query, &options)?;
        let candidates = model.encode(&candidates, Kind::Document, &options)?;
        let (mut sums, mut rest) = ([0.0; 3], &candidates[..]);
        for ((row, sample), query) in rows.iter().zip(samples).zip(&queries) {
            let (candidates, after) = rest.split_at(row.candidates.len());
            rest = after;
            let (query, candidates) = (Packed::from_embeddings([query])?, Packed::from_embeddings(candidates)?);
            let scores = colburn_search::scores(&query, &candidates, Floor::None)?;
            if let Some(document) = scores.iter().position(|score| !score.is_finite()) {
                return Err(colburn_search::Error::Score { query: sample, document, score: scores[document] }.into());
            }
            for (sum, value) in sums.iter_mut().zip(metrics(&scores, row.positives, self.at_k)?) {
                *sum += value;
            }
        }
        Ok(sums)
    }
}

/// MAP, MRR and nDCG of candidates of which the first `positives` are relevant.
fn metrics(scores: &[f32], positives: usize, k: usize) -> Result<[f64; 3]> {
    let grade = |candidate: usize| f64::from(u8::from(candidate < positives));
    let grades: Vec<f64> = order(scores)?.into_iter().map(grade).collect();
    let mrr = Ranked { grades: &grades, judged: &[] }.reciprocal_rank(k);
    Ok([tied::average_precision(scores, positives)?, mrr, tied::ndcg(scores, positives, k)?])
}

impl Evaluator for RerankingEvaluator {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn metrics(&self) -> Vec<String> {
        self.names().to_vec()
    }

    fn primary_metric(&self) -> Option<String> {
        let [_, _, ndcg] = self.names();
        Some(ndcg)
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let what = if self.name.is_empty() { "reranking" } else { &self.name };
        let (total, mut done, mut sums) = (self.samples.len(), 0, [0.0; 3]);
        while done < total {
            // A chunk of samples at a time bounds the memory; within it, texts are batched by length.
            let chunk = self.samples.chunk(done, self.batch_size.chunk(model));
            done = chunk.end;
            for (sum, part) in sums.iter_mut().zip(self.sums(model, chunk)?) {
                *sum += part;
            }
            progress(&Progress { what, done, total });
        }
        let names = self.names();
        let primary = Some(names[2].clone());
        Ok(Report { metrics: names.into_iter().zip(sums.map(|sum| sum / total as f64)).collect(), primary })
    }

    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        let name = file_part(&self.name);
        let path = directory.join(format!("RerankingEvaluator{name}_results_@{}.csv", self.at_k));
        let (mrr, ndcg) = (format!("MRR@{}", self.at_k), format!("NDCG@{}", self.at_k));
        let values = self.names().map(|metric| float(report.get(&metric).unwrap_or(f64::NAN)));
        let line: Vec<String> = epoch_and_steps(epoch, steps).into_iter().chain(values).collect();
        append_csv(&path, &["epoch", "steps", "MAP", &mrr, &ndcg], &line, LineEnd::CrLf)
    }
}

/// The settings of a [`RerankingEvaluator`] in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RerankingSettings {
    /// Part of the names of its CSV file and its metrics.
    pub name: String,
    /// Its samples; the rows of the eval dataset if not given.
    pub path: Option<String>,
    /// The number of candidates that MRR and nDCG look at, 10.
    pub at_k: Option<usize>,
    /// Texts that are encoded at once.
    pub batch_size: Option<usize>,
}

impl Configured for RerankingSettings {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, eval: &[EvalRows]) -> Result<()> {
        check_texts(self.path.as_deref(), eval)
    }

    fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>> {
        let evaluator = RerankingEvaluator::from_dataset(context.texts(self.path.as_deref())?.dataset())?;
        let evaluator = match self.batch_size.or(context.batch_size) {
            Some(batch_size) => evaluator.name(self.name).batch_size(batch_size),
            None => evaluator.name(self.name),
        };
        Ok(Arc::new(match self.at_k {
            Some(k) => evaluator.at_k(k)?,
            None => evaluator,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // from sentence_transformers.evaluation import RerankingEvaluator: what compute_metrices_batched does with
    // pred_scores = torch.tensor([2., 1., 3., 0.5]), num_pos = 2, num_neg = 2, at_k = 2 and 1
    #[test]
    fn positives_come_first_in_the_scores() {
        let [map, mrr, ndcg] = metrics(&[2.0, 1.0, 3.0, 0.5], 2, 2).unwrap();
        assert!((map - 0.5833333333333333).abs() < 1e-15 && mrr == 0.5 && (ndcg - 0.38685280723454163).abs() < 1e-15);
        let [map, mrr, ndcg] = metrics(&[2.0, 1.0, 3.0, 0.5], 2, 1).unwrap();
        assert!((map - 0.5833333333333333).abs() < 1e-15 && mrr == 0.0 && ndcg == 0.0);
        assert!(metrics(&[f32::NAN, 1.0], 1, 10).is_err());
    }

    #[test]
    fn without_a_cut_there_is_nothing_to_rank() {
        let sample = RerankingSample { query: "q".into(), positive: vec!["p".into()], negative: vec!["n".into()] };
        let evaluator = RerankingEvaluator::new([sample]).unwrap();
        let message = evaluator.clone().at_k(0).unwrap_err().to_string();
        assert_eq!(message, "reranking evaluator: at_k = 0: a positive number of candidates is expected");
        assert_eq!(evaluator.metrics(), ["map", "mrr@10", "ndcg@10"]);
        let named = evaluator.name("dev").at_k(3).unwrap();
        assert_eq!(named.metrics(), ["dev_map", "dev_mrr@3", "dev_ndcg@3"]);
        assert!(named.smaller_is_better().is_empty());
    }
}
