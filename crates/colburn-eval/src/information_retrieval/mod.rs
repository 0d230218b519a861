//! Retrieval from a collection: what share of the relevant documents comes first (`PyLateInformationRetrievalEvaluator`).

mod files;
mod measures;
mod options;
mod retrieve;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use colburn_model::ColBert;
use colburn_search::Hit;

pub use self::options::RetrievalOptions;
pub(crate) use self::{files::append_csv, measures::Cut, options::option_methods};
use crate::{Collection, Evaluator, Progress, Report, Result, rank::Ranked, report::file_part};

/// Searches the whole corpus of a collection for each of its queries and compares what comes first with what is relevant
/// (`PyLateInformationRetrievalEvaluator`): accuracy, precision, recall, nDCG, MRR and MAP under PyLate's names
/// (`NAME_MaxSim_ndcg@10`), all of them binary: a document is relevant or it is not.
///
/// Scores are PyLate's MaxSim: a document that is shorter, in tokens that count, than the longest of its chunk of the corpus has no
/// maximum below 0. Among documents with the same score the one that comes first in the corpus is better.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_eval::{Collection, Evaluator, InformationRetrievalEvaluator};
/// use colburn_model::ColBert;
///
/// let collection = Collection::from_beir_dir("data/scifact", "test")?;
/// let evaluator = InformationRetrievalEvaluator::new(collection).query_length(48)?.batch_size(64)?;
/// let report = evaluator.evaluate(&ColBert::from_pretrained("model", &Device::default())?)?;
/// println!("{:?}", report.get("scifact_MaxSim_ndcg@10"));
/// # Ok::<(), colburn_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct InformationRetrievalEvaluator {
    collection: Collection,
    name: String,
    options: RetrievalOptions,
    /// What the last evaluation found, until it is written.
    predictions: Mutex<Option<Vec<Vec<Hit>>>>,
}

impl InformationRetrievalEvaluator {
    /// An evaluator with the name of the collection and the default options.
    pub fn new(collection: Collection) -> Self {
        let name = collection.name().to_owned();
        Self { collection, name, options: RetrievalOptions::default(), predictions: Mutex::new(None) }
    }

    /// Another name, which goes before its metrics and into the names of its files.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    option_methods!();

    /// A text that goes before every query.
    pub fn query_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.options.query_prompt = Some(prompt.into());
        self
    }

    /// A text that goes before every document.
    pub fn corpus_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.options.corpus_prompt = Some(prompt.into());
        self
    }

    /// Tokens of a query, instead of the model's `query_length`.
    ///
    /// # Errors
    /// When it is 0.
    pub fn query_length(self, tokens: usize) -> Result<Self> {
        self.change(|options| options.query_length = Some(tokens))
    }

    /// What is searched.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    pub(crate) fn current_options(&self) -> &RetrievalOptions {
        &self.options
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut RetrievalOptions)) -> Result<Self> {
        change(&mut self.options);
        self.options.check()?;
        Ok(self)
    }

    /// The means of all metrics over the queries.
    fn report(&self, hits: &[Vec<Hit>]) -> Report {
        let cuts = Cut::of_report(&self.options);
        let mut sums = vec![0.0; cuts.len()];
        for (query, hits) in hits.iter().enumerate() {
            let grades: Vec<f64> = hits.iter().map(|hit| self.collection.grade(query, hit.document)).collect();
            let ranked = Ranked { grades: &grades, judged: self.collection.judged(query) };
            for (sum, cut) in sums.iter_mut().zip(&cuts) {
                *sum += cut.of(&ranked);
            }
        }
        let mean = |(cut, sum): (&Cut, f64)| (cut.key(&self.name), sum / hits.len() as f64);
        let primary = Cut::primary(&self.options).key(&self.name);
        Report { metrics: cuts.iter().zip(sums).map(mean).collect(), primary: Some(primary) }
    }

    /// A name of a file, with the evaluator's in it.
    fn file(&self, end: &str) -> String {
        format!("Information-Retrieval_evaluation{}_{end}", file_part(&self.name))
    }
}

impl Evaluator for InformationRetrievalEvaluator {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn metrics(&self) -> Vec<String> {
        Cut::of_report(&self.options).into_iter().map(|cut| cut.key(&self.name)).collect()
    }

    fn primary_metric(&self) -> Option<String> {
        Some(Cut::primary(&self.options).key(&self.name))
    }

    fn check(&self, model: &ColBert) -> Result<()> {
        retrieve::check(model, &self.options)
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let what = [&self.name, self.collection.name(), "retrieval"].into_iter().find(|name| !name.is_empty());
        let (what, total) = (what.unwrap_or_default(), self.collection.queries() + self.collection.documents());
        let mut tell = |done: usize| progress(&Progress { what, done, total });
        let hits = retrieve::retrieve(&self.collection, model, &self.options, &mut tell)?;
        let report = self.report(&hits);
        let predictions = Some(hits).filter(|_| self.options.write_predictions);
        *self.predictions.lock().unwrap_or_else(PoisonError::into_inner) = predictions;
        Ok(report)
    }

    /// Also writes the documents that the last evaluation found, if [`write_predictions`](Self::write_predictions) asks for it, in
    /// place of those of the evaluation before.
    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        let path = directory.join(self.file("results.csv"));
        append_csv(&path, &self.name, &self.options, report, (epoch, steps))?;
        match self.predictions.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(hits) => {
                let path = directory.join(self.file(&format!("predictions_{}.jsonl", measures::SCORE)));
                files::write_predictions(&path, &self.collection, &hits)
            }
            None => Ok(()),
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
