//! Several collections at once, and the means of their metrics (`NanoBEIREvaluator` of PyLate).

mod per_collection;

use std::{path::Path, sync::Arc};

use colburn_model::ColBert;

pub use self::per_collection::PerCollection;
use crate::{
    collection::{Collection, names::NANO_BEIR},
    configured::{Configured, EvalRows, EvaluatorContext, setting},
    error::{Error, Result},
    evaluator::Evaluator,
    information_retrieval::{
        Cut, InformationRetrievalEvaluator, RetrievalOptions, append_csv, option_methods, retrieval_settings,
    },
    progress::Progress,
    report::Report,
};

/// The name before the metrics that are means over collections.
const MEAN: &str = "NanoBEIR_mean";

/// An [`InformationRetrievalEvaluator`] for each of several collections, and the means of their metrics, `NanoBEIR_mean_MaxSim_ndcg@10`
/// being the one by which models are compared (PyLate's `NanoBEIREvaluator`).
///
/// With one collection there are means too, as in PyLate.
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use colburn_eval::{Evaluator, NanoBeirEvaluator};
/// use colburn_model::ColBert;
///
/// let evaluator = NanoBeirEvaluator::new(&["scifact", "ArguAna"], Some(Path::new("data/nano")))?
///     .query_prompts("query: ")?
///     .query_lengths([("arguana", 64)])?;
/// let report = evaluator.evaluate(&ColBert::from_pretrained("model", &Device::default())?)?;
/// println!("{:?}", report.get("NanoBEIR_mean_MaxSim_ndcg@10"));
/// # Ok::<(), colburn_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct NanoBeirEvaluator {
    evaluators: Vec<InformationRetrievalEvaluator>,
}

impl NanoBeirEvaluator {
    /// PyLate's names of the collections of NanoBEIR.
    pub const NAMES: [&str; 13] = {
        let mut names = [""; 13];
        let mut at = 0;
        while at < names.len() {
            names[at] = NANO_BEIR[at].short;
            at += 1;
        }
        names
    };

    /// An evaluator over collections by their names in any case ([`NanoBeirEvaluator::NAMES`] for all of NanoBEIR), in the folder `root`
    /// or the local cache of the Hugging Face hub: [`Collection::from_nano_name`].
    ///
    /// # Errors
    /// When there is no name, one comes twice, or a collection cannot be found or read.
    pub fn new<S: AsRef<str>>(names: &[S], root: Option<&Path>) -> Result<Self> {
        if names.is_empty() {
            let message = format!("at least one name is expected; all are: {}", Self::NAMES.join(", "));
            return Err(Error::Option { option: "dataset_names", value: "[]".to_owned(), message });
        }
        let collections = names.iter().map(|name| Collection::from_nano_name(name.as_ref(), root));
        Self::from_collections(collections.collect::<Result<_>>()?)
    }

    /// An evaluator over folders in NanoBEIR's layout: [`Collection::from_nano_dir`].
    ///
    /// # Errors
    /// When there is no folder, two give the same name, or one cannot be read.
    pub fn from_dirs<P: AsRef<Path>>(dirs: &[P]) -> Result<Self> {
        Self::from_collections(dirs.iter().map(Collection::from_nano_dir).collect::<Result<_>>()?)
    }

    /// An evaluator over collections of any kind.
    ///
    /// # Errors
    /// When there is none, or two have the same name.
    pub fn from_collections(collections: Vec<Collection>) -> Result<Self> {
        let names: Vec<&str> = collections.iter().map(Collection::name).collect();
        let wrong = |message: String| Error::Option { option: "collections", value: format!("{names:?}"), message };
        if names.is_empty() {
            return Err(wrong("at least one is expected".to_owned()));
        }
        if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(wrong(format!("\"{}\" comes twice; names that differ are expected", names[at])));
        }
        Ok(Self { evaluators: collections.into_iter().map(InformationRetrievalEvaluator::new).collect() })
    }

    option_methods!();

    /// Texts that go before queries: one for all collections, or one for each by its name.
    ///
    /// # Errors
    /// When a collection has none, or a name is unknown.
    pub fn query_prompts(self, prompts: impl Into<PerCollection<String>>) -> Result<Self> {
        let prompts = prompts.into().complete("query_prompts", &self.names())?;
        self.each(prompts, |options, prompt| options.query_prompt = Some(prompt))
    }

    /// Texts that go before documents, likewise.
    ///
    /// # Errors
    /// As [`NanoBeirEvaluator::query_prompts`].
    pub fn corpus_prompts(self, prompts: impl Into<PerCollection<String>>) -> Result<Self> {
        let prompts = prompts.into().complete("corpus_prompts", &self.names())?;
        self.each(prompts, |options, prompt| options.corpus_prompt = Some(prompt))
    }

    /// Tokens of a query instead of the model's `query_length`: one number for all collections, or by their names; those not named keep
    /// the model's. ColBERT models are measured on BEIR with 64 for `climatefever` and `arguana` and 48 for `scifact` and `scidocs`.
    ///
    /// # Errors
    /// When a length is 0, or a name is unknown.
    pub fn query_lengths(self, lengths: impl Into<PerCollection<usize>>) -> Result<Self> {
        let lengths = lengths.into().resolve("query_lengths", &self.names())?;
        self.each(lengths, |options, length| options.query_length = length.or(options.query_length))
    }

    /// The collections.
    pub fn collections(&self) -> impl ExactSizeIterator<Item = &Collection> {
        self.evaluators.iter().map(InformationRetrievalEvaluator::collection)
    }

    fn names(&self) -> Vec<String> {
        self.collections().map(|collection| collection.name().to_owned()).collect()
    }

    fn change(self, change: impl Fn(&mut RetrievalOptions)) -> Result<Self> {
        let evaluators = self.evaluators.into_iter().map(|evaluator| evaluator.change(&change));
        Ok(Self { evaluators: evaluators.collect::<Result<_>>()? })
    }

    /// Changes the options of each collection by a value of its own.
    fn each<T>(self, values: Vec<T>, change: impl Fn(&mut RetrievalOptions, T)) -> Result<Self> {
        let both = self.evaluators.into_iter().zip(values);
        let evaluators = both.map(|(evaluator, value)| evaluator.change(|options| change(options, value)));
        Ok(Self { evaluators: evaluators.collect::<Result<_>>()? })
    }
}

