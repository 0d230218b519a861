//! Retrieval from a collection: the share of the relevant documents that comes first (`PyLateInformationRetrievalEvaluator`).

mod files;
mod measures;
mod options;
mod retrieve;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use colburn_model::ColBert;
use colburn_search::Hit;

pub use self::options::RetrievalOptions;
pub(crate) use self::{
    files::append_csv,
    measures::Cut,
    options::{option_methods, retrieval_settings},
};
use crate::{
    collection::Collection,
    configured::{Configured, EvalRows, EvaluatorContext, setting},
    error::Result,
    evaluator::Evaluator,
    progress::Progress,
    rank::Ranked,
    report::{Report, file_part},
};

/// Searches the whole corpus of a collection for each of its queries and compares the best documents with the relevant ones
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
    /// The documents that the last evaluation found, until they are written.
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

    /// The collection that is searched.
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

retrieval_settings! {
    /// The settings of an [`InformationRetrievalEvaluator`] in a configuration file.
    pub struct InformationRetrievalSettings {
        /// Goes before its metrics and into the names of its files; the name of the folder if not given.
        pub name: String,
        /// A folder in BEIR's or NanoBEIR's layout.
        pub path: Option<String>,
        /// The split of the folder: `test` for BEIR's layout if not given.
        pub split: Option<String>,
        /// The file of the queries, instead of a folder.
        pub queries: Option<String>,
        /// The file of the corpus, instead of a folder.
        pub corpus: Option<String>,
        /// The file of the judgements, instead of a folder.
        pub qrels: Option<String>,
        /// Put before every query.
        pub query_prompt: Option<String>,
        /// Put before every document.
        pub corpus_prompt: Option<String>,
        /// Tokens of a query, instead of the model's `query_length`.
        pub query_length: Option<usize>,
        /// Tokens of a document at the most, instead of the model's `document_length`.
        pub document_length: Option<usize>,
    }
}

impl Configured for InformationRetrievalSettings {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_named_by_its_data(&self) -> bool {
        self.name.is_empty() && self.path.is_some()
    }

    fn check(&self, _: &[EvalRows]) -> Result<()> {
        let files = [("queries", &self.queries), ("corpus", &self.corpus), ("qrels", &self.qrels)];
        let given = files.iter().find(|(_, file)| file.is_some());
        let not_given = files.iter().find(|(_, file)| file.is_none());
        if let (None, Some(split)) = (&self.path, &self.split) {
            let message = "a split is part of a folder; without path, qrels names the file of a split";
            return Err(setting("split", format!("{split:?}, but {message}")));
        }
        match (&self.path, given, not_given) {
            (Some(_), Some((key, _)), _) => {
                Err(setting(key, "path names a folder that has it already; leave one of them out"))
            }
            (Some(_), None, _) | (None, Some(_), None) => Ok(()),
            (None, None, _) => Err(setting(
                "path",
                "it is missing: a folder in BEIR's or NanoBEIR's layout, or files as queries, corpus and qrels",
            )),
            (None, Some(_), Some((key, _))) => {
                Err(setting(key, "it is missing; queries, corpus and qrels go together"))
            }
        }
    }

    fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>> {
        let options = RetrievalOptions {
            query_prompt: self.query_prompt.clone(),
            corpus_prompt: self.corpus_prompt.clone(),
            query_length: self.query_length,
            document_length: self.document_length,
            ..self.options(context.batch_size)
        };
        let collection = match (self.path, self.queries, self.corpus, self.qrels) {
            (Some(folder), ..) => folder_collection(Path::new(&folder), self.split.as_deref())?,
            (None, Some(queries), Some(corpus), Some(qrels)) => {
                Collection::from_files(&self.name, queries, corpus, qrels)?
            }
            _ => return Err(setting("path", "it is missing; a folder, or queries, corpus and qrels are expected")),
        };
        let mut evaluator = InformationRetrievalEvaluator::new(collection);
        if !self.name.is_empty() {
            evaluator = evaluator.name(self.name);
        }
        Ok(Arc::new(evaluator.options(options)?))
    }
}

/// The collection of a folder: in BEIR's layout, which has a file with the corpus, or in NanoBEIR's, which has a folder.
fn folder_collection(folder: &Path, split: Option<&str>) -> Result<Collection> {
    match (Collection::is_beir_dir(folder), split) {
        (true, split) => Collection::from_beir_dir(folder, split.unwrap_or("test")),
        (false, Some(split)) => Collection::from_nano_split(folder, split),
        (false, None) => Collection::from_nano_dir(folder),
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
