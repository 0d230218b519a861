//! Distillation: how far a model's scores are from a teacher's.

mod rows;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use colburn_data::{Examples, KdProcessing};
use colburn_model::{ColBert, Kind, TokenEmbeddings};
use colburn_search::{Floor, Packed};
use serde::Deserialize;

use self::rows::Rows;
use crate::batch_size::BatchSize;
use crate::configured::{Configured, EvalRows, EvaluatorContext, missing};
use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::progress::Progress;
use crate::python::float;
use crate::report::{LineEnd, Report, append_csv, epoch_and_steps, file_part, named};

/// PyLate's guard against a division by 0.
const EPSILON: f64 = 1e-8;

/// The Kullback-Leibler divergence of a model's scores of the documents of each query from a teacher's scores
/// (`ColBERTDistillationEvaluator` of PyLate). **Smaller is better**, and 0 is perfect.
///
/// The model's scores of a query are scaled to 0 … 1 first, unless `normalize_scores` is off; then the softmax of both sides is compared, and
/// the mean over queries taken. The metric is `kl_divergence`, behind `NAME_` if the evaluator has a name.
///
/// Best models by this metric need `greater_is_better: Some(false)`, because Hugging Face's default looks at whether a metric's name ends in
/// `loss`. The trainer refuses to start otherwise.
///
/// # Floor
/// PyLate pads the vectors of all documents of the evaluation with zeros to the longest one, so that no maximum over a shorter document is
/// below 0. These are the scores here too, though one chunk of rows is in memory at a time.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_data::KdProcessing;
/// use colburn_eval::{DistillationEvaluator, Evaluator};
/// use colburn_model::ColBert;
///
/// let data = KdProcessing::load("kd/dev.parquet", "kd/queries.parquet", "kd/documents.parquet")?.n_ways(8)?;
/// let evaluator = DistillationEvaluator::new(&data)?;
/// let model = ColBert::from_pretrained("models/colbert", &Device::default())?;
/// println!("{:?}", evaluator.evaluate(&model)?.get("kl_divergence"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DistillationEvaluator {
    rows: Rows,
    name: String,
    batch_size: BatchSize,
    normalize_scores: bool,
}

/// The model's scores of the documents of a query.
struct Student {
    /// The scores without maxima below 0, as of a document that PyLate pads.
    floored: Vec<f32>,
    /// The scores with the maxima over the document's own tokens.
    own: Vec<f32>,
    /// The number of vectors of each document.
    lengths: Vec<usize>,
}

impl DistillationEvaluator {
    /// An evaluator of the rows of a distillation data set, whose texts are looked up when they are needed.
    ///
    /// # Errors
    /// When there is no row, or one cannot be read ([`KdProcessing::check`]).
    pub fn new(data: &KdProcessing) -> Result<Self> {
        Ok(Self::of(Rows::of_data(data)?))
    }

    /// An evaluator of lists in memory: of each query, its documents and the teacher's score of each. All queries have equally many.
    ///
    /// # Errors
    /// When there is no query, the lists differ in length, a query has fewer than 2 documents, or a score is NaN or infinite. The message
    /// names the query.
    pub fn from_lists(queries: Vec<String>, documents: Vec<Vec<String>>, scores: Vec<Vec<f32>>) -> Result<Self> {
        Ok(Self::of(Rows::in_memory(queries, documents, scores)?))
    }

    fn of(rows: Rows) -> Self {
        Self { rows, name: String::new(), batch_size: BatchSize { given: None, on_cpu: 16 }, normalize_scores: true }
    }

