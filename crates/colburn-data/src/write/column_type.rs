//! The type of a column: the types of all its values together.

use std::fmt;

use crate::table::lists::List;
use crate::table::value::Value;

/// From here on not every integer is a float.
const EXACT: u64 = 1 << 53;

/// The types of the values of a column.
///
/// ```
/// use colburn_data::{ColumnType, Value};
///
/// let mut column = ColumnType::default();
/// assert_eq!(column.to_string(), "null");
/// column.add(&Value::Integer(7));
/// column.add(&Value::Null);
/// assert_eq!(column.to_string(), "integer");
/// column.add(&Value::Text("seven".into()));
/// assert_eq!(column.to_string(), "text or integer");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnType {
    values: Types,
    /// True if there is a list, perhaps without values.
    lists: bool,
    items: Types,
    other: Option<String>,
}

/// The types of values that are no lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Types {
    texts: bool,
    integers: bool,
    /// True if one of the integers is no float.
    wide: bool,
    floats: bool,
}

/// The one type of all values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneType {
    Text,
    Integer,
    Float,
    Texts,
    Integers,
    Floats,
}

impl ColumnType {
    /// Adds the type of a value. A null has none.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Text(_) => self.values.texts = true,
            Value::Integer(integer) => self.values.add_integer(*integer),
            Value::Float(_) => self.values.floats = true,
            Value::List(list) => {
                self.lists = true;
                match list {
                    List::Integers(integers) => integers.iter().for_each(|integer| self.items.add_integer(*integer)),
                    List::Floats(_) => self.items.floats = true,
                    List::Texts(_) => self.items.texts = true,
                }
            }
            Value::Other(name) => {
                self.other.get_or_insert_with(|| (*name).to_owned());
            }
        }
    }

    /// True if there are texts, or lists of texts.
    pub fn has_texts(&self) -> bool {
        self.values.texts || self.items.texts
    }

    /// True if there are lists.
    pub fn has_lists(&self) -> bool {
        self.lists
    }

    /// The name of values that are neither texts nor numbers nor lists of these, if there are any.
    pub fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }

    /// The one type of all values; text if all are null.
    pub(crate) fn one_type(&self) -> Result<OneType, String> {
        let found = match (self.values.one_type()?, self.lists) {
            (None, false) => Some(OneType::Text),
            (found, false) => found,
            (None, true) => Some(match self.items.one_type()? {
                Some(OneType::Text) => OneType::Texts,
                Some(OneType::Float) => OneType::Floats,
                _ => OneType::Integers,
            }),
            (Some(_), true) => None,
        };
        found.filter(|_| self.other.is_none()).ok_or_else(|| self.several())
    }

    fn several(&self) -> String {
        format!("it holds values of several types ({self})")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.values.names().into_iter().map(str::to_owned).collect();
        let items = self.items.names();
        match &items[..] {
            [] if self.lists => names.push("list".to_owned()),
            [] => {}
            items => names.push(format!(
                "list of {}",
                items.iter().map(|item| format!("{item}s")).collect::<Vec<_>>().join(" or ")
            )),
        }
        names.extend(self.other.clone());
        names
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names()[..] {
            [] => f.write_str("null"),
            names => f.write_str(&names.join(" or ")),
        }
    }
}

impl Types {
    fn add_integer(&mut self, integer: i64) {
        self.integers = true;
        self.wide |= integer.unsigned_abs() > EXACT;
    }

    fn names(self) -> Vec<&'static str> {
        let integers = self.integers && !self.floats;
        let all = [(self.texts, "text"), (integers, "integer"), (self.floats, "float")];
        all.into_iter().filter_map(|(is, name)| is.then_some(name)).collect()
    }

    fn one_type(self) -> Result<Option<OneType>, String> {
        match (self.texts, self.integers, self.floats) {
            (false, false, false) => Ok(None),
            (true, false, false) => Ok(Some(OneType::Text)),
            (false, true, false) => Ok(Some(OneType::Integer)),
            (false, _, true) if !self.wide => Ok(Some(OneType::Float)),
            (false, ..) => Err("it holds floats, and integers beyond 2^53, which are no floats".to_owned()),
            _ => Err(format!("it holds values of several types ({})", self.names().join(" or "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_type_have_one() {
        let text = || Value::Text("a".into());
        let wide = Value::Integer(9_007_199_254_740_993);
        let list = |list| Value::List(list);
        let mixed = |names: &str| Err(format!("it holds values of several types ({names})"));
        for (values, name, expected) in [
            (vec![], "null", Ok(OneType::Text)),
            (vec![Value::Null, text()], "text", Ok(OneType::Text)),
            (vec![wide.clone(), Value::Integer(i64::MIN)], "integer", Ok(OneType::Integer)),
            (vec![Value::Integer(1 << 53), Value::Float(0.5)], "float", Ok(OneType::Float)),
            (
                vec![wide, Value::Float(0.5)],
                "float",
                Err("it holds floats, and integers beyond 2^53, which are no floats".to_owned()),
            ),
            (vec![text(), Value::Integer(1)], "text or integer", mixed("text or integer")),
            (vec![list(List::Integers(vec![]))], "list", Ok(OneType::Integers)),
            (
                vec![list(List::Integers(vec![])), list(List::Texts(vec!["a".into()]))],
                "list of texts",
                Ok(OneType::Texts),
            ),
            (vec![list(List::Integers(vec![1])), list(List::Floats(vec![0.5]))], "list of floats", Ok(OneType::Floats)),
            (
                vec![list(List::Integers(vec![1])), list(List::Texts(vec!["a".into()]))],
                "list of texts or integers",
                mixed("text or integer"),
            ),
            (
                vec![text(), list(List::Integers(vec![1]))],
                "text or list of integers",
                mixed("text or list of integers"),
            ),
            (vec![Value::Other("object")], "object", mixed("object")),
        ] {
            let mut column = ColumnType::default();
            values.iter().for_each(|value| column.add(value));
            assert_eq!((column.to_string().as_str(), column.one_type()), (name, expected), "{values:?}");
        }
    }
}
