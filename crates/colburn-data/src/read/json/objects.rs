//! A row that is a JSON object. Only texts, numbers and lists of either are kept; of other values the type is.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::read::rows::Field;
use crate::table::lists::{Collector, Item, List};
use crate::table::value::Value;

/// More columns are a sign of keys that are values, and would take much room in every row.
const MOST_COLUMNS: usize = 10_000;
const OBJECT: &str = "object";

/// The values of a row. The columns are those of all rows so far.
#[derive(Default)]
pub(super) struct ObjectRow {
    fields: Vec<Field>,
    numbers: HashMap<String, usize>,
    /// The value of each column; none where the row has no such key.
    values: Vec<Option<Value<'static>>>,
}

impl ObjectRow {
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(super) fn has(&self, field: usize) -> bool {
        self.values.get(field).is_some_and(Option::is_some)
    }

    pub(super) fn value(&self, field: usize) -> Value<'_> {
        match self.values.get(field).and_then(Option::as_ref) {
            None | Some(Value::Null) => Value::Null,
            Some(Value::Text(text)) => Value::Text(text.as_ref().into()),
            Some(Value::List(List::Texts(texts))) => {
                Value::List(List::Texts(texts.iter().map(|text| text.as_ref().into()).collect()))
            }
            Some(other) => other.clone(),
        }
    }

    /// True if all values of the row are lists or objects of several values: not a row, but columns.
    pub(super) fn is_columns(&self) -> bool {
        let is_column = |value: &Option<Value>| match value {
            Some(Value::List(list)) => list.len() > 1,
            Some(Value::Other(_)) => true,
            _ => false,
        };
        let lengths = self.values.iter().map(|value| match value {
            Some(Value::List(list)) => list.len(),
            _ => 0,
        });
        let mut lengths: Vec<usize> = lengths.collect();
        lengths.dedup();
        self.values.iter().all(is_column) && lengths.len() == 1
    }

    /// Reads a row.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), String> {
        self.values.iter_mut().for_each(|value| *value = None);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let read = RowSeed(self).deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
        match read {
            Ok(None) => Ok(()),
            Ok(Some(found)) => Err(format!("a {found}")),
            Err(error) => Err(message(&error)),
        }
    }

    /// Sets the values of a row that is no object.
    pub(super) fn set(&mut self, cells: Vec<(String, Value<'static>)>) -> Result<(), String> {
        self.values.iter_mut().for_each(|value| *value = None);
        for (name, value) in cells {
            let at = self.number(&name)?;
            self.values[at] = Some(value);
        }
        Ok(())
    }

    fn number(&mut self, name: &str) -> Result<usize, String> {
        if let Some(&at) = self.numbers.get(name) {
            return Ok(at);
        }
        let at = self.fields.len();
        if at == MOST_COLUMNS {
            return Err(format!("key \"{name}\" would be one of more than {MOST_COLUMNS} columns"));
        }
        self.fields.push(Field::untyped(name));
        self.values.push(None);
        self.numbers.insert(name.to_owned(), at);
        Ok(at)
    }
}

/// An error of the parser, which sees one row only, so its own line number would be wrong.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    if error.line() > 1 {
        return format!("not JSON ({words})");
    }
    format!("not JSON ({words} at character {})", error.column())
}

/// Reads an object into a row. The result is the type of a value that is no object.
struct RowSeed<'a>(&'a mut ObjectRow);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let at = self.0.number(&key).map_err(A::Error::custom)?;
            self.0.values[at] = Some(map.next_value_seed(ValueSeed)?);
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some("list"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Some("text"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Some("number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Some("number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Some("number"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some("boolean"))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some("null"))
    }
}

/// Reads a value. Lists are collected as they are read, so nothing is kept of those of other values.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value<'static>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(text.to_owned().into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(integer).map_or(Value::Float(integer as f64), Value::Integer))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Self::Value, E> {
        Ok(Value::Float(float))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Integer(flag.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut list = Collector::default();
        while let Some(item) = values.next_element_seed(ItemSeed)? {
            list.push(item);
        }
        Ok(list.finish().map_or_else(Value::Other, Value::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other(OBJECT))
    }
}

/// Reads a value of a list.
struct ItemSeed;

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Item<'static>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = Item<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Item::Text(text.to_owned().into()))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Item::Integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(integer).map_or(Item::Float(integer as f64), Item::Integer))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Self::Value, E> {
        Ok(Item::Float(float))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Item::Integer(flag.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Item::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Item::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Item::Other)
    }
}
