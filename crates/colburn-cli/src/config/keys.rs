//! Unknown keys: every one is an error, because a misspelt key that is ignored costs a training run. The message names the
//! key that was probably meant, or the section where the key exists.

use colburn::data::nearest;
use toml::{Table, Value};

use super::section::Origin;
use super::sections;
use crate::{Error, Result};

/// A section's name and the keys that it may hold.
pub type Section = (&'static str, Vec<&'static str>);

/// Checks every section of a run, and every key of it.
pub fn check(run: &Table, origin: Origin) -> Result<()> {
    let sections = &sections();
    for (name, value) in run {
        let Some((_, known)) = sections.iter().find(|(section, _)| section == name) else {
            return Err(unknown_at_top(name, value, sections, origin));
        };
        let tables = match value {
            Value::Table(table) => vec![table],
            Value::Array(array) => array.iter().filter_map(Value::as_table).collect(),
            _ => Vec::new(),
        };
        for key in tables.into_iter().flat_map(Table::keys) {
            check_key(key, name, known, origin)?;
        }
    }
    Ok(())
}

/// Checks a key of a section, which may be a table within another.
pub fn check_key(key: &str, section: &str, known: &[&'static str], origin: Origin) -> Result<()> {
    if known.contains(&key) {
        return Ok(());
    }
    let file = origin.of(section, key).to_owned();
    let hint = hint(key, known, &sections());
    Err(Error::UnknownKey { key: key.to_owned(), place: format!("in [{section}] of {file}"), hint })
}

fn unknown_at_top(name: &str, value: &Value, sections: &[Section], origin: Origin) -> Error {
    let file = origin.of(name, "").to_owned();
    if value.is_table() || value.is_array() {
        let names: Vec<&str> = sections.iter().map(|(section, _)| *section).collect();
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean [{near}]?"),
            None => format!("known sections: {}", names.join(", ")),
        };
        return Error::UnknownSection { section: name.to_owned(), file, hint };
    }
    Error::UnknownKey {
        key: name.to_owned(),
        place: format!("outside a section of {file}"),
        hint: hint(name, &[], sections),
    }
}

fn hint(key: &str, known: &[&str], sections: &[Section]) -> String {
    let owners = sections.iter().filter(|(_, keys)| keys.contains(&key)).map(|(section, _)| format!("[{section}]"));
    let owners: Vec<String> = owners.collect();
    if !owners.is_empty() {
        return format!("it belongs in {}", owners.join(" or "));
    }
    match nearest(key, known) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => {
            let names: Vec<String> = sections.iter().map(|(section, _)| format!("[{section}]")).collect();
            format!("keys belong in {}", names.join(", "))
        }
        None => format!("known keys: {}", known.join(", ")),
    }
}
