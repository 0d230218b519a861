//! The statistics of columns, a row at a time: types, missing and distinct values, lengths.

use colburn::data::{ColumnType, List, Record, Value};
use serde::Serialize;

use super::distinct::Distinct;
use super::lengths::Lengths;

/// The distinct values that are held, of all columns together and of one.
const DISTINCT: usize = 1 << 23;
const MOST_DISTINCT: usize = 1 << 20;
/// The same of one of very many columns.
const FEWEST_DISTINCT: usize = 1 << 10;

/// The statistics of all columns, in the order in which the rows name them.
#[derive(Default)]
pub struct Statistics {
    pub columns: Vec<ColumnStatistics>,
}

/// The statistics of a column.
#[derive(Default)]
pub struct ColumnStatistics {
    pub name: String,
    pub of: ColumnType,
    /// Rows with a value.
    pub values: u64,
    /// Rows with a text without anything but white space, with a list without values, or with such a text in a list.
    pub empty: u64,
    pub distinct: Distinct,
    /// Characters of each text.
    pub characters: Lengths,
    /// Values of each list.
    pub items: Lengths,
    pub numbers: Option<Range>,
    /// Numbers that are NaN.
    pub not_a_number: u64,
}

/// The numbers of a column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    pub smallest: Number,
    pub largest: Number,
}

/// A number as it stands in the rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Number {
    Integer(i64),
    Float(f64),
}

impl Statistics {
    /// Adds a row. True if it shows a column, or a type of a column, that no row did before.
    pub fn add(&mut self, record: &Record) -> bool {
        let mut is_new = false;
        for (guess, name) in record.names().enumerate() {
            let at = self.at(name, guess);
            let known = self.columns.len();
            let limit = (DISTINCT / known.max(1)).clamp(FEWEST_DISTINCT, MOST_DISTINCT);
            if at == known {
                self.columns.push(ColumnStatistics { name: name.to_owned(), ..ColumnStatistics::default() });
            }
            is_new |= self.columns[at].add(&record.value(name), limit) || at == known;
        }
        is_new
    }

    /// The columns with their types.
    pub fn types(&self) -> Vec<(&str, &ColumnType)> {
        self.columns.iter().map(|column| (column.name.as_str(), &column.of)).collect()
    }

    /// The place of a column, which is often the same in all rows.
    fn at(&self, name: &str, guess: usize) -> usize {
        if self.columns.get(guess).is_some_and(|column| column.name == name) {
            return guess;
        }
        self.columns.iter().position(|column| column.name == name).unwrap_or(self.columns.len())
    }
}

impl ColumnStatistics {
    /// Adds a value, and holds at most `limit` of the distinct ones. True if its type is new.
    fn add(&mut self, value: &Value, limit: usize) -> bool {
        let before = self.of.clone();
        self.of.add(value);
        self.values += u64::from(*value != Value::Null);
        match value {
            Value::Null | Value::Other(_) => {}
            Value::Text(text) => {
                self.empty += u64::from(is_blank(text));
                self.distinct.add(text, limit);
                self.characters.add(text.chars().count());
            }
            Value::Integer(integer) => {
                self.distinct.add(integer, limit);
                self.number(Number::Integer(*integer));
            }
            Value::Float(float) => {
                // Integers that a writer made floats are equal to those that it did not.
                match value.id() {
                    Some(id) => self.distinct.add(id.parse::<i64>().unwrap_or_default(), limit),
                    None => self.distinct.add(float.to_bits(), limit),
                }
                self.number(Number::Float(*float));
            }
            Value::List(list) => {
                self.items.add(list.len());
                let blank = match list {
                    List::Integers(integers) => {
                        self.distinct.add(integers, limit);
                        integers.iter().for_each(|integer| self.number(Number::Integer(*integer)));
                        false
                    }
                    List::Floats(floats) => {
                        self.distinct.add(floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>(), limit);
                        floats.iter().for_each(|float| self.number(Number::Float(*float)));
                        false
                    }
                    List::Texts(texts) => {
                        self.distinct.add(texts, limit);
                        texts.iter().for_each(|text| self.characters.add(text.chars().count()));
                        texts.iter().any(|text| is_blank(text))
                    }
                };
                self.empty += u64::from(blank || list.is_empty());
            }
        }
        before != self.of
    }

    fn number(&mut self, number: Number) {
        if number.value().is_nan() {
            self.not_a_number += 1;
            return;
        }
        let range = self.numbers.get_or_insert(Range { smallest: number, largest: number });
        if number.is_less(range.smallest) {
            range.smallest = number;
        }
        if range.largest.is_less(number) {
            range.largest = number;
        }
    }
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }

    fn is_less(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => one < other,
            (one, other) => one.value() < other.value(),
        }
    }
}

/// True if a text has nothing but white space.
pub fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
