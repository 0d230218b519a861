//! Sections of a run as typed values, read by serde. An error of serde becomes one line with the place, the key, and the nearest name.

use std::ops::Range;

use colburn::data::nearest;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::run_text::{KnownSection, RunText};
use crate::{Error, Result};

/// A result of serde.
pub type TomlResult<T> = std::result::Result<T, toml::de::Error>;

/// A table of a run.
pub struct Section<'a> {
    run_text: &'a RunText<'a>,
    /// Its name in messages, such as `data.train`.
    name: String,
    table: DeTable<'a>,
    /// The place of the table in the run; none if the run does not have it.
    span: Option<Range<usize>>,
}

/// The keys of a section, for messages.
struct Keys<'a> {
    /// The known section that has the keys: `loss` for `data.train.loss`.
    family: &'a str,
    /// The type that has the keys: `the loss "contrastive"`.
    of_type: Option<String>,
    /// Keys that are not read by serde.
    separate: &'a [&'a str],
}

impl<'a> Section<'a> {
    /// A value as a section; a missing one is empty.
    ///
    /// # Errors
    /// When the value is not a table.
    pub fn new(run_text: &'a RunText<'a>, name: &str, value: Option<Spanned<DeValue<'a>>>) -> Result<Self> {
        let (span, table) = match value {
            None => (None, DeTable::new()),
            Some(value) => match (value.span(), value.into_inner()) {
                (span, DeValue::Table(table)) => (Some(span), table),
                (span, other) => {
                    let message = format!("[{name}] must be a table of keys, not {}", kind(&other));
                    return Err(Error::Run { place: run_text.place(span.start), message });
                }
            },
        };
        Ok(Self { run_text, name: name.to_owned(), table, span })
    }

