//! Triplet accuracy: how often a query scores its positive above its negative.

use std::{borrow::Cow, ops::Range, path::Path, sync::Arc};

use burn::tensor::{Device, Tensor, TensorData};
use colburn_data::TextRows;
use colburn_model::{ColBert, EncodeOptions, Kind, TokenEmbeddings};
use colburn_ops::{Embeddings, MaskRule, Spans, maxsim_pairs};
use serde::Deserialize;

use crate::{
    batch_size::BatchSize,
    configured::{Configured, EvalRows, EvaluatorContext, check_texts},
    error::{Error, Result},
    evaluator::Evaluator,
    finite::check_finite,
    progress::Progress,
    python::float,
    report::{LineEnd, Report, append_csv, epoch_and_steps, file_part, named},
};

/// Share of triplets with MaxSim(query, positive) > MaxSim(query, negative), strictly (`ColBERTTripletEvaluator` of PyLate).
///
/// Scores are taken over the vectors that encoding keeps; nothing is padded, so nothing is floored at 0.
#[derive(Clone, Debug)]
pub struct TripletEvaluator {
    triplets: TextRows,
    name: String,
    batch_size: BatchSize,
    query: Prompt,
    corpus: Prompt,
}

/// The text before each text of one kind; without one, the model's own prompt if it has a `default_prompt_name`.
#[derive(Clone, Debug, Default)]
struct Prompt {
    text: Option<String>,
    /// The name under which the model keeps it.
    name: Option<String>,
}

impl Prompt {
    fn of(&self, model: &ColBert) -> Result<Option<String>> {
        Ok(match (&self.text, &self.name) {
            (None, Some(name)) => Some(model.prompt(name)?.to_owned()),
            (text, _) => text.clone(),
        })
    }
}

impl TripletEvaluator {
    /// An evaluator over the query, the positive and the first negative of rows, such as those of a [`Dataset`](colburn_data::Dataset).
    ///
    /// # Errors
    /// When there is no negative, no row, or a row that lacks a text or has several positives.
    pub fn new(triplets: impl Into<TextRows>) -> Result<Self> {
        let triplets = triplets.into().checked()?;
        let data = |message: String| Error::Data { evaluator: "triplet evaluator", message };
        if triplets.is_empty() {
            return Err(data(format!("{} has no rows", triplets.description())));
        }
        if triplets.documents(0)?.len() < 2 {
            return Err(data(format!("{}; query, positive and negative are expected", triplets.description())));
        }
        let (query, corpus) = (Prompt::default(), Prompt::default());
        Ok(Self { triplets, name: String::new(), batch_size: BatchSize { given: None, on_cpu: 32 }, query, corpus })
    }

    /// Gives the evaluator a name, which becomes part of its file name and, so that several can be told apart, of its metric:
    /// `NAME_accuracy` where PyLate always says `accuracy`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Texts that are encoded at once; without a number 32 on a CPU, and on any other device as many as keep it busy.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size.given = Some(batch_size.max(1));
        self
    }

    /// Puts a text before every query.
    pub fn query_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.query.text = Some(prompt.into());
        self
    }

    /// The same with a prompt of the model, by its name.
    pub fn query_prompt_name(mut self, name: impl Into<String>) -> Self {
        self.query.name = Some(name.into());
        self
    }

    /// Puts a text before every positive and negative.
    pub fn corpus_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.corpus.text = Some(prompt.into());
        self
    }

    /// The same with a prompt of the model, by its name.
    pub fn corpus_prompt_name(mut self, name: impl Into<String>) -> Self {
        self.corpus.name = Some(name.into());
        self
    }

    /// The metric's name.
    fn metric(&self) -> String {
        named(&self.name, "accuracy")
    }

    /// The number of these rows with the positive above the negative.
    fn won(&self, model: &ColBert, device: &Device, rows: Range<usize>) -> Result<usize> {
        let mut columns: [Vec<Cow<'_, str>>; 3] = Default::default();
        for row in rows.clone() {
            let texts = std::iter::once(self.triplets.query(row)?.into()).chain(self.triplets.documents(row)?);
            columns.iter_mut().zip(texts).for_each(|(column, text)| column.push(text));
        }
        let encode = |what: &str, texts: &[Cow<'_, str>], kind: Kind| {
            let prompt = match kind {
                Kind::Query => self.query.of(model)?,
                Kind::Document => self.corpus.of(model)?,
            };
            let options = EncodeOptions { prompt, ..self.batch_size.options(model) };
            let encoded = model.encode(texts, kind, &options)?;
            check_finite(&encoded, |at| Ok(format!("{what} of triplet {} (counted from 0)", rows.start + at)))?;
            Ok::<_, Error>(encoded)
        };
        let [query, positive, negative] = &columns;
        let queries = encode("query", query, Kind::Query)?;
        let positives = encode("positive", positive, Kind::Document)?;
        let negatives = encode("negative", negative, Kind::Document)?;
        let pairs = positives.iter().zip(&negatives).flat_map(|(positive, negative)| [positive, negative]);
        let (queries, documents) = (packed(queries.iter(), device)?, packed(pairs, device)?);
        let scores = maxsim_pairs(&queries, &documents, MaskRule::Ignore)?;
        let scores = scores.try_into_vec_as::<f32>().map_err(|error| Error::Device(error.to_string()))?;
        Ok(scores.as_chunks::<2>().0.iter().filter(|[positive, negative]| positive > negative).count())
    }
}

