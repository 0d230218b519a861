//! Unknown keys: every one is an error, because a misspelt key that is ignored costs a training run. The message names the
//! key that was probably meant, or the section where the key exists.

use toml::{Table, Value};

use super::section::Origin;
use crate::{Error, Result};

/// A section's name and the keys that it may hold.
type Section<'a> = (&'a str, Vec<&'static str>);

/// Checks every key of a run.
pub fn check(run: &Table, sections: &[Section], origin: Origin) -> Result<()> {
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
            if !known.contains(&key.as_str()) {
                let hint = hint(key, known, sections);
                let file = origin.of(name, key).to_owned();
                return Err(Error::UnknownKey { key: key.clone(), place: format!("in [{name}] of {file}"), hint });
            }
        }
    }
    Ok(())
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

/// The known name at the smallest edit distance, if that is small for the name's length.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|other| (strsim::damerau_levenshtein(name, other), *other));
    let (distance, near) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["learning_rate", "seed", "max_steps"];
        assert_eq!(nearest("learning_rat", &known), Some("learning_rate"));
        assert_eq!(nearest("leraning_rate", &known), Some("learning_rate"));
        assert_eq!(nearest("sed", &known), Some("seed"));
        assert_eq!(nearest("bf16", &known), None);
        assert_eq!(nearest("seed", &[]), None);
    }
}