    /// The tables of a `[[section]]`.
    ///
    /// # Errors
    /// When the value is not an array of tables.
    pub fn array(run_text: &'a RunText<'a>, name: &str, value: Option<Spanned<DeValue<'a>>>) -> Result<Vec<Self>> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let wrong = |span: Range<usize>, other: &DeValue| {
            let message = format!("[[{name}]] must be an array of tables, not {}", kind(other));
            Error::Run { place: run_text.place(span.start), message }
        };
        match (value.span(), value.into_inner()) {
            (_, DeValue::Array(array)) => {
                let table = |value: Spanned<DeValue<'a>>| match value.get_ref() {
                    DeValue::Table(_) => Self::new(run_text, name, Some(value)),
                    other => Err(wrong(value.span(), other)),
                };
                array.into_iter().map(table).collect()
            }
            (span, other) => Err(wrong(span, &other)),
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run that it is part of.
    pub fn run_text(&self) -> &'a RunText<'a> {
        self.run_text
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// The value of a key that is a text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.table.get(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(self.wrong(key, format!("{} was given; a text is expected", kind(other)))),
        }
    }

    /// The section as a value of a type, whose keys all have defaults. The keys in `separate` are left to the caller.
    ///
    /// # Errors
    /// When a key is unknown, or a value has the wrong type.
    pub fn read<T: DeserializeOwned>(&self, separate: &[&str]) -> Result<T> {
        let keys = Keys { family: &self.name, of_type: None, separate };
        T::deserialize(self.deserializer(separate)).map_err(|error| self.explain(&error, &keys))
    }

    /// The section as a value of the type that its key `type` names, `default` if it names none. `family` is the known section with
    /// such types, and the noun for one.
    ///
    /// # Errors
    /// When the type is unknown, does not have a key, or a value has the wrong type.
    pub fn read_type<T>(
        &self,
        (family, noun): (&str, &str),
        names: &[&str],
        default: Option<&str>,
        of_type: impl FnOnce(&str, ValueDeserializer<'a>) -> TomlResult<T>,
    ) -> Result<T> {
        let given = self.text("type")?;
        let Some(name) = given.as_deref().or(default) else {
            return Err(self.wrong("type", format!("it is missing; supported: {}", names.join(", "))));
        };
        if !names.contains(&name) {
            return Err(self.wrong("type", not_supported(name, names)));
        }
        let keys = Keys { family, of_type: Some(format!("the {noun} {name:?}")), separate: &["type"] };
        of_type(name, self.deserializer(keys.separate)).map_err(|error| self.explain(&error, &keys))
    }

    /// The place of a key, or of the section if it does not have the key.
    pub fn place(&self, key: &str) -> String {
        let of_key = self.table.get_key_value(key).map(|(key, _)| key.span());
        match of_key.or_else(|| self.span.clone()) {
            Some(span) => self.run_text.place(span.start),
            None => self.run_text.file.to_owned(),
        }
    }

    /// A value that a key cannot have.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> Error {
        let message = format!("{key} in [{}]: {}", self.name, message.into());
        Error::Run { place: self.place(key), message }
    }

    /// An error of the library about the section. It stands at the key that is its first word, if there is one.
    pub fn refused(&self, error: &impl ToString) -> Error {
        let message = plain(&error.to_string());
        let first = message.split([' ', ':', '=']).next().unwrap_or_default();
        Error::Run { place: self.place(first), message: format!("[{}] {message}", self.name) }
    }

    fn deserializer(&self, separate: &[&str]) -> ValueDeserializer<'a> {
        let mut table = self.table.clone();
        for key in separate {
            table.remove(*key);
        }
        Spanned::new(self.span.clone().unwrap_or_default(), DeValue::Table(table)).into()
    }

    fn explain(&self, error: &toml::de::Error, keys: &Keys) -> Error {
        // The key that an error is about, and whether it is about the key itself and not its value.
        let about = error.span().and_then(|span| {
            self.table.iter().find_map(|(key, value)| {
                let own = key.span() == span;
                (own || holds(value, &span)).then(|| (key.get_ref().to_string(), own, span.start))
            })
        });
        match (about, unknown_field(error.message())) {
            (Some((key, true, start)), Some((_, known))) => {
                let known: Vec<&str> = keys.separate.iter().copied().chain(known).collect();
                let message = format!("unknown key {key:?} in [{}]; {}", self.name, self.hint(&key, &known, keys));
                Error::Run { place: self.run_text.place(start), message }
            }
            (Some((key, false, start)), Some((unknown, known))) => {
                let hint = match near(unknown, &known) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known keys: {}", known.join(", ")),
                };
                let message = format!("unknown key {unknown:?} in [{}.{key}]; {hint}", self.name);
                Error::Run { place: self.run_text.place(start), message }
            }
            (Some((key, _, start)), None) => {
                let message = format!("{key} in [{}]: {}", self.name, plain(error.message()));
                Error::Run { place: self.run_text.place(start), message }
            }
            (None, _) => self.refused(&error.message()),
        }
    }

    /// The names near to an unknown key, else the sections that have it, else all names.
    fn hint(&self, key: &str, known: &[&str], keys: &Keys) -> String {
        if let Some(near) = near(key, known) {
            return format!("did you mean {near}?");
        }
        let sections = self.run_text.sections;
        let of_another_type =
            keys.of_type.is_some() && sections.iter().any(|section| section.name == keys.family && (section.has)(key));
        let owners = owners(sections.iter().filter(|section| section.name != keys.family), key);
        match (&keys.of_type, owners) {
            (None, Some(owners)) => owners,
            (Some(_), Some(owners)) if !of_another_type => owners,
            (Some(of_type), _) => format!("{of_type} has the keys {}", known.join(", ")),
            (None, None) => format!("known keys: {}", known.join(", ")),
        }
    }
}

/// Checks that all of the run is in known sections.
///
/// # Errors
/// When there is another section, or a key outside a section.
pub fn check_names(run: &DeTable, run_text: &RunText) -> Result<()> {
    let names: Vec<&str> = run_text.sections.iter().map(|section| section.name).collect();
    let Some((key, value)) = run.iter().find(|(key, _)| !names.contains(&&**key.get_ref())) else { return Ok(()) };
    let name = key.get_ref().as_ref();
    let message = if matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_)) {
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean [{near}]?"),
            None => format!("known sections: {}", names.join(", ")),
        };
        format!("unknown section [{name}]; {hint}")
    } else {
        let hint = owners(run_text.sections.iter(), name);
        let hint = hint.unwrap_or_else(|| format!("keys belong in [{}]", names.join("], [")));
        format!("unknown key {name:?} outside a section; {hint}")
    };
    Err(Error::Run { place: run_text.place(key.span().start), message })
}

