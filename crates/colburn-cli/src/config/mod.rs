//! A training run as a TOML file describes it. Keys are checked against the types that they end up in, so what this file
//! accepts and what the library understands cannot drift apart.

mod keys;
mod section;
mod set;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use colburn::loss::Contrastive;
use colburn::model::ColBertOptions;
use colburn::train::TrainingArguments;
use serde::Deserialize;
use toml::{Table, Value};

use crate::{Error, Result};
use section::Origin;

/// The losses that `[loss] type` may name.
const LOSSES: [&str; 1] = ["contrastive"];

/// The evaluators that `type` in `[[evaluators]]` may name.
const EVALUATORS: [&str; 1] = ["triplet"];

/// A run with everything checked that can be checked without opening another file.
#[derive(Debug)]
pub struct RunConfig {
    pub model: ModelConfig,
    pub loss: Contrastive,
    pub data: DataConfig,
    pub evaluators: Vec<EvaluatorConfig>,
    pub training: TrainingArguments,
}

/// `[model]`: where the model lies, and ColBERT's parameters as far as the run changes them.
#[derive(Debug)]
pub struct ModelConfig {
    pub name_or_path: String,
    pub options: ColBertOptions,
}

/// `[loss]`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct LossConfig {
    r#type: String,
    temperature: f64,
    size_average: bool,
}

impl Default for LossConfig {
    fn default() -> Self {
        let Contrastive { temperature, size_average, .. } = Contrastive::default();
        Self { r#type: LOSSES[0].to_owned(), temperature, size_average }
    }
}

/// `[data]`: files, globs or folders.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DataConfig {
    pub train: String,
    pub eval: Option<String>,
    /// Below 1 the share of the training rows that is held out, from 1 their number.
    pub test_size: Option<f64>,
}

/// One of `[[evaluators]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EvaluatorConfig {
    pub r#type: String,
    /// Part of the name of its CSV file and of its metric; none unless there are several.
    pub name: String,
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

        let path_alone = ["name_or_path"];
        let model_keys = path_alone.iter().chain(section::keys_of::<ColBertOptions>()).copied().collect();
        keys::check(
            &table,
            &[
                ("model", model_keys),
                ("loss", section::keys_of::<LossConfig>().to_vec()),
                ("data", section::keys_of::<DataConfig>().to_vec()),
                ("evaluators", section::keys_of::<EvaluatorConfig>().to_vec()),
                ("training", section::keys_of::<TrainingArguments>().to_vec()),
            ],
            origin,
        )?;

        let config = Self {
            model: model(section::table(&mut table, "model", origin)?, origin)?,
            loss: section::read::<LossConfig>(section::table(&mut table, "loss", origin)?, "loss", origin)?
                .build(origin)?,
            data: section::read(section::table(&mut table, "data", origin)?, "data", origin)?,
            evaluators: evaluators(table.remove("evaluators"), origin)?,
            training: section::read(section::table(&mut table, "training", origin)?, "training", origin)?,
        };
        config.check(origin)?;
        Ok(config)
    }

    fn check(&self, origin: Origin) -> Result<()> {
        for (section, key, value) in
            [("model", "name_or_path", &self.model.name_or_path), ("data", "train", &self.data.train)]
        {
            if value.is_empty() {
                return Err(Error::MissingKey { section, key, file: origin.file.to_owned() });
            }
        }
        if self.data.eval.is_some() && self.data.test_size.is_some() {
            return Err(Error::Run {
                file: origin.file.to_owned(),
                message: "[data] has both eval and test_size; keep one of them".to_owned(),
            });
        }
        if !self.evaluators.is_empty() && self.data.eval.is_none() && self.data.test_size.is_none() {
            return Err(Error::Run {
                file: origin.file.to_owned(),
                message: "[[evaluators]] needs rows to evaluate on: give [data] eval or test_size".to_owned(),
            });
        }
        self.check_evaluator_names(origin)
    }

    /// Metrics and files are told apart by the evaluators' names.
    fn check_evaluator_names(&self, origin: Origin) -> Result<()> {
        let mut names = HashSet::new();
        for EvaluatorConfig { name, .. } in &self.evaluators {
            if name.contains(['/', '\\']) {
                let message = format!("{name:?} becomes part of a file's name and cannot hold / or \\");
                return Err(origin.wrong("evaluators", "name", message));
            }
            if !names.insert(name) {
                let which = if name.is_empty() { "no name".to_owned() } else { format!("the name {name:?}") };
                let message = format!("two have {which}; give each one a `name` of its own");
                return Err(origin.wrong("evaluators", "name", message));
            }
        }
        Ok(())
    }
}

