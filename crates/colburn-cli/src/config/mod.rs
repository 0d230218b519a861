//! A training run as a TOML file describes it. Keys are read by serde into the types of the library, so that this file accepts exactly
//! what the library understands.

mod callbacks;
mod data;
mod evaluators;
mod loss;
mod run_text;
mod section;
mod set;
#[cfg(test)]
mod testing;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use colburn::eval::EvaluatorConfig;
use colburn::loss::{Contrastive, Loss, LossConfig};
use colburn::model::ColBertOptions;
use colburn::model::card::ModelCardData;
use colburn::train::TrainingArguments;
use serde::Deserialize;
use toml::de::DeTable;

use crate::{Error, Result};
use run_text::{KnownSection, RunText};
use section::{Section, has_key};

pub use callbacks::CallbackConfig;
pub use data::{DataConfig, DatasetConfig};

/// A run with everything checked that can be checked without opening another file.
#[derive(Debug)]
pub struct RunConfig {
    /// The file as it was named on the command line.
    file: String,
    pub model: ModelConfig,
    pub loss: LossConfig,
    pub data: DataConfig,
    pub evaluators: Vec<EvaluatorConfig>,
    pub callbacks: Vec<CallbackConfig>,
    /// `[model_card]`: facts for the card that the run does not know.
    pub model_card: ModelCardData,
    pub training: TrainingArguments,
}

/// `[model]`: the place of the model, and ColBERT's parameters as far as the run changes them.
#[derive(Debug)]
pub struct ModelConfig {
    pub name_or_path: String,
    pub options: ColBertOptions,
}

/// The key of `[model]` that is not one of ColBERT's parameters.
const NAME_OR_PATH: &str = "name_or_path";

/// The sections of a run, and whether they have a key.
const SECTIONS: &[KnownSection] = &[
    KnownSection { name: "model", has: |key| key == NAME_OR_PATH || has_key(key, ColBertOptions::deserialize) },
    KnownSection {
        name: "loss",
        has: |key| LossConfig::NAMES.iter().any(|name| has_key(key, |settings| LossConfig::of_type(name, settings))),
    },
    KnownSection { name: "data", has: DataConfig::has_key },
    KnownSection {
        name: "evaluators",
        has: |key| {
            EvaluatorConfig::NAMES.iter().any(|name| has_key(key, |settings| EvaluatorConfig::of_type(name, settings)))
        },
    },
    KnownSection {
        name: "callbacks",
        has: |key| {
            CallbackConfig::NAMES.iter().any(|name| has_key(key, |settings| CallbackConfig::of_type(name, settings)))
        },
    },
    KnownSection { name: "model_card", has: |key| has_key(key, ModelCardData::deserialize) },
    KnownSection { name: "training", has: |key| has_key(key, TrainingArguments::deserialize) },
];

impl RunConfig {
    /// Reads a file, and the changes to it by `--set`.
    ///
    /// # Errors
    /// When the file cannot be read or is not TOML, a key is unknown, or a value has the wrong type; each error names the line or the
    /// assignment, and the key.
    pub fn read(path: &Path, assignments: &[String]) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string(), assignments)
    }

    fn parse(text: &str, file: &str, assignments: &[String]) -> Result<Self> {
        let run_text = RunText { file, text, assignments, sections: SECTIONS };
        let padded = set::padded(&run_text);
        let mut run = DeTable::parse(text).map_err(|error| section::syntax(&run_text, &error))?.into_inner();
        set::apply(&mut run, &padded)?;
        section::check_names(&run, &run_text)?;
        let section = |name: &str| Section::new(&run_text, name, run.get(name).cloned());
        let array = |name: &str| Section::array(&run_text, name, run.get(name).cloned());

        let mut caching = Vec::new();
        let model = model(&section("model")?)?;
        let loss = loss::read(&section("loss")?, &mut caching)?;
        let data = DataConfig::read(&section("data")?, &mut caching)?;
        let training_section = section("training")?;
        let mut training: TrainingArguments = training_section.read(&[])?;
        check_required(&model, &data, &training, &run_text)?;
        let evaluators = evaluators::read(&array("evaluators")?, &data.eval_rows())?;
        let callbacks = CallbackConfig::read(&array("callbacks")?)?;
        let model_card = section("model_card")?.read(&[])?;
        training.mini_batch_size = loss::mini_batch_size(training.mini_batch_size, &caching)?;

        let file = run_text.file.to_owned();
        let config = Self { file, model, loss, data, evaluators, callbacks, model_card, training };
        config.check_evaluation(&training_section)?;
        Ok(config)
    }

    /// The loss of the datasets of a name.
    pub fn loss_of(&self, name: &str) -> Arc<dyn Loss> {
        let mut namesakes = self.data.train.iter().chain(&self.data.eval).filter(|dataset| dataset.name == name);
        let own = namesakes.find_map(|dataset| dataset.loss.as_ref());
        own.unwrap_or(&self.loss).clone().into_loss()
    }

    /// Checks that there is something to evaluate where an evaluation is wanted.
    fn check_evaluation(&self, training: &Section) -> Result<()> {
        let trains = self.training.trains();
        let wanted =
            if trains { self.training.do_eval.then_some(("do_eval", true)) } else { Some(("do_train", false)) };
        let nothing = self.data.eval.is_empty() && self.data.test_size.is_none() && self.evaluators.is_empty();
        match wanted {
            Some((key, value)) if nothing => Err(training.wrong(
                key,
                format!(
                    "{value}, so the run evaluates, but there is nothing to evaluate: give [data] eval or test_size, or \
                     [[evaluators]]"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Checks that a dataset with a teacher's scores has a loss that learns from them.
    ///
    /// # Errors
    /// When its loss needs texts alone.
    pub fn check_scores(&self, dataset: &DatasetConfig) -> Result<()> {
        let loss = self.loss_of(&dataset.name);
        if loss.name() != Contrastive::default().name() {
            return Ok(());
        }
        let message = format!(
            "[data] {} holds a teacher's scores, but the loss {:?} needs columns of text (query, positive, negatives); \
             losses that learn from scores: distillation, margin_mse, xtr_distillation",
            dataset.path,
            loss.name()
        );
        Err(Error::Run { place: self.file.clone(), message })
    }
}

fn check_required(
    model: &ModelConfig,
    data: &DataConfig,
    training: &TrainingArguments,
    run_text: &RunText,
) -> Result<()> {
    if model.name_or_path.is_empty() {
        return Err(run_text.wrong(format!("[model] needs {NAME_OR_PATH}")));
    }
    if data.train.iter().all(|train| train.path.is_empty()) && (training.trains() || data.test_size.is_some()) {
        return Err(run_text.wrong("[data] needs train"));
    }
    Ok(())
}

fn model(section: &Section) -> Result<ModelConfig> {
    let name_or_path = section.text(NAME_OR_PATH)?.unwrap_or_default();
    Ok(ModelConfig { name_or_path, options: section.read(&[NAME_OR_PATH])? })
}

#[cfg(test)]
mod tests;