/// True if a type has a key, whatever its value.
pub fn has_key<'a, T>(key: &'a str, of_type: impl FnOnce(ValueDeserializer<'a>) -> TomlResult<T>) -> bool {
    let value = Spanned::new(0..0, DeValue::Boolean(false));
    let table = DeTable::from_iter([(Spanned::new(0..0, key.to_owned().into()), value)]);
    let read = of_type(Spanned::new(0..0, DeValue::Table(table)).into());
    read.map_or_else(|error| unknown_field(error.message()).is_none(), |_| true)
}

/// A syntax error of the file.
pub fn syntax(run_text: &RunText, error: &toml::de::Error) -> Error {
    let place = error.span().map_or_else(|| run_text.file.to_owned(), |span| run_text.place(span.start));
    Error::Run { place, message: plain(error.message()) }
}

/// The kind of a value, in words.
pub fn kind(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// True if a span is that of a value or of a part of it.
fn holds(value: &Spanned<DeValue>, span: &Range<usize>) -> bool {
    value.span() == *span
        || match value.get_ref() {
            DeValue::Table(table) => table.iter().any(|(key, value)| key.span() == *span || holds(value, span)),
            DeValue::Array(array) => array.iter().any(|value| holds(value, span)),
            _ => false,
        }
}

/// The sections that have a key.
fn owners<'s>(sections: impl Iterator<Item = &'s KnownSection>, key: &str) -> Option<String> {
    let owners: Vec<String> =
        sections.filter(|section| (section.has)(key)).map(|section| format!("[{}]", section.name)).collect();
    (!owners.is_empty()).then(|| format!("it belongs in {}", owners.join(" or ")))
}

/// The names that may be meant: the one that is spelt nearly so, or up to three that have all words of it.
fn near(key: &str, known: &[&str]) -> Option<String> {
    if let Some(near) = nearest(key, known) {
        return Some(format!("{near:?}"));
    }
    let has_words = |name: &&&str| key.split('_').all(|word| name.split('_').any(|other| other == word));
    let near: Vec<String> = known.iter().filter(has_words).map(|name| format!("{name:?}")).collect();
    (1..=3).contains(&near.len()).then(|| near.join(" or "))
}

/// The unknown key, and the known ones, of serde's message about a key: "unknown field `a`, expected one of `b`, `c`".
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let (unknown, rest) = message.strip_prefix("unknown field `")?.split_once("`, ")?;
    Some((unknown, rest.split('`').skip(1).step_by(2).collect()))
}

/// The message about a name that is not one of those that can be given.
fn not_supported(name: &str, supported: &[&str]) -> String {
    let near = nearest(name, supported).map_or_else(String::new, |near| format!("did you mean {near:?}? "));
    format!("{name:?} is not supported; {near}supported: {}", supported.join(", "))
}

/// Serde's message in plain words, without Rust's names of types, on one line.
fn plain(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((variant, expected)) = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, "))
    {
        let supported: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return not_supported(variant, &supported);
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message };
    let expected = match expected {
        "f32" | "f64" => "a number",
        "usize" | "u8" | "u16" | "u32" | "u64" => "a whole number from 0",
        "isize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a nonzero usize" => "a whole number from 1",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        other => other,
    };
    format!("{found}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serdes_message_about_a_key_is_taken_apart() {
        for (message, expected) in [
            ("unknown field `a`, expected `b`", Some(("a", vec!["b"]))),
            ("unknown field `a`, expected `b` or `c`", Some(("a", vec!["b", "c"]))),
            ("unknown field `a`, expected one of `b`, `c`, `d`", Some(("a", vec!["b", "c", "d"]))),
            ("unknown field `a`, there are no fields", Some(("a", vec![]))),
            ("invalid type: string \"x\", expected f64", None),
        ] {
            assert_eq!(unknown_field(message), expected, "{message}");
        }
    }

    #[test]
    fn a_name_is_near_by_its_letters_or_its_words() {
        let known = ["name_or_path", "query_length", "document_length"];
        assert_eq!(near("name", &known).as_deref(), Some("\"name_or_path\""));
        assert_eq!(near("query_lenght", &known).as_deref(), Some("\"query_length\""));
        assert_eq!(near("length", &known).as_deref(), Some("\"query_length\" or \"document_length\""));
        assert_eq!(near("temperature", &known), None);
    }
}
