//! A setting that may differ between collections.

use std::collections::BTreeMap;

use colburn_data::nearest;
use serde::Deserialize;

use crate::{
    collection::names::{NANO_BEIR, full_name},
    error::{Error, Result},
};

/// One value for all collections, or one for each by its name in any spelling (`scifact`, `NanoSciFact`).
///
/// In a configuration it is a value, or a table of names and values.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected one value, or a table of collections and values")]
pub enum PerCollection<T> {
    /// The same for all.
    All(T),
    /// A value for each collection by its name.
    Each(BTreeMap<String, T>),
}

impl<T: Clone> PerCollection<T> {
    /// The value of each collection, none where there is none for it.
    ///
    /// # Errors
    /// When a name is neither one of these collections nor one of NanoBEIR's, or two spell the same.
    pub(super) fn resolve(self, option: &'static str, collections: &[String]) -> Result<Vec<Option<T>>> {
        let values = match self {
            PerCollection::All(value) => return Ok(vec![Some(value); collections.len()]),
            PerCollection::Each(values) => values,
        };
        let mut by_name = BTreeMap::new();
        for (name, value) in values {
            let wrong = |message: String| Error::Option { option, value: format!("\"{name}\""), message };
            let full = full_name(&name).to_lowercase();
            let mut known: Vec<&str> = collections.iter().map(String::as_str).collect();
            known.extend(NANO_BEIR.iter().map(|known| known.full));
            if !known.iter().any(|known| full_name(known).to_lowercase() == full) {
                let near = nearest(&full_name(&name), &known);
                let near = near.map_or(String::new(), |near| format!(" did you mean \"{near}\"?"));
                let names = collections.join(", ");
                return Err(wrong(format!("no collection of this name;{near} The collections are: {names}")));
            }
            if by_name.insert(full, value).is_some() {
                return Err(wrong("the collection is given twice, in different spellings".to_owned()));
            }
        }
        Ok(collections.iter().map(|name| by_name.get(&full_name(name).to_lowercase()).cloned()).collect())
    }

    /// The same where none may be missing.
    ///
    /// # Errors
    /// When a collection has no value, or as [`resolve`](Self::resolve).
    pub(super) fn complete(self, option: &'static str, collections: &[String]) -> Result<Vec<T>> {
        let values = self.resolve(option, collections)?;
        let named = values.iter().zip(collections).filter(|(value, _)| value.is_none()).map(|(_, name)| name.as_str());
        let missing: Vec<&str> = named.collect();
        if !missing.is_empty() {
            let message = "one for each collection is expected, or one text for all".to_owned();
            return Err(Error::Option { option, value: format!("nothing for {}", missing.join(", ")), message });
        }
        Ok(values.into_iter().flatten().collect())
    }
}

impl From<&str> for PerCollection<String> {
    fn from(value: &str) -> Self {
        PerCollection::All(value.to_owned())
    }
}

impl From<String> for PerCollection<String> {
    fn from(value: String) -> Self {
        PerCollection::All(value)
    }
}

impl From<usize> for PerCollection<usize> {
    fn from(value: usize) -> Self {
        PerCollection::All(value)
    }
}

impl<T> From<BTreeMap<String, T>> for PerCollection<T> {
    fn from(values: BTreeMap<String, T>) -> Self {
        PerCollection::Each(values)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for PerCollection<String> {
    fn from(values: [(&str, &str); N]) -> Self {
        PerCollection::Each(values.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

impl<const N: usize> From<[(&str, usize); N]> for PerCollection<usize> {
    fn from(values: [(&str, usize); N]) -> Self {
        PerCollection::Each(values.map(|(name, value)| (name.to_owned(), value)).into())
    }
}