impl LossConfig {
    fn build(self, origin: Origin) -> Result<Contrastive> {
        origin.one_of("loss", &self.r#type, &LOSSES)?;
        Ok(Contrastive { temperature: self.temperature, size_average: self.size_average, ..Contrastive::default() })
    }
}

fn model(mut table: Table, origin: Origin) -> Result<ModelConfig> {
    let name_or_path = match table.remove("name_or_path") {
        Some(value) => section::text(value, "model", "name_or_path", origin)?,
        None => String::new(),
    };
    Ok(ModelConfig { name_or_path, options: section::read(table, "model", origin)? })
}

fn evaluators(value: Option<Value>, origin: Origin) -> Result<Vec<EvaluatorConfig>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let mut evaluators = Vec::new();
    for table in section::tables(value, "evaluators", origin)? {
        let evaluator: EvaluatorConfig = section::read(table, "evaluators", origin)?;
        origin.one_of("evaluators", &evaluator.r#type, &EVALUATORS)?;
        evaluators.push(evaluator);
    }
    Ok(evaluators)
}

#[cfg(test)]
mod tests {
    use super::RunConfig;

    const RUN: &str = r#"
[model]
name_or_path = "models/bert"
query_length = 16

[loss]
type = "contrastive"
temperature = 0.5

[data]
train = "train.jsonl"
test_size = 0.1

[[evaluators]]
type = "triplet"

[training]
output_dir = "output/run"
learning_rate = 1
device = "flex"
"#;

