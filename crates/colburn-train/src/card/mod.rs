//! The model card of a run: what the model tells of itself (`colburn_model::card`), and what only its training knows: data, losses, arguments,
//! logs, results.
//!
//! What stays the same is gathered before the first step, the rest follows from [`TrainerState`]; so the card of a checkpoint tells of the run
//! up to there, and a run that goes on from one ends with the card that it would have had. Therefore nothing in it depends on the clock, and
//! `resume_from_checkpoint` is not among the arguments.

mod citations;
mod columns;
mod datasets;
mod hyperparameters;
mod logs;
mod results;

use std::sync::Arc;

use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_model::card::{ModelCard, ModelCardData};

use self::datasets::DatasetSection;
pub(crate) use self::results::{Measured, measured};
use crate::trainer::Named;
use crate::{TrainerState, TrainingArguments};

/// What a run is made of, as far as its card tells of it.
pub(crate) struct Subject<'a> {
    pub model: &'a ColBert,
    pub args: &'a TrainingArguments,
    pub data: &'a ModelCardData,
    /// The repository that the model is uploaded to.
    pub repo: Option<String>,
    pub train: &'a [Named],
    pub eval: &'a [Named],
    /// The loss of each training dataset, then of each eval dataset.
    pub losses: &'a [Arc<dyn Loss>],
    pub measured: Vec<Measured>,
}

/// What the cards of a run are made from.
pub(crate) struct RunCard {
    card: ModelCard,
    datasets: String,
    hyperparameters: String,
    measured: Vec<Measured>,
}

impl RunCard {
    /// Reads the first rows of the datasets. None if no card is wanted.
    pub fn new(subject: Subject) -> Option<Self> {
        let Subject { model, args, data, repo, train, eval, losses, measured } = subject;
        if !data.create_model_card {
            return None;
        }
        let caching = args.mini_batch_size;
        let sections = |sets: &[Named], losses: &[Arc<dyn Loss>], said: &[_]| -> Vec<DatasetSection> {
            let said = datasets::matching(said, sets.len());
            let sections = sets.iter().zip(losses).enumerate();
            let section = |(at, (named, loss)): (usize, (&Named, &Arc<dyn Loss>))| {
                DatasetSection::new(model.tokenizer(), named, loss.as_ref(), caching, said.get(at))
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
        Some(Self { card, datasets, hyperparameters: hyperparameters::section(args), measured })
    }

    /// The card of the weights of a step; `best` says that they were chosen because they are the best ones.
    pub fn of(&self, state: &TrainerState, step: usize, best: bool) -> String {
        let found = results::found(&self.measured, state, step);
        let logs = logs::section(&self.measured, state, best.then_some(step));
        let mut card = self.card.clone();
        (card.evaluation, card.metrics, card.results) = (found.section, found.metrics, found.results);
        card.training = format!("## Training Details\n{}{}{logs}", self.datasets, self.hyperparameters);
        card.to_markdown()
    }
}

/// A number as the tables of a card show it.
fn short(number: f64) -> String {
    if number.is_finite() { format!("{number:.4}") } else { "nan".to_owned() }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
