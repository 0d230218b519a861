//! The model card of a run: the card of the model itself (`colburn_model::card`), and what only its training knows: data, losses, arguments,
//! logs, results.
//!
//! The constant parts are made before the first step, the rest follows from [`TrainerState`]. So the card of a checkpoint describes the run up
//! to there, and a resumed run ends with the card that it would have had without interruption. Therefore nothing in a card depends on the
//! clock, and `resume_from_checkpoint` is not among the arguments.

mod citations;
mod columns;
mod datasets;
mod examples;
mod hyperparameters;
mod logs;
mod results;
#[cfg(all(test, feature = "flex"))]
mod tests;

use std::sync::Arc;

use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_model::card::{ModelCard, ModelCardData};
use serde_json::{Map, Value};

use self::datasets::DatasetSection;
pub use self::examples::NamedExamples;
pub use self::results::EvaluatorInfo;
use crate::record::TrainerState;

/// The parts of a run that its card describes.
pub struct CardInput<'a> {
    /// The model that is trained.
    pub model: &'a ColBert,
    /// The training arguments without secrets, as [`arguments_as_json`](crate::arguments_as_json) gives them.
    pub arguments: &'a Map<String, Value>,
    /// The same of the default arguments.
    pub default_arguments: &'a Map<String, Value>,
    /// Texts of a mini-batch, where the arguments ask for gradient caching.
    pub mini_batch_size: Option<usize>,
    /// The data that a person gave.
    pub data: &'a ModelCardData,
    /// The repository that the model is uploaded to.
    pub repo: Option<String>,
    /// The training datasets.
    pub train: &'a [NamedExamples],
    /// The datasets on which a loss is computed in evaluation.
    pub eval: &'a [NamedExamples],
    /// The loss of each training dataset, then of each eval dataset.
    pub losses: &'a [Arc<dyn Loss>],
    /// The evaluators.
    pub evaluators: Vec<EvaluatorInfo>,
}

/// The cards of a run.
pub struct RunCard {
    card: ModelCard,
    datasets: String,
    hyperparameters: String,
    evaluators: Vec<EvaluatorInfo>,
}

impl RunCard {
    /// Reads the first rows of the datasets. None if no card is wanted.
    pub fn new(input: CardInput<'_>) -> Option<Self> {
        let CardInput { model, data, repo, train, eval, losses, evaluators, .. } = input;
        if !data.create_model_card {
            return None;
        }
        let sections = |sets: &[NamedExamples], losses: &[Arc<dyn Loss>], described: &[_]| -> Vec<DatasetSection> {
            let described = datasets::matching(described, sets.len());
            let sections = sets.iter().zip(losses).enumerate();
            let section = |(at, (named, loss)): (usize, (&NamedExamples, &Arc<dyn Loss>))| {
                DatasetSection::new(model.tokenizer(), named, loss.as_ref(), input.mini_batch_size, described.get(at))
            };
            sections.map(section).collect()
        };
        let (of_train, of_eval) = losses.split_at(train.len().min(losses.len()));
        let training = sections(train, of_train, &data.train_datasets);
        let evaluation = sections(eval, of_eval, &data.eval_datasets);

        let data = ModelCardData { model_id: data.model_id.clone().or(repo), ..data.clone() };
        let mut card = ModelCard::new(model).with_data(&data);
        card.tags = vec!["generated_from_trainer".to_owned()];
        card.tags.push(format!("dataset_size:{}", train.iter().map(|named| named.examples.len()).sum::<usize>()));
        card.trained_on = training.iter().map(|section| section.dataset.clone()).collect();
        for section in training.iter().chain(&evaluation) {
            let tag = format!("loss:{}", section.loss.type_name);
            if !card.tags.contains(&tag) {
                card.tags.push(tag);
            }
            citations::add(&mut card.citations, &section.loss);
        }
        card.versions = vec![("Device".to_owned(), colburn_ops::device::name(&model.device()).to_owned())];
        let datasets = [datasets::all("Training", &training), datasets::all("Evaluation", &evaluation)].concat();
        let hyperparameters = hyperparameters::section(input.arguments, input.default_arguments);
        Some(Self { card, datasets, hyperparameters, evaluators })
    }

    /// The card of the weights of a step, in Markdown; `best` is true if they were chosen because they are the best ones.
    pub fn render(&self, state: &TrainerState, step: usize, best: bool) -> String {
        let found = results::results(&self.evaluators, state, step);
        let logs = logs::section(&self.evaluators, state, best.then_some(step));
        let mut card = self.card.clone();
        (card.evaluation, card.metrics, card.results) = (found.section, found.metrics, found.results);
        card.training = format!("## Training Details\n{}{}{logs}", self.datasets, self.hyperparameters);
        card.to_markdown()
    }
}