    fn error(text: &str, set: &[&str]) -> String {
        let set: Vec<String> = set.iter().map(|&assignment| assignment.to_owned()).collect();
        let message = RunConfig::parse(text, "RUN.toml", &set).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    #[test]
    fn a_run_is_read() {
        let run = RunConfig::parse(RUN, "RUN.toml", &[]).unwrap();
        assert_eq!(run.model.name_or_path, "models/bert");
        assert_eq!(run.model.options.query_length, Some(16));
        assert_eq!(run.loss.temperature, 0.5);
        assert!(run.loss.size_average);
        assert_eq!(run.data.test_size, Some(0.1));
        assert_eq!(run.evaluators.len(), 1);
        assert_eq!(run.training.learning_rate, 1.0);
        assert_eq!(run.training.device.as_deref(), Some("flex"));
    }

    #[test]
    fn assignments_come_after_the_file() {
        let set = ["training.learning_rate=1e-5", "training.output_dir=output/other", "model.skiplist_words=[\".\"]"];
        let run = RunConfig::parse(RUN, "RUN.toml", &set.map(str::to_owned)).unwrap();
        assert_eq!(run.training.learning_rate, 1e-5);
        assert_eq!(run.training.output_dir.to_str(), Some("output/other"));
        assert_eq!(run.model.options.skiplist_words, Some(vec![".".to_owned()]));
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        assert_eq!(
            error(&RUN.replace("learning_rate", "learning_rat"), &[]),
            "unknown key \"learning_rat\" in [training] of RUN.toml; did you mean \"learning_rate\"?"
        );
        assert_eq!(
            error(RUN, &["training.learning_rat=1"]),
            "unknown key \"learning_rat\" in [training] of --set; did you mean \"learning_rate\"?"
        );
        assert_eq!(
            error(&RUN.replace("query_length", "learning_rate"), &[]),
            "unknown key \"learning_rate\" in [model] of RUN.toml; it belongs in [training]"
        );
        assert_eq!(
            error(&RUN.replace("[training]", "[trainig]"), &[]),
            "unknown section [trainig] in RUN.toml; did you mean [training]?"
        );
        assert_eq!(
            error(&format!("seed = 1\n{RUN}"), &[]),
            "unknown key \"seed\" outside a section of RUN.toml; it belongs in [model] or [training]"
        );
        assert!(
            error(&RUN.replace("temperature", "quux"), &[]).ends_with("; known keys: type, temperature, size_average")
        );
    }

    #[test]
    fn values_of_a_wrong_type_name_the_key() {
        assert_eq!(
            error(RUN, &["training.learning_rate=fast"]),
            "learning_rate in [training] of --set: invalid type: string \"fast\", expected a number"
        );
        assert_eq!(
            error(&RUN.replace("query_length = 16", "query_length = -1"), &[]),
            "query_length in [model] of RUN.toml: invalid value: integer `-1`, expected a whole number from 0"
        );
        assert_eq!(error("training = 3", &[]), "[training] of RUN.toml must be a table of keys, not an integer");
        assert_eq!(
            error("evaluators = 3", &[]),
            "[[evaluators]] of RUN.toml must be an array of tables, not an integer"
        );
        assert_eq!(
            error(RUN, &["training.device=1"]),
            "device in [training] of --set: invalid type: integer `1`, expected a text"
        );
    }

    #[test]
    fn what_does_not_exist_yet_is_refused_with_what_does() {
        assert_eq!(
            error(&RUN.replace("\"contrastive\"", "\"distillation\""), &[]),
            "type in [loss] of RUN.toml: \"distillation\" is not supported; supported: contrastive"
        );
        assert_eq!(
            error(&RUN.replace("\"triplet\"", "\"nano_beir\""), &[]),
            "type in [evaluators] of RUN.toml: \"nano_beir\" is not supported; supported: triplet"
        );
    }

    #[test]
    fn missing_and_contradicting_keys_are_named() {
        assert_eq!(error("", &[]), "RUN.toml: [model] needs name_or_path");
        assert_eq!(error(&RUN.replace("train = ", "eval = "), &[]), "RUN.toml: [data] needs train");
        assert!(error(RUN, &["data.eval=test.jsonl"]).contains("both eval and test_size"));
        assert!(error(&RUN.replace("test_size = 0.1", ""), &[]).contains("give [data] eval or test_size"));
    }

    #[test]
    fn evaluators_are_told_apart_by_their_names() {
        let second = |name: &str| format!("{RUN}\n[[evaluators]]\ntype = \"triplet\"\n{name}\n");
        let run = RunConfig::parse(&second("name = \"hard\""), "RUN.toml", &[]).unwrap();
        assert_eq!(run.evaluators.iter().map(|evaluator| evaluator.name.as_str()).collect::<Vec<_>>(), ["", "hard"]);
        assert_eq!(
            error(&second(""), &[]),
            "name in [evaluators] of RUN.toml: two have no name; give each one a `name` of its own"
        );
        let twice = "evaluators=[{type=\"triplet\", name=\"a\"}, {type=\"triplet\", name=\"a\"}]";
        assert_eq!(
            error(RUN, &[twice]),
            "name in [evaluators] of --set: two have the name \"a\"; give each one a `name` of its own"
        );
        assert!(error(&second("name = \"a/b\""), &[]).contains("\"a/b\" becomes part of a file's name"));
    }

    #[test]
    fn the_example_is_a_run_and_is_the_one_in_the_readme() {
        let example = include_str!("../../../../examples/run.toml");
        let run = RunConfig::parse(example, "run.toml", &[]).unwrap();
        run.training.validate().unwrap();
        assert!(include_str!("../../../../README.md").contains(example));
    }

    #[test]
    fn broken_toml_names_the_line() {
        assert!(error("[model]\nname_or_path = ", &[]).starts_with("RUN.toml:2: "));
    }
}
