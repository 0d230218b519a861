//! Rows to train on that teach nothing, or the wrong thing.

use std::borrow::Cow;

use colburn::data::{List, Record, Value};
use serde::Serialize;

use super::roles::Roles;
use super::statistics::is_blank;

/// Rows of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    pub rows: u64,
    /// The place of the first one.
    pub first: Option<String>,
}

/// The rows that a look at the data should find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Rows without a text in a column of queries or documents.
    pub missing_text: Found,
    /// Rows whose query is the positive.
    pub query_is_positive: Found,
    /// Rows whose positive is one of their negatives.
    pub positive_is_negative: Found,
}

impl Checks {
    /// Adds a row.
    pub fn add(&mut self, record: &Record, roles: &Roles) {
        let Some(query) = &roles.query else { return };
        let mut is_missing = false;
        let query = match record.value(query) {
            Value::Text(text) => text,
            _ => Cow::Borrowed(""),
        };
        is_missing |= is_blank(&query);
        let mut documents: Vec<Cow<str>> = Vec::new();
        for column in &roles.documents {
            match record.value(column) {
                Value::Text(text) => documents.push(text),
                Value::List(List::Texts(texts)) => documents.extend(texts),
                _ => is_missing = true,
            }
        }
        is_missing |= documents.iter().any(|document| is_blank(document));
        self.missing_text.count(is_missing, record);
        let Some((positive, negatives)) = documents.split_first() else { return };
        let is_same = |one: &str, other: &str| !is_blank(one) && one.trim() == other.trim();
        self.query_is_positive.count(is_same(&query, positive), record);
        let found = negatives.iter().any(|negative| is_same(positive, negative));
        self.positive_is_negative.count(found, record);
    }
}

impl Found {
    fn count(&mut self, found: bool, record: &Record) {
        if found {
            self.rows += 1;
            self.first.get_or_insert_with(|| record.place().to_string());
        }
    }
}
