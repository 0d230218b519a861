//! A training run as a TOML file describes it. Keys are checked against the types that they end up in, so what this file
//! accepts and what the library understands cannot drift apart.

mod callbacks;
mod data;
mod evaluators;
mod keys;
mod loss;
mod section;
mod set;

use std::fs;
use std::path::Path;

use colburn::loss::{Contrastive, Loss};
use colburn::model::ColBertOptions;
use colburn::model::card::ModelCardData;
use colburn::train::TrainingArguments;
use toml::Table;

use crate::{Error, Result};
use section::Origin;

pub use callbacks::CallbackConfig;
pub use data::{DataConfig, DatasetConfig};
pub use evaluators::EvaluatorConfig;
pub use loss::{LossConfig, Objective};

/// A run with everything checked that can be checked without opening another file.
#[derive(Debug)]
pub struct RunConfig {
    pub model: ModelConfig,
    pub loss: LossConfig,
    pub data: DataConfig,
    pub evaluators: Vec<EvaluatorConfig>,
    pub callbacks: Vec<CallbackConfig>,
    /// `[model_card]`: what goes into the card beside what the run knows.
    pub model_card: ModelCardData,
    pub training: TrainingArguments,
}

/// `[model]`: where the model lies, and ColBERT's parameters as far as the run changes them.
#[derive(Debug)]
pub struct ModelConfig {
    pub name_or_path: String,
    pub options: ColBertOptions,
}

/// The sections of a run and their keys.
fn sections() -> [keys::Section; 7] {
    let path_alone = ["name_or_path"];
    [
        ("model", path_alone.iter().chain(section::keys_of::<ColBertOptions>()).copied().collect()),
        ("loss", section::keys_of::<loss::Keys>().to_vec()),
        ("data", section::keys_of::<data::Keys>().to_vec()),
        ("evaluators", section::keys_of::<EvaluatorConfig>().to_vec()),
        ("callbacks", section::keys_of::<CallbackConfig>().to_vec()),
        ("model_card", section::keys_of::<ModelCardData>().to_vec()),
        ("training", section::keys_of::<TrainingArguments>().to_vec()),
    ]
}

impl RunConfig {
    /// Reads a file and what `--set` changes about it.
    ///
    /// # Errors
    /// When the file cannot be read or is no TOML, a key is unknown, or a value has the wrong type; each names the key.
    pub fn read(path: &Path, assignments: &[String]) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string(), assignments)
    }

    fn parse(text: &str, file: &str, assignments: &[String]) -> Result<Self> {
        let mut table: Table = text.parse().map_err(|error| section::syntax(file, text, &error))?;
        let assigned = set::apply(&mut table, assignments)?;
        let origin = Origin { file, assigned: &assigned };
        keys::check(&table, origin)?;

        let model = model(section::table(&mut table, "model", origin)?, origin)?;
        let loss = LossConfig::read(section::table(&mut table, "loss", origin)?, "loss", origin)?;
        let data = DataConfig::read(section::table(&mut table, "data", origin)?, origin)?;
        let mut training: TrainingArguments =
            section::read(section::table(&mut table, "training", origin)?, "training", origin)?;
        check_required(&model, &data, &training, origin)?;
        let evaluators = EvaluatorConfig::read(table.remove("evaluators"), &data, origin)?;
        let callbacks = CallbackConfig::read(table.remove("callbacks"), origin)?;
        let model_card = section::read(section::table(&mut table, "model_card", origin)?, "model_card", origin)?;
        let losses = std::iter::once(("loss", &loss)).chain(data.losses());
        training.mini_batch_size = LossConfig::mini_batch_size(losses, training.mini_batch_size, origin)?;

        let config = Self { model, loss, data, evaluators, callbacks, model_card, training };
        config.check(origin)?;
        Ok(config)
    }

    /// The loss of the datasets of a name.
    pub fn loss_of(&self, name: &str) -> &dyn Loss {
        let mut namesakes = self.data.train.iter().chain(&self.data.eval).filter(|dataset| dataset.name == name);
        let own = namesakes.find_map(|dataset| dataset.loss.as_ref());
        own.unwrap_or(&self.loss).objective.as_loss()
    }

    fn check(&self, origin: Origin) -> Result<()> {
        let trains = self.training.trains();
        let asked = if trains { self.training.do_eval.then_some(("do_eval", true)) } else { Some(("do_train", false)) };
        let nothing = self.data.eval.is_empty() && self.data.test_size.is_none() && self.evaluators.is_empty();
        if let (Some((key, value)), true) = (asked, nothing) {
            let message = format!(
                "{value}, which asks for an evaluation, but there is nothing to evaluate: give [data] eval or test_size, or \
                 [[evaluators]]"
            );
            return Err(origin.wrong("training", key, message));
        }
        for dataset in self.data.train.iter().chain(&self.data.eval).filter(|dataset| dataset.tables.is_some()) {
            let loss = self.loss_of(&dataset.name);
            if loss.name() == Contrastive::default().name() {
                let message = format!(
                    "[data] {} holds a teacher's scores, but the loss {:?} needs columns of text (query, positive, negatives); \
                     losses that learn from scores: distillation, margin_mse, xtr_distillation",
                    dataset.path,
                    loss.name()
                );
                return Err(Error::Run { file: origin.file.to_owned(), message });
            }
        }
        Ok(())
    }
}

fn check_required(model: &ModelConfig, data: &DataConfig, training: &TrainingArguments, origin: Origin) -> Result<()> {
    let missing = |section, key| Err(Error::MissingKey { section, key, file: origin.file.to_owned() });
    if model.name_or_path.is_empty() {
        return missing("model", "name_or_path");
    }
    if data.train.iter().all(|train| train.path.is_empty()) && (training.trains() || data.test_size.is_some()) {
        return missing("data", "train");
    }
    Ok(())
}

fn model(mut table: Table, origin: Origin) -> Result<ModelConfig> {
    let name_or_path = match table.remove("name_or_path") {
        Some(value) => section::text(value, "model", "name_or_path", origin)?,
        None => String::new(),
    };
    Ok(ModelConfig { name_or_path, options: section::read(table, "model", origin)? })
}

#[cfg(test)]
mod tests;
