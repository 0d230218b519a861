//! `[[evaluators]]`: further measurements of the model. The keys are the arguments of PyLate's and sentence-transformers' classes.

use colburn::eval::{self, EvalRows, EvaluatorConfig};

use super::section::Section;
use crate::{Error, Result};

/// Reads the tables of `[[evaluators]]` in a run with these eval datasets.
///
/// # Errors
/// When a type is unknown or does not have a key, names do not tell evaluators apart, or one has no rows.
pub fn read(sections: &[Section], eval: &[EvalRows]) -> Result<Vec<EvaluatorConfig>> {
    let mut evaluators: Vec<EvaluatorConfig> = Vec::new();
    for section in sections {
        let read = |name: &str, settings| EvaluatorConfig::of_type(name, settings);
        let evaluator = section.read_type(("evaluators", "evaluator"), EvaluatorConfig::NAMES, None, read)?;
        evaluator.check(eval).map_err(|error| refused(section, error))?;
        for other in &evaluators {
            evaluator.check_beside(other).map_err(|error| refused(section, error))?;
        }
        evaluators.push(evaluator);
    }
    Ok(evaluators)
}

fn refused(section: &Section, error: eval::Error) -> Error {
    match error {
        eval::Error::Setting { key, message } => section.wrong(key, message),
        other => section.refused(&other),
    }
}
