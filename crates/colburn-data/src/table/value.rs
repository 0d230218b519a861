//! A value of a row, the same for every file format.

use std::borrow::Cow;

use crate::table::lists::List;
use crate::table::numbers::whole;

/// A value of a row. Booleans are the integers 0 and 1.
///
/// ```
/// use colburn_data::Value;
///
/// assert_eq!(Value::Text("0007".into()).id().as_deref(), Some("0007"));
/// assert_eq!(Value::Integer(7).id().as_deref(), Some("7"));
/// assert_eq!(Value::Float(7.0).id().as_deref(), Some("7"));
/// assert_eq!(Value::Float(7.5).id(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value: a null, or a key or column that the row lacks.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// An integer of 64 bits.
    Integer(i64),
    /// A number that is not such an integer.
    Float(f64),
    /// A list of numbers or of texts.
    List(List<'a>),
    /// Any other value, by the name of its type: "object", "list of list of numbers", "date32".
    Other(&'a str),
}

impl Value<'_> {
    /// The number that a text spells: an integer with all its 64 bits, or a float. The words "nan" and "inf" spell none.
    pub(crate) fn spelled(text: &str) -> Option<Value<'static>> {
        let text = text.trim();
        match text.parse::<i64>() {
            Ok(integer) => Some(Value::Integer(integer)),
            Err(_) => text.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::Float),
        }
    }

    /// The value as an id: a text as it is, an integer in digits, a float without a fraction as that integer. Writers turn integers
    /// to floats where a row lacks one, so `7.0` and `7` are one id. `None` if the value is no id.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Integer(integer) => Some(Cow::Owned(integer.to_string())),
            Value::Float(float) => whole(*float).map(|integer| Cow::Owned(integer.to_string())),
            Value::Null | Value::List(_) | Value::Other(_) => None,
        }
    }

    /// True if there is no value, or a text without anything but white space.
    pub fn is_missing(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// The value in words, for messages: "the number 7", "a list".
    pub fn described(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Text(text) => format!("the text {text:?}"),
            Value::Integer(integer) => format!("the number {integer}"),
            Value::Float(float) => format!("the number {float}"),
            Value::List(_) => "a list".to_owned(),
            Value::Other(kind) => format!("a value of the type {kind}"),
        }
    }

    /// The type of the value, for messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Value::Null => "null",
            Value::Text(_) => "text",
            Value::Integer(_) | Value::Float(_) => "number",
            Value::List(List::Texts(_)) => "list of texts",
            Value::List(list) if list.is_empty() => "list",
            Value::List(_) => "list of numbers",
            Value::Other(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_integers_floats_and_texts_meet() {
        // import pandas as pd
        // pd.DataFrame({"_id": [0, None]}).to_json(orient="records", lines=True)   # {"_id":0.0}
        for (value, expected) in [
            (Value::Text("0".into()), Some("0")),
            (Value::Text("0007".into()), Some("0007")),
            (Value::Text("".into()), Some("")),
            (Value::Integer(0), Some("0")),
            (Value::Float(0.0), Some("0")),
            (Value::Float(-0.0), Some("0")),
            (Value::Float(-3.0), Some("-3")),
            (Value::Float(9_007_199_254_740_992.0), None),
            (Value::Integer(9_007_199_254_740_993), Some("9007199254740993")),
            (Value::Float(0.5), None),
            (Value::Float(f64::NAN), None),
            (Value::Null, None),
            (Value::List(List::Integers(vec![1])), None),
            (Value::Other("object"), None),
        ] {
            assert_eq!(value.id().as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_blank_text_is_missing() {
        for (value, expected) in [
            (Value::Null, true),
            (Value::Text("".into()), true),
            (Value::Text(" \t\u{a0}".into()), true),
            (Value::Text("0".into()), false),
            (Value::Integer(0), false),
            (Value::Float(f64::NAN), false),
            (Value::List(List::Integers(vec![])), false),
        ] {
            assert_eq!(value.is_missing(), expected, "{value:?}");
        }
    }

    #[test]
    fn texts_that_spell_numbers() {
        for (text, expected) in [
            ("9007199254740993", Some(Value::Integer(9_007_199_254_740_993))),
            (" -7\t", Some(Value::Integer(-7))),
            ("0007", Some(Value::Integer(7))),
            ("-2e3", Some(Value::Float(-2000.0))),
            ("9223372036854775808", Some(Value::Float(9_223_372_036_854_775_808.0))),
            ("nan", None),
            ("inf", None),
            ("1,5", None),
            ("", None),
            ("7 apples", None),
        ] {
            assert_eq!(Value::spelled(text), expected, "{text}");
        }
    }
}
