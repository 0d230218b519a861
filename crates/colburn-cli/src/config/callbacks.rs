//! `[[callbacks]]`: code that watches the run, of the kinds that come with the library.

use serde::Deserialize;
use toml::Value;

use super::section::{self, Origin};
use crate::Result;

/// What `type` may name.
const CALLBACKS: [&str; 1] = ["early_stopping"];

/// One of `[[callbacks]]`; the keys besides `type` are the arguments of transformers' class.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct CallbackConfig {
    pub r#type: String,
    pub early_stopping_patience: usize,
    pub early_stopping_threshold: f64,
}

impl Default for CallbackConfig {
    fn default() -> Self {
        Self { r#type: String::new(), early_stopping_patience: 1, early_stopping_threshold: 0.0 }
    }
}

impl CallbackConfig {
    /// Reads the tables of the section.
    ///
    /// # Errors
    /// When a type is unknown, or there are two of one.
    pub fn read(value: Option<Value>, origin: Origin) -> Result<Vec<Self>> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let tables = section::tables(value, "callbacks", origin)?;
        let callbacks = tables.into_iter().map(|table| section::read(table, "callbacks", origin));
        let callbacks = callbacks.collect::<Result<Vec<Self>>>()?;
        for (at, callback) in callbacks.iter().enumerate() {
            let name = &callback.r#type;
            origin.one_of("callbacks", "type", name, &CALLBACKS)?;
            if callbacks[..at].iter().any(|other| other.r#type == *name) {
                return Err(origin.wrong("callbacks", "type", format!("two are {name:?}; keep one of them")));
            }
        }
        Ok(callbacks)
    }
}
