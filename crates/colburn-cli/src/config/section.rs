//! Sections of a run as typed values. A section's keys are the fields of its type, and it is deserialised key by key, so
//! that an error can name the key.

use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use toml::{Table, Value};

use crate::{Error, Result};

/// Where keys came from, for error messages.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The file as it was named on the command line.
    pub file: &'a str,
    /// The keys that `--set` gave, dotted.
    pub assigned: &'a [String],
}

impl<'a> Origin<'a> {
    /// What gave a key of a section its value, or part of it. Without a key: the section.
    pub fn of(&self, section: &str, key: &str) -> &'a str {
        let wanted = if key.is_empty() { section.to_owned() } else { format!("{section}.{key}") };
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        let gave = |set: &String| *set == wanted || within(&wanted, set) || (!key.is_empty() && within(set, &wanted));
        if self.assigned.iter().any(gave) { "--set" } else { self.file }
    }

    /// Fails unless a key of a section, such as `type`, is one of the supported names.
    pub fn one_of(&self, section: &str, key: &str, given: &str, supported: &[&str]) -> Result<()> {
        if supported.contains(&given) {
            return Ok(());
        }
        let problem = if given.is_empty() { "missing".to_owned() } else { format!("{given:?} is not supported") };
        let message = format!("{problem}; supported: {}", supported.join(", "));
        Err(self.wrong(section, key, message))
    }

    /// Two tables of a section that their names do not tell apart.
    pub fn same_name(&self, section: &str, name: &str) -> Error {
        let which = if name.is_empty() { "no name".to_owned() } else { format!("the name {name:?}") };
        self.wrong(section, "name", format!("two have {which}; give each one a `name` of its own"))
    }

    /// A value that a key of a section cannot have.
    pub fn wrong(&self, section: &str, key: &str, message: String) -> Error {
        Error::Value {
            key: key.to_owned(),
            section: section.to_owned(),
            file: self.of(section, key).to_owned(),
            message,
        }
    }
}

/// The keys that a section of this type may hold: the names of its fields, which serde hands to whatever deserialises it.
pub fn keys_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    let _no_value = T::deserialize(FieldNames(&mut names));
    names
}

/// A deserializer that has no value to give, and notes the fields that it is asked for.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Self::Error> {
        Err(Self::Error::custom("there is no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Takes a section out of a run; a missing one is empty.
pub fn table(run: &mut Table, section: &str, origin: Origin) -> Result<Table> {
    match run.remove(section) {
        None => Ok(Table::new()),
        Some(Value::Table(table)) => Ok(table),
        Some(other) => {
            let message = format!("must be a table of keys, not {}", kind(&other));
            Err(Error::Section { section: format!("[{section}]"), file: origin.of(section, "").to_owned(), message })
        }
    }
}

/// The tables of a `[[section]]`.
pub fn tables(value: Value, section: &str, origin: Origin) -> Result<Vec<Table>> {
    let wrong = |other: &Value| Error::Section {
        section: format!("[[{section}]]"),
        file: origin.of(section, "").to_owned(),
        message: format!("must be an array of tables, not {}", kind(other)),
    };
    let Value::Array(array) = value else { return Err(wrong(&value)) };
    let as_table = |value| if let Value::Table(table) = value { Ok(table) } else { Err(wrong(&value)) };
    array.into_iter().map(as_table).collect()
}

/// A section as a value of its type, whose keys all have defaults.
pub fn read<T: DeserializeOwned>(table: Table, section: &str, origin: Origin) -> Result<T> {
    for (key, value) in &table {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = alone.try_into::<T>() {
            return Err(origin.wrong(section, key, plain(error.message())));
        }
    }
    table.try_into::<T>().map_err(|error| Error::Section {
        section: format!("[{section}]"),
        file: origin.file.to_owned(),
        message: plain(error.message()),
    })
}

/// A key that is read by itself.
pub fn text(value: Value, section: &str, key: &str, origin: Origin) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(origin.wrong(section, key, format!("invalid type: {}, expected a text", other.type_str()))),
    }
}

/// A syntax error of the file, on one line.
pub fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    let place = line.map_or(file.to_owned(), |line| format!("{file}:{line}"));
    Error::Run { file: place, message: plain(error.message()) }
}

/// Serde's words without Rust's names for types, on one line.
fn plain(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message };
    let expected = match expected {
        "f32" | "f64" => "a number",
        "usize" | "u8" | "u16" | "u32" | "u64" => "a whole number from 0",
        "isize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        other => other,
    };
    format!("{found}, expected {expected}")
}

pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "an array",
        Value::Table(_) => "a table",
    }
}
