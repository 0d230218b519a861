//! Rows that are arrays, as ColBERT and PyLate write MS MARCO: `[query id, positive id, negative id]` a line, the same of texts, and
//! `[query id, [document id, score], …]` with a teacher's scores. The first row decides.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};

use super::objects::{ValueSeed, message};
use crate::table::lists::{Collector, Item, List};
use crate::table::value::Value;

/// The values of a list take many times the room of their text, so their number has a limit.
const MOST_VALUES: usize = 1 << 20;

/// The meaning of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Three ids.
    Ids,
    /// Three texts.
    Texts,
    /// An id, then documents with scores.
    Scores,
}

/// A value of an array.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    Value(Value<'static>),
    /// A document and its score.
    Pair(Value<'static>, f64),
}

impl Layout {
    pub(super) fn of(parts: &[Part]) -> Option<Self> {
        match parts {
            [Part::Value(query), pairs @ ..] if query.id().is_some() && is_pairs(pairs) => Some(Layout::Scores),
            [Part::Value(query), Part::Value(positive), Part::Value(negative)] => {
                let all = [query, positive, negative];
                let has_words =
                    |value: &&Value| matches!(value, Value::Text(text) if text.trim().contains(char::is_whitespace));
                if all.iter().any(|value| value.id().is_none()) {
                    None
                } else if all.iter().any(has_words) {
                    Some(Layout::Texts)
                } else {
                    Some(Layout::Ids)
                }
            }
            _ => None,
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Layout::Ids => "[query_id, positive_id, negative_id]",
            Layout::Texts => "[query, positive, negative]",
            Layout::Scores => "[query_id, [document_id, score], …]",
        }
    }

    fn names(self) -> [&'static str; 3] {
        match self {
            Layout::Ids => ["query_id", "positive_id", "negative_id"],
            Layout::Texts => ["query", "positive", "negative"],
            Layout::Scores => ["query_id", "document_ids", "scores"],
        }
    }

    /// The cells of an array; `None` if it does not have this meaning.
    pub(super) fn cells(self, parts: Vec<Part>) -> Option<Vec<(String, Value<'static>)>> {
        let named =
            |values: [Value<'static>; 3]| Some(self.names().into_iter().map(str::to_owned).zip(values).collect());
        if self == Layout::Scores {
            let mut parts = parts.into_iter();
            let Some(Part::Value(query)) = parts.next() else { return None };
            let (mut ids, mut scores) = (Collector::default(), Vec::new());
            for part in parts {
                let Part::Pair(id, score) = part else { return None };
                ids.push(match id {
                    Value::Text(text) => Item::Text(text),
                    Value::Integer(integer) => Item::Integer(integer),
                    Value::Float(float) => Item::Float(float),
                    Value::Null | Value::List(_) | Value::Other(_) => return None,
                });
                scores.push(score);
            }
            let ids = ids.finish().map_or_else(Value::Other, Value::List);
            return named([query, ids, Value::List(List::Floats(scores))]);
        }
        let values: Vec<Value> = parts
            .into_iter()
            .map(|part| match part {
                Part::Value(value) => value.id().is_some().then_some(value),
                Part::Pair(..) => None,
            })
            .collect::<Option<_>>()?;
        named(values.try_into().ok()?)
    }
}

fn is_pairs(parts: &[Part]) -> bool {
    !parts.is_empty() && parts.iter().all(|part| matches!(part, Part::Pair(id, _) if id.id().is_some()))
}

/// The values of an array.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Part>, String> {
    serde_json::from_slice::<Parts>(text).map(|parts| parts.0).map_err(|error| message(&error))
}

struct Parts(Vec<Part>);

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_seq(PartsVisitor).map(Parts)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Vec<Part>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = values.next_element::<Part>()? {
            if parts.len() == MOST_VALUES {
                return Err(A::Error::custom(format!("a list of more than {MOST_VALUES} values")));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        // A pair of an id of text and a number is no list of one type, so lists are read value by value.
        reader.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let id = values.next_element_seed(Seed)?;
        let score = values.next_element_seed(Seed)?;
        let mut more = false;
        while values.next_element::<serde::de::IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(match (id, score) {
            (Some(id), Some(Value::Integer(score))) if !more => Part::Pair(id, score as f64),
            (Some(id), Some(Value::Float(score))) if !more => Part::Pair(id, score),
            _ => Part::Value(Value::Other("list")),
        })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        ValueSeed.visit_str(text).map(Part::Value)
    }

    fn visit_i64<E: serde::de::Error>(self, integer: i64) -> Result<Self::Value, E> {
        ValueSeed.visit_i64(integer).map(Part::Value)
    }

    fn visit_u64<E: serde::de::Error>(self, integer: u64) -> Result<Self::Value, E> {
        ValueSeed.visit_u64(integer).map(Part::Value)
    }

    fn visit_f64<E: serde::de::Error>(self, float: f64) -> Result<Self::Value, E> {
        ValueSeed.visit_f64(float).map(Part::Value)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Part::Value(Value::Other("boolean")))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Part::Value(Value::Null))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ValueSeed.visit_map(map).map(Part::Value)
    }
}

/// Reads a value of a pair.
struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value<'static>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        ValueSeed.deserialize(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_decides() {
        for (text, expected) in [
            ("[1, 2, 3]", Some(Layout::Ids)),
            ("[\"q1\", \"d7\", \"d8\"]", Some(Layout::Ids)),
            ("[\"what is rust\", \"a language\", \"iron\"]", Some(Layout::Texts)),
            ("[1, [7, 0.5], [8, -1]]", Some(Layout::Scores)),
            ("[\"q\", [\"d7\", 2]]", Some(Layout::Scores)),
            ("[1, 2]", None),
            ("[1, 2, 3, 4]", None),
            ("[1, [7, 0.5], 8]", None),
            ("[1, [7, 0.5, 1]]", None),
            ("[1, 2, null]", None),
            ("[true, 2, 3]", None),
            ("[1]", None),
            ("[]", None),
        ] {
            assert_eq!(Layout::of(&parse(text.as_bytes()).unwrap()), expected, "{text}");
        }
    }
}
