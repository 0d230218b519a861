//! `--set SECTION.KEY=VALUE`: changes to a run from the command line. A value is read as TOML; what is no TOML value is a
//! text, so that names and paths need no quotes within quotes.

use toml::{Table, Value};

use crate::{Error, Result};

/// Applies the assignments in order and returns their keys.
pub fn apply(run: &mut Table, assignments: &[String]) -> Result<Vec<String>> {
    assignments.iter().map(|assignment| assign(run, assignment)).collect()
}

fn assign(run: &mut Table, assignment: &str) -> Result<String> {
    let wrong = |message: &str| Error::Assignment { assignment: assignment.to_owned(), message: message.to_owned() };
    let (key, value) = split(assignment).ok_or_else(|| wrong("there is no `=`"))?;
    let path = path(key).ok_or_else(|| {
        wrong("the key has a part that is empty or no word; put quotes around a part with other characters, as in TOML")
    })?;
    let (last, sections) = path.split_last().ok_or_else(|| wrong("there is no key"))?;
    let mut table = run;
    for section in sections {
        let entry = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
        table = entry.as_table_mut().ok_or_else(|| wrong(&format!("`{section}` is not a table of keys")))?;
    }
    table.insert(last.clone(), parse(value.trim()));
    Ok(path.join("."))
}

/// The key and the value, at the first `=` that is not within quotes.
fn split(assignment: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, character) in assignment.char_indices() {
        match (quote, character) {
            (None, '=') => return Some((&assignment[..at], &assignment[at + 1..])),
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
                    Value::Table(inner) => table = inner,
                    _ => return Some(path),
                }
            }
            _ => return None,
        }
    }
}

fn parse(value: &str) -> Value {
    let table = format!("value = {value}").parse::<Table>().unwrap_or_default();
    let mut values = table.into_iter();
    match (values.next(), values.next()) {
        // No key is a date, but a run's name may look like one.
        (Some((_, parsed)), None) if !parsed.is_datetime() => parsed,
        _ => Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::{apply, parse};

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(parse("1e-5"), Value::Float(1e-5));
        assert_eq!(parse("16"), Value::Integer(16));
        assert_eq!(parse("true"), Value::Boolean(true));
        assert_eq!(parse("[\"a\"]"), Value::Array(vec![Value::String("a".into())]));
        for text in ["output/run", "2024-01-01", "", "1\nother = 2", "a = b"] {
            assert_eq!(parse(text), Value::String(text.into()));
        }
        assert_eq!(parse("\"16\""), Value::String("16".into()));
    }

    #[test]
    fn keys_are_dotted_and_the_last_assignment_wins() {
        let mut run: Table = "[training]\nseed = 1".parse().unwrap();
        let keys =
            apply(&mut run, &["training.seed=2".into(), "training.seed = 3".into(), "model.query_length=8".into()])
                .unwrap();
        assert_eq!(keys, ["training.seed", "training.seed", "model.query_length"]);
        assert_eq!(run["training"]["seed"], Value::Integer(3));
        assert_eq!(run["model"]["query_length"], Value::Integer(8));
    }

    #[test]
    fn tables_within_sections_are_reached() {
        let mut run: Table = "[training]\nseed = 1".parse().unwrap();
        let keys = apply(
            &mut run,
            &[
                "training.lr_scheduler_kwargs.num_cycles=2".into(),
                "training.learning_rate_mapping.\"^1_Dense\\\\.linear=?\" = 1e-4".into(),
                "training.prompts.'a.b'=x".into(),
            ],
        )
        .unwrap();
        assert_eq!(keys[0], "training.lr_scheduler_kwargs.num_cycles");
        assert_eq!(run["training"]["lr_scheduler_kwargs"]["num_cycles"], Value::Integer(2));
        assert_eq!(run["training"]["learning_rate_mapping"]["^1_Dense\\.linear=?"], Value::Float(1e-4));
        assert_eq!(run["training"]["prompts"]["a.b"], Value::String("x".into()));
    }

    #[test]
    fn an_assignment_without_key_or_value_is_an_error() {
        let mut run: Table = "[training]\nseed = 1".parse().unwrap();
        for wrong in ["training.seed", "=1", "training.=1", "training.seed.more=1", "training.a b=1", "\"\"=1"] {
            let message = apply(&mut run, &[wrong.to_owned()]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("--set {wrong}: ")), "{message}");
        }
    }
}