impl Evaluator for NanoBeirEvaluator {
    fn name(&self) -> String {
        MEAN.to_owned()
    }

    fn metrics(&self) -> Vec<String> {
        let own = self.evaluators.iter().flat_map(Evaluator::metrics);
        let options = self.evaluators.first().map(InformationRetrievalEvaluator::current_options);
        let means = options.into_iter().flat_map(Cut::of_report).map(|cut| cut.key(MEAN));
        own.chain(means).collect()
    }

    fn primary_metric(&self) -> Option<String> {
        self.evaluators.first().map(|evaluator| Cut::primary(evaluator.current_options()).key(MEAN))
    }

    fn description(&self) -> String {
        "NanoBEIR".to_owned()
    }

    fn check(&self, model: &ColBert) -> Result<()> {
        self.evaluators.iter().try_for_each(|evaluator| evaluator.check(model))
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let mut all = Report::default();
        let mut sums = Vec::new();
        for evaluator in &self.evaluators {
            let report = evaluator.evaluate_with(model, progress)?;
            sums.resize(report.metrics.len(), 0.0);
            for (sum, (_, value)) in sums.iter_mut().zip(&report.metrics) {
                *sum += value;
            }
            all.metrics.extend(report.metrics);
        }
        if let Some(options) = self.evaluators.first().map(InformationRetrievalEvaluator::current_options) {
            let mean = |(cut, sum): (Cut, f64)| (cut.key(MEAN), sum / self.evaluators.len() as f64);
            all.metrics.extend(Cut::of_report(options).into_iter().zip(sums).map(mean));
            all.primary = Some(Cut::primary(options).key(MEAN));
        }
        Ok(all)
    }

    /// Writes the file of each collection, and `NanoBEIR_evaluation_mean_results.csv`.
    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        for evaluator in &self.evaluators {
            evaluator.write_csv(report, directory, epoch, steps)?;
        }
        let path = directory.join("NanoBEIR_evaluation_mean_results.csv");
        match self.evaluators.first().map(InformationRetrievalEvaluator::current_options) {
            Some(options) => append_csv(&path, MEAN, options, report, (epoch, steps)),
            None => Ok(()),
        }
    }
}

retrieval_settings! {
    /// The settings of a [`NanoBeirEvaluator`] in a configuration file.
    pub struct NanoBeirSettings {
        /// The names of the collections, all of NanoBEIR if not given.
        pub dataset_names: Option<Vec<String>>,
        /// The folder of the collections; the hub and its cache if not given.
        pub path: Option<String>,
        /// Texts that go before queries.
        pub query_prompts: Option<PerCollection<String>>,
        /// Texts that go before documents.
        pub corpus_prompts: Option<PerCollection<String>>,
        /// Tokens of a query, instead of the model's `query_length`.
        pub query_lengths: Option<PerCollection<usize>>,
    }
}

impl Configured for NanoBeirSettings {
    fn same_name(&self) -> Error {
        setting("type", "two are \"nano_beir\"; name all collections in one of them")
    }

    fn check(&self, _: &[EvalRows]) -> Result<()> {
        Ok(())
    }

    fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>> {
        let options = self.options(context.batch_size);
        let names = self.dataset_names.unwrap_or_else(|| NanoBeirEvaluator::NAMES.map(str::to_owned).to_vec());
        let mut evaluator = NanoBeirEvaluator::new(&names, self.path.as_deref().map(Path::new))?.options(options)?;
        if let Some(prompts) = self.query_prompts {
            evaluator = evaluator.query_prompts(prompts)?;
        }
        if let Some(prompts) = self.corpus_prompts {
            evaluator = evaluator.corpus_prompts(prompts)?;
        }
        if let Some(lengths) = self.query_lengths {
            evaluator = evaluator.query_lengths(lengths)?;
        }
        Ok(Arc::new(evaluator))
    }
}

#[cfg(test)]
mod tests;
