//! `[[evaluators]]`: what else the model is measured by.

use std::collections::HashSet;

use serde::Deserialize;
use toml::Value;

use super::data::DataConfig;
use super::section::{self, Origin};
use crate::Result;

/// What `type` may name.
const EVALUATORS: [&str; 1] = ["triplet"];

/// One of `[[evaluators]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EvaluatorConfig {
    pub r#type: String,
    /// Part of the name of its CSV file and of its metric; none unless there are several.
    pub name: String,
    /// Its own rows; those of the eval dataset if not given.
    pub path: Option<String>,
}

impl EvaluatorConfig {
    /// Reads the tables of the section.
    ///
    /// # Errors
    /// When a type is unknown, names do not tell the evaluators apart, or one has no rows.
    pub fn read(value: Option<Value>, data: &DataConfig, origin: Origin) -> Result<Vec<Self>> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let tables = section::tables(value, "evaluators", origin)?;
        let evaluators = tables.into_iter().map(|table| section::read(table, "evaluators", origin));
        let evaluators = evaluators.collect::<Result<Vec<Self>>>()?;
        let mut names = HashSet::new();
        for evaluator in &evaluators {
            let Self { r#type, name, path } = evaluator;
            origin.one_of("evaluators", "type", r#type, &EVALUATORS)?;
            if name.contains(['/', '\\']) {
                let message = format!("{name:?} becomes part of a file's name and cannot hold / or \\");
                return Err(origin.wrong("evaluators", "name", message));
            }
            if !names.insert(name) {
                return Err(origin.same_name("evaluators", name));
            }
            if let (None, Some(problem)) = (path, without_rows(data)) {
                return Err(origin.wrong("evaluators", "path", format!("it is missing, and {problem}")));
            }
        }
        Ok(evaluators)
    }
}

/// Why an evaluator cannot take the rows of the eval dataset.
fn without_rows(data: &DataConfig) -> Option<&'static str> {
    let eval = if data.test_size.is_some() { &data.train } else { &data.eval };
    match eval.as_slice() {
        [] => Some("there is no eval data to take the rows from: give [data] eval or test_size, or path here"),
        [one] if one.tables.is_some() => {
            Some("the eval data holds a teacher's scores; rows of query, positive and negative are expected")
        }
        [_] => None,
        _ => Some("there are several eval datasets; rows of query, positive and negative are expected"),
    }
}