    /// Gives the evaluator a name, which becomes part of its file name and goes before its metric: `NAME_kl_divergence`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Texts that are encoded at once; without a number 16 on a CPU, and on any other device as many as keep it busy.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size.given = Some(batch_size.max(1));
        self
    }

    /// Scales the model's scores of a query to 0 … 1 before they are compared, which is the default. As in PyLate, the teacher's are
    /// never scaled.
    pub fn normalize_scores(mut self, normalize_scores: bool) -> Self {
        self.normalize_scores = normalize_scores;
        self
    }

    fn metric(&self) -> String {
        named(&self.name, "kl_divergence")
    }

    /// The model's scores of these rows.
    fn students(&self, model: &ColBert, rows: Range<usize>) -> Result<Vec<Student>> {
        let options = self.batch_size.options(model);
        let queries = rows.clone().map(|row| self.rows.query(row)).collect::<Result<Vec<_>>>()?;
        let mut documents = Vec::with_capacity(rows.len() * self.rows.ways());
        for row in rows.clone() {
            documents.extend(self.rows.documents(row)?);
        }
        let queries = model.encode(&queries, Kind::Query, &options)?;
        let documents = model.encode(&documents, Kind::Document, &options)?;
        let student = |((query, documents), row): ((&TokenEmbeddings, &[TokenEmbeddings]), usize)| {
            let lengths = documents.iter().map(TokenEmbeddings::tokens).collect();
            let (query, documents) = (Packed::from_embeddings([query])?, Packed::from_embeddings(documents)?);
            // The longest document of all is known only at the end. MaxSim costs next to nothing beside the encoder, so both scores are taken.
            let own = colburn_search::scores(&query, &documents, Floor::None)?;
            let floored = colburn_search::scores(&query, &documents, Floor::PaddedTo(usize::MAX))?;
            if let Some(document) = own.iter().position(|score| !score.is_finite()) {
                return Err(colburn_search::Error::Score { query: row, document, score: own[document] }.into());
            }
            Ok(Student { floored, own, lengths })
        };
        queries.iter().zip(documents.chunks(self.rows.ways())).zip(rows).map(student).collect()
    }

    /// The divergence of one row, when the longest document of the evaluation has `longest` vectors.
    fn divergence(&self, student: &Student, teacher: &[f32], longest: usize) -> f64 {
        let score = |document: usize| {
            let floored = student.lengths[document] < longest;
            f64::from(if floored { student.floored[document] } else { student.own[document] })
        };
        let scores: Vec<f64> = (0..teacher.len()).map(score).collect();
        let scores = if self.normalize_scores { min_max(&scores) } else { scores };
        kl_divergence(&scores, &teacher.iter().map(|&score| f64::from(score)).collect::<Vec<_>>())
    }
}

/// Scores scaled to 0 … 1.
fn min_max(scores: &[f64]) -> Vec<f64> {
    let (min, max) =
        scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), &score| (min.min(score), max.max(score)));
    scores.iter().map(|score| (score - min) / (max - min + EPSILON)).collect()
}

/// The divergence of the softmax of the student's scores from that of the teacher's: `torch.nn.KLDivLoss(log_target=True)`, summed.
fn kl_divergence(student: &[f64], teacher: &[f64]) -> f64 {
    let pairs = log_softmax(student).into_iter().zip(log_softmax(teacher));
    pairs.map(|(student, teacher)| teacher.exp() * (teacher - student)).sum()
}

fn log_softmax(scores: &[f64]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = scores.iter().map(|score| (score - max).exp()).sum::<f64>().ln();
    scores.iter().map(|score| score - max - log_sum).collect()
}

impl Evaluator for DistillationEvaluator {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn metrics(&self) -> Vec<String> {
        vec![self.metric()]
    }

    fn primary_metric(&self) -> Option<String> {
        Some(self.metric())
    }

    fn smaller_is_better(&self) -> Vec<String> {
        self.metrics()
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let what = if self.name.is_empty() { "distillation" } else { &self.name };
        // A chunk of rows at a time bounds the memory; within it, texts are batched by length. Of each document two scores are kept.
        let (total, chunk) = (self.rows.len(), (self.batch_size.chunk(model) / self.rows.ways()).max(1));
        let mut students = Vec::with_capacity(total);
        for start in (0..total).step_by(chunk) {
            let end = total.min(start.saturating_add(chunk));
            students.extend(self.students(model, start..end)?);
            progress(&Progress { what, done: end, total });
        }
        let longest = students.iter().flat_map(|student| &student.lengths).copied().max().unwrap_or(0);
        let mut sum = 0.0;
        for (row, student) in students.iter().enumerate() {
            sum += self.divergence(student, &self.rows.scores(row)?, longest);
        }
        let metric = self.metric();
        Ok(Report { metrics: vec![(metric.clone(), sum / total as f64)], primary: Some(metric) })
    }

    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        let name = file_part(&self.name);
        let path = directory.join(format!("distillation_evaluation{name}_results.csv"));
        let divergence = float(report.get(&self.metric()).unwrap_or(f64::NAN));
        let line: Vec<String> = epoch_and_steps(epoch, steps).into_iter().chain([divergence]).collect();
        append_csv(&path, &["epoch", "steps", "kl_divergence"], &line, LineEnd::CrLf)
    }
}

/// The settings of a [`DistillationEvaluator`] in a configuration file. Without `path`, `queries` and `documents`, the rows are those of
/// the eval dataset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistillationSettings {
    /// Part of the names of its CSV file and its metric.
    pub name: String,
    /// The rows of query and document ids with a teacher's scores.
    pub path: Option<String>,
    /// The table of queries.
    pub queries: Option<String>,
    /// The table of documents.
    pub documents: Option<String>,
    /// The number of documents of each query, all if not given.
    pub n_ways: Option<usize>,
    /// True if the model's scores of a query are scaled to 0 … 1, which is the default.
    pub normalize_scores: bool,
    /// Texts that are encoded at once.
    pub batch_size: Option<usize>,
}

