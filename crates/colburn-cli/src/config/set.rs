//! `--set SECTION.KEY=VALUE`: changes to a run from the command line. A value is read as TOML; a value that is not TOML is a text, so
//! that names and paths need no quotes within quotes.

use std::borrow::Cow;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table};

use super::run_text::RunText;
use crate::{Error, Result};

/// The assignments, each behind as many blanks as there are positions before it, so that their spans are positions of the run.
pub fn padded(run_text: &RunText) -> Vec<String> {
    let padded = |(at, assignment): (usize, &String)| format!("{:1$}{assignment}", "", run_text.start(at));
    run_text.assignments.iter().enumerate().map(padded).collect()
}

/// Applies the assignments in order.
pub fn apply<'a>(run: &mut DeTable<'a>, padded: &'a [String]) -> Result<()> {
    padded.iter().try_for_each(|assignment| assign(run, assignment))
}

fn assign<'a>(run: &mut DeTable<'a>, padded: &'a str) -> Result<()> {
    let assignment = padded.trim_start_matches(' ');
    let start = padded.len() - assignment.len();
    let wrong = |message: &str| Error::Run { place: format!("--set {assignment}"), message: message.to_owned() };
    let equals = equals(assignment).ok_or_else(|| wrong("there is no `=`"))?;
    let path = path(&assignment[..equals]).ok_or_else(|| {
        wrong("the key has a part that is empty or not a word; put quotes around a part with other characters, as in TOML")
    })?;
    let (last, sections) = path.split_last().ok_or_else(|| wrong("there is no key"))?;
    let parsed = DeTable::parse(padded).ok().and_then(|table| value(table.into_inner(), path.len()));
    let text = || DeValue::String(Cow::Borrowed(assignment[equals + 1..].trim()));
    let value = parsed.unwrap_or_else(|| Spanned::new(start + equals + 1..padded.len(), text()));
    let key = |part: &String| Spanned::new(start..start + equals, Cow::Owned(part.clone()));
    let mut table = run;
    for section in sections {
        if !table.contains_key(section.as_str()) {
            table.insert(key(section), Spanned::new(start..padded.len(), DeValue::Table(DeTable::new())));
        }
        table = match table.get_mut(section.as_str()).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => inner,
            _ => return Err(wrong(&format!("`{section}` is not a table of keys"))),
        };
    }
    // The key that stays in a map is the first, with its place.
    table.remove(last.as_str());
    table.insert(key(last), value);
    Ok(())
}

/// The position of the first `=` that is not within quotes.
fn equals(assignment: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in assignment.char_indices() {
        match (quote, character) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

/// The parts of a dotted key.
fn path(key: &str) -> Option<Vec<String>> {
    let mut table = format!("{key} = 0").parse::<Table>().ok()?;
    let mut path = Vec::new();
    loop {
        let mut entries = table.into_iter();
        match (entries.next(), entries.next()) {
            (Some((part, value)), None) if !part.is_empty() => {
                path.push(part);
                match value {
                    toml::Value::Table(inner) => table = inner,
                    _ => return Some(path),
                }
            }
            _ => return None,
        }
    }
}

/// The value under a key of `depth` parts, the only key of a table. No key is a date, but a run's name may look like one.
fn value(mut table: DeTable<'_>, depth: usize) -> Option<Spanned<DeValue<'_>>> {
    for _ in 1..depth {
        table = match only(table)?.into_inner() {
            DeValue::Table(inner) => inner,
            _ => return None,
        };
    }
    only(table).filter(|value| !value.get_ref().is_datetime())
}

fn only(table: DeTable<'_>) -> Option<Spanned<DeValue<'_>>> {
    let mut entries = table.into_iter();
    match (entries.next(), entries.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run after assignments.
    fn applied(text: &str, assignments: &[&str]) -> Result<Table> {
        let assignments: Vec<String> = assignments.iter().map(|&assignment| assignment.to_owned()).collect();
        let run_text = RunText { file: "RUN.toml", text, assignments: &assignments, sections: &[] };
        let padded = padded(&run_text);
        let mut run = DeTable::parse(text).unwrap();
        apply(run.get_mut(), &padded)?;
        for (at, assignment) in assignments.iter().enumerate() {
            assert!(padded[at].ends_with(assignment) && padded[at].len() == run_text.start(at) + assignment.len());
        }
        Ok(serde::Deserialize::deserialize(toml::Deserializer::from(run)).unwrap())
    }

    #[test]
    fn values_are_toml_or_text() {
        let value = |text: &str| applied("", &[&format!("a.b={text}")]).unwrap()["a"]["b"].clone();
        assert_eq!(value("1e-5"), toml::Value::Float(1e-5));
        assert_eq!(value("16"), toml::Value::Integer(16));
        assert_eq!(value("true"), toml::Value::Boolean(true));
        assert_eq!(value("[\"a\"]"), toml::Value::Array(vec![toml::Value::String("a".into())]));
        for text in ["output/run", "2024-01-01", "", "1\nother = 2", "a = b"] {
            assert_eq!(value(text), toml::Value::String(text.into()));
        }
        assert_eq!(value("\"16\""), toml::Value::String("16".into()));
    }

    #[test]
    fn keys_are_dotted_and_the_last_assignment_wins() {
        let run =
            applied("[training]\nseed = 1", &["training.seed=2", "training.seed = 3", "model.query_length=8"]).unwrap();
        assert_eq!(run["training"]["seed"], toml::Value::Integer(3));
        assert_eq!(run["model"]["query_length"], toml::Value::Integer(8));
    }

    #[test]
    fn tables_within_sections_are_reached() {
        let assignments = [
            "training.lr_scheduler_kwargs.num_cycles=2",
            "training.learning_rate_mapping.\"^1_Dense\\\\.linear=?\" = 1e-4",
            "training.prompts.'a.b'=x",
        ];
        let run = applied("[training]\nseed = 1", &assignments).unwrap();
        assert_eq!(run["training"]["lr_scheduler_kwargs"]["num_cycles"], toml::Value::Integer(2));
        assert_eq!(run["training"]["learning_rate_mapping"]["^1_Dense\\.linear=?"], toml::Value::Float(1e-4));
        assert_eq!(run["training"]["prompts"]["a.b"], toml::Value::String("x".into()));
    }

    #[test]
    fn an_assignment_without_key_or_value_is_an_error() {
        for wrong in ["training.seed", "=1", "training.=1", "training.seed.more=1", "training.a b=1", "\"\"=1"] {
            let message = applied("[training]\nseed = 1", &[wrong]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("--set {wrong}: ")), "{message}");
        }
    }
}