impl Evaluator for TripletEvaluator {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn metrics(&self) -> Vec<String> {
        vec![self.metric()]
    }

    fn primary_metric(&self) -> Option<String> {
        Some(self.metric())
    }

    fn check(&self, model: &ColBert) -> Result<()> {
        self.query.of(model)?;
        self.corpus.of(model)?;
        Ok(())
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let device = model.device();
        // A chunk of rows at a time bounds the memory; within it, texts are batched by length.
        let (rows, chunk) = (self.triplets.len(), self.batch_size.chunk(model));
        let mut won = 0;
        for start in (0..rows).step_by(chunk) {
            let end = rows.min(start.saturating_add(chunk));
            won += self.won(model, &device, start..end)?;
            progress(&Progress { what: "triplets", done: end, total: rows });
        }
        let metric = self.metric();
        Ok(Report { metrics: vec![(metric.clone(), won as f64 / rows as f64)], primary: Some(metric) })
    }

    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        let name = file_part(&self.name);
        let path = directory.join(format!("triplet_evaluation{name}_results.csv"));
        let accuracy = report.get(&self.metric()).unwrap_or(f64::NAN);
        let [epoch, steps] = epoch_and_steps(epoch, steps);
        append_csv(&path, &["epoch", "steps", "accuracy"], &[epoch, steps, float(accuracy)], LineEnd::CrLf)
    }
}

/// The settings of a [`TripletEvaluator`] in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TripletSettings {
    /// Part of the names of its CSV file and its metric.
    pub name: String,
    /// Its triplets; the rows of the eval dataset if not given.
    pub path: Option<String>,
    /// Texts that are encoded at once.
    pub batch_size: Option<usize>,
    /// Put before every query.
    pub query_prompt: Option<String>,
    /// The same by the name under which the model keeps it.
    pub query_prompt_name: Option<String>,
    /// Put before every positive and negative.
    pub corpus_prompt: Option<String>,
    /// The same by the name under which the model keeps it.
    pub corpus_prompt_name: Option<String>,
}

impl Configured for TripletSettings {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, eval: &[EvalRows]) -> Result<()> {
        check_texts(self.path.as_deref(), eval)
    }

    fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>> {
        let mut evaluator = TripletEvaluator::new(context.texts(self.path.as_deref())?)?;
        evaluator.query = Prompt { text: self.query_prompt, name: self.query_prompt_name };
        evaluator.corpus = Prompt { text: self.corpus_prompt, name: self.corpus_prompt_name };
        let evaluator = evaluator.name(self.name);
        Ok(Arc::new(match self.batch_size.or(context.batch_size) {
            Some(batch_size) => evaluator.batch_size(batch_size),
            None => evaluator,
        }))
    }
}

/// Encoded texts as one run on the device.
fn packed<'a>(texts: impl Iterator<Item = &'a TokenEmbeddings>, device: &Device) -> Result<Embeddings> {
    let (mut values, mut lengths, mut dim) = (Vec::new(), Vec::new(), 0);
    for text in texts {
        values.extend_from_slice(&text.values);
        lengths.push(text.tokens());
        dim = text.dim;
    }
    let spans = Spans::from_lengths(&lengths);
    let values = Tensor::from_data(TensorData::new(values, [spans.tokens(), dim]), device);
    Ok(Embeddings::new(values, spans)?)
}