impl Default for DistillationSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: None,
            queries: None,
            documents: None,
            n_ways: None,
            normalize_scores: true,
            batch_size: None,
        }
    }
}

impl Configured for DistillationSettings {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, eval: &[EvalRows]) -> Result<()> {
        match (&self.path, &self.queries, &self.documents) {
            (Some(_), Some(_), Some(_)) => Ok(()),
            (None, None, None) => match eval {
                [EvalRows::Scores] => Ok(()),
                [_, _, ..] => {
                    Err(missing("it is missing, and there are several eval datasets: give path, queries and documents"))
                }
                _ => Err(missing(
                    "it is missing, and the eval data holds no teacher's scores: give path, queries and documents as in [data]",
                )),
            },
            _ => Err(missing("path, queries and documents go together, as in [data]")),
        }
    }

    fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>> {
        self.check(&context.rows())?;
        let rows = match (&self.path, &self.queries, &self.documents, context.eval) {
            (Some(path), Some(queries), Some(documents), _) => {
                KdProcessing::new((context.load)(path)?, (context.load)(queries)?, (context.load)(documents)?)?
            }
            (_, _, _, [(_, Examples::Distillation(rows))]) => rows.clone(),
            _ => return Err(missing("path, queries and documents go together, as in [data]")),
        };
        let rows = match self.n_ways {
            Some(n_ways) => rows.n_ways(n_ways)?,
            None => rows,
        };
        let evaluator = DistillationEvaluator::new(&rows)?.name(self.name);
        let evaluator = match self.batch_size.or(context.batch_size) {
            Some(batch_size) => evaluator.batch_size(batch_size),
            None => evaluator,
        };
        Ok(Arc::new(evaluator.normalize_scores(self.normalize_scores)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluator(normalize_scores: bool) -> DistillationEvaluator {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let rows = (texts(&["q"]), vec![texts(&["a", "b", "c"])], vec![vec![1.0, 0.0, 0.5]]);
        DistillationEvaluator::from_lists(rows.0, rows.1, rows.2).unwrap().normalize_scores(normalize_scores)
    }

    // import torch; kl = torch.nn.KLDivLoss(reduction="batchmean", log_target=True)
    // s, t = torch.tensor([[3., 1., 2.5]], dtype=torch.double), torch.tensor([[1., 0., .5]], dtype=torch.double)
    // n = (s - s.min()) / (s.max() - s.min() + 1e-8)
    // [kl(x.log_softmax(-1), t.log_softmax(-1)).item() for x in (n, s)]
    #[test]
    fn the_divergence_is_torchs() {
        let student = Student { floored: vec![3.0, 1.0, 2.5], own: vec![f32::NAN; 3], lengths: vec![2, 1, 2] };
        for (normalize, expected) in [(true, 0.006853924992662144), (false, 0.06101097222610369)] {
            let found = evaluator(normalize).divergence(&student, &[1.0, 0.0, 0.5], 3);
            assert!((found - expected).abs() < 1e-15, "{found}, torch's {expected}");
        }
    }

    #[test]
    fn only_the_longest_documents_have_no_floor() {
        let student = Student { floored: vec![0.0, 1.0, 0.0], own: vec![-1.0, 1.0, -2.0], lengths: vec![4, 3, 3] };
        let divergence = |longest: usize| evaluator(false).divergence(&student, &[1.0, 0.0, 0.5], longest);
        assert_eq!(divergence(4), kl_divergence(&[-1.0, 1.0, 0.0], &[1.0, 0.0, 0.5]));
        assert_eq!(divergence(5), kl_divergence(&[0.0, 1.0, 0.0], &[1.0, 0.0, 0.5]));
    }

    #[test]
    fn equal_scores_are_normalised_to_zero() {
        assert_eq!(min_max(&[2.0, 2.0]), [0.0, 0.0]);
        assert_eq!(kl_divergence(&[0.0, 0.0], &[3.0, 3.0]), 0.0);
        let far = kl_divergence(&[-1e9, 1e9], &[5.0, 0.0]);
        assert!(far.is_finite() && far > 1e9, "{far}");
    }

    #[test]
    fn smaller_is_better() {
        let evaluator = evaluator(true).name("dev");
        assert_eq!(
            (evaluator.metrics(), evaluator.smaller_is_better()),
            (vec!["dev_kl_divergence".into()], evaluator.metrics())
        );
    }
}
