//! The settings of a configuration file and the evaluator that they describe: the data that a run gives, and the checks that settings
//! share.

use std::sync::Arc;

use colburn_data::{Dataset, Examples, KnownRows, TextRows};

use crate::error::{Error, Result};
use crate::evaluator::Evaluator;

/// The kind of the rows of an eval dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalRows {
    /// Columns of text: query, positive, negatives.
    Texts,
    /// A teacher's scores.
    Scores,
}

impl From<&Examples> for EvalRows {
    fn from(examples: &Examples) -> Self {
        match examples.known() {
            KnownRows::Texts(_) => Self::Texts,
            KnownRows::Distillation(_) => Self::Scores,
        }
    }
}

/// The parts of a run that evaluators are built from, beside their settings.
pub struct EvaluatorContext<'a> {
    /// The eval datasets, each with its name.
    pub eval: &'a [(String, Examples)],
    /// Texts that are encoded at once by an evaluator that does not set its own number; none for what is best on the device.
    pub batch_size: Option<usize>,
    /// Loads a dataset by its path or its name on the hub.
    pub load: &'a mut dyn FnMut(&str) -> colburn_data::Result<Dataset>,
}

impl EvaluatorContext<'_> {
    /// The rows of text of a file, or those of the eval dataset where no file is given.
    pub(crate) fn texts(&mut self, path: Option<&str>) -> Result<TextRows> {
        match (path, self.eval) {
            (Some(path), _) => Ok((self.load)(path)?.into()),
            (None, [(_, Examples::Texts(rows))]) => Ok(rows.clone()),
            (None, _) => Err(no_texts(&self.rows()).unwrap_or_else(|| missing("it is missing"))),
        }
    }

    /// The kinds of the eval datasets.
    pub(crate) fn rows(&self) -> Vec<EvalRows> {
        self.eval.iter().map(|(_, examples)| examples.into()).collect()
    }
}

/// The settings of an evaluator in a configuration file.
pub(crate) trait Configured {
    /// Its name: part of the names of its file and its metrics.
    fn name(&self) -> &str {
        ""
    }

    /// True if its data gives it a name, so that two without a name do not collide.
    fn is_named_by_its_data(&self) -> bool {
        false
    }

    /// The error where another evaluator of its type has its name.
    fn same_name(&self) -> Error {
        let name = self.name();
        let which = if name.is_empty() { "no name".to_owned() } else { format!("the name {name:?}") };
        setting("name", format!("two have {which}; give each one a `name` of its own"))
    }

    /// Checks what can be checked before a file is read, in a run with these eval datasets.
    fn check(&self, eval: &[EvalRows]) -> Result<()>;

    /// Reads the data and makes the evaluator.
    fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>>;
}

/// A setting that cannot be used.
pub(crate) fn setting(key: &'static str, message: impl Into<String>) -> Error {
    Error::Setting { key, message: message.into() }
}

/// A `path` that is not given.
pub(crate) fn missing(message: &str) -> Error {
    setting("path", message)
}

/// Checks that an evaluator of texts has rows: of a file of its own, or of the eval dataset.
pub(crate) fn check_texts(path: Option<&str>, eval: &[EvalRows]) -> Result<()> {
    match (path, no_texts(eval)) {
        (None, Some(error)) => Err(error),
        _ => Ok(()),
    }
}

/// The error where the eval datasets are not one dataset of texts.
fn no_texts(eval: &[EvalRows]) -> Option<Error> {
    let reason = match eval {
        [] => "there is no eval data to take the rows from: give [data] eval or test_size, or path here",
        [EvalRows::Texts] => return None,
        [EvalRows::Scores] => {
            "the eval data holds a teacher's scores; rows of query, positive and negative are expected"
        }
        _ => "there are several eval datasets; rows of query, positive and negative are expected",
    };
    Some(missing(&format!("it is missing, and {reason}")))
}
