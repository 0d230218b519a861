//! `[[callbacks]]`: code that watches the run, of the kinds that come with the library. The keys are the arguments of transformers'
//! classes.

use std::mem::discriminant;

use colburn::train::{EarlyStoppingCallback, Trainer};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::section::Section;
use crate::Result;

/// One of `[[callbacks]]`, by its `type`.
#[derive(Clone, Debug, PartialEq)]
pub enum CallbackConfig {
    EarlyStopping(EarlyStoppingCallback),
}

impl CallbackConfig {
    /// The names that `type` can have.
    pub const NAMES: &'static [&'static str] = &["early_stopping"];

    /// Reads the settings of the callback of a name, without the key `type`.
    ///
    /// # Errors
    /// When there is no callback of this name, or it does not have a key or a value.
    pub fn of_type<'de, D: Deserializer<'de>>(name: &str, settings: D) -> std::result::Result<Self, D::Error> {
        match name {
            "early_stopping" => EarlyStoppingCallback::deserialize(settings).map(Self::EarlyStopping),
            other => Err(D::Error::unknown_variant(other, Self::NAMES)),
        }
    }

    /// Reads the tables of `[[callbacks]]`.
    ///
    /// # Errors
    /// When a type is unknown or does not have a key, or there are two of one.
    pub fn read(sections: &[Section]) -> Result<Vec<Self>> {
        let mut callbacks: Vec<Self> = Vec::new();
        for section in sections {
            let read = |name: &str, settings| Self::of_type(name, settings);
            let callback = section.read_type(("callbacks", "callback"), Self::NAMES, None, read)?;
            if callbacks.iter().any(|other| discriminant(other) == discriminant(&callback)) {
                return Err(section.wrong("type", "two callbacks are of this type; keep one of them"));
            }
            callbacks.push(callback);
        }
        Ok(callbacks)
    }

    /// Gives the callback to a trainer.
    pub fn add_to(self, trainer: Trainer) -> Trainer {
        match self {
            Self::EarlyStopping(callback) => trainer.callback(callback),
        }
    }
}
