//! The kinds of columns. A file says what its columns hold only in some formats, so the kind of a column follows from the
//! values that were read, and from the file where no row has a value.

use crate::table::lists::{self, List};
use crate::table::value::Value;

/// The kind of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Number,
    List(ListItems),
    /// Values of several of the other kinds.
    Mixed,
    /// No row has a value.
    Missing,
    /// Any other kind, with its name.
    Other(String),
}

/// The kind of the values of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListItems {
    /// All lists are empty.
    Unknown,
    Texts,
    Numbers,
}

impl ListItems {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ListItems::Unknown => "list",
            ListItems::Texts => "list of texts",
            ListItems::Numbers => "list of numbers",
        }
    }
}

impl ColumnKind {
    pub(crate) fn name(&self) -> &str {
        match self {
            ColumnKind::Text => "text",
            ColumnKind::Number => "number",
            ColumnKind::List(items) => items.name(),
            ColumnKind::Mixed => "mixed",
            ColumnKind::Missing => "all missing",
            ColumnKind::Other(name) => name,
        }
    }

    /// The kind of the values of both kinds together.
    pub(crate) fn and(self, other: Self) -> Self {
        use ColumnKind::{List, Missing, Mixed, Other};
        match (self, other) {
            (Missing, kind) | (kind, Missing) => kind,
            (List(ListItems::Unknown), List(items)) | (List(items), List(ListItems::Unknown)) => List(items),
            (Other(name), Other(_)) => Other(name),
            (one, other) if one == other => one,
            _ => Mixed,
        }
    }

    /// True if the values are kept.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self, ColumnKind::Other(_))
    }
}

/// The kinds of the values of a column so far.
#[derive(Default)]
pub(crate) struct Seen {
    declared: Option<ColumnKind>,
    texts: bool,
    numbers: bool,
    lists: bool,
    lists_of_texts: bool,
    lists_of_numbers: bool,
    other: Option<String>,
}

impl Seen {
    /// Adds the kind that a file names; the first one counts.
    pub(crate) fn declare(&mut self, kind: &ColumnKind) {
        self.declared.get_or_insert_with(|| kind.clone());
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Text(_) => self.texts = true,
            Value::Integer(_) | Value::Float(_) => self.numbers = true,
            Value::List(list) if list.is_empty() => self.lists = true,
            Value::List(List::Texts(_)) => self.lists_of_texts = true,
            Value::List(_) => self.lists_of_numbers = true,
            Value::Other(name) if lists::is_reason(name) => self.lists = true,
            Value::Other(name) => {
                if self.other.is_none() {
                    self.other = Some((*name).to_owned());
                }
            }
        }
    }

    /// The name of the first value of another kind.
    pub(crate) fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }

    pub(crate) fn kind(&self) -> ColumnKind {
        let lists = self.lists || self.lists_of_texts || self.lists_of_numbers;
        match (self.texts, self.numbers, lists, &self.other) {
            (false, false, false, None) => self.declared.clone().unwrap_or(ColumnKind::Missing),
            (true, false, false, None) => ColumnKind::Text,
            (false, true, false, None) => ColumnKind::Number,
            (false, false, true, None) => match (self.lists_of_texts, self.lists_of_numbers) {
                (true, true) => ColumnKind::Mixed,
                (true, false) => ColumnKind::List(ListItems::Texts),
                (false, true) => ColumnKind::List(ListItems::Numbers),
                (false, false) => match &self.declared {
                    Some(kind @ ColumnKind::List(_)) => kind.clone(),
                    _ => ColumnKind::List(ListItems::Unknown),
                },
            },
            (false, false, false, Some(name)) => ColumnKind::Other(name.clone()),
            _ => ColumnKind::Mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_several_files_make_one() {
        use ColumnKind::{List as Lists, Missing, Mixed, Number, Other, Text};
        use ListItems::{Numbers, Texts, Unknown};
        for (one, other, expected) in [
            (Text, Text, Text),
            (Text, Number, Mixed),
            (Missing, Number, Number),
            (Lists(Unknown), Lists(Texts), Lists(Texts)),
            (Lists(Numbers), Lists(Texts), Mixed),
            (Lists(Numbers), Text, Mixed),
            (Mixed, Text, Mixed),
            (Other("struct".to_owned()), Missing, Other("struct".to_owned())),
            (Other("struct".to_owned()), Text, Mixed),
        ] {
            assert_eq!(one.clone().and(other.clone()), expected, "{one:?} {other:?}");
            assert_eq!(other.clone().and(one.clone()), expected, "{other:?} {one:?}");
        }
    }

    #[test]
    fn values_make_the_kind() {
        let text = || Value::Text("a".into());
        let texts = || Value::List(List::Texts(vec!["a".into()]));
        let numbers = || Value::List(List::Floats(vec![0.5]));
        let empty = || Value::List(List::Integers(Vec::new()));
        for (values, declared, expected) in [
            (vec![], None, ColumnKind::Missing),
            (vec![Value::Null], Some(ColumnKind::Text), ColumnKind::Text),
            (vec![Value::Null, text()], None, ColumnKind::Text),
            (vec![text()], Some(ColumnKind::Number), ColumnKind::Text),
            (vec![Value::Integer(1), Value::Float(0.5)], None, ColumnKind::Number),
            (vec![Value::Integer(1), text()], None, ColumnKind::Mixed),
            (vec![empty()], None, ColumnKind::List(ListItems::Unknown)),
            (vec![empty()], Some(ColumnKind::List(ListItems::Texts)), ColumnKind::List(ListItems::Texts)),
            (vec![empty(), numbers(), Value::Null], None, ColumnKind::List(ListItems::Numbers)),
            (vec![Value::Other(lists::WITH_NULL), texts()], None, ColumnKind::List(ListItems::Texts)),
            (vec![texts(), numbers()], None, ColumnKind::Mixed),
            (vec![texts(), text()], None, ColumnKind::Mixed),
            (vec![Value::Other("object"), Value::Null], None, ColumnKind::Other("object".to_owned())),
            (vec![Value::Other("object"), text()], None, ColumnKind::Mixed),
        ] {
            let mut seen = Seen::default();
            declared.iter().for_each(|kind| seen.declare(kind));
            values.iter().for_each(|value| seen.add(value));
            assert_eq!(seen.kind(), expected, "{values:?}");
        }
    }
}
