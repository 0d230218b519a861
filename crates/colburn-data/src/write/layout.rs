//! The columns of an output file: which columns of the rows are written, under which names, and of which types. All rows are looked at
//! before the first one is written, because a late row may have a further column, or a float in a column of integers.

use std::collections::HashSet;

use super::column_type::ColumnType;
use crate::error::quoted;
use crate::nearest::nearest;
use crate::table::value::Value;

/// A column of an output file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// Its name in the rows.
    pub from: String,
    /// Its name in the file.
    pub name: String,
    pub of: ColumnType,
}

/// The columns of the rows so far, in the order in which the rows name them.
#[derive(Default)]
pub(super) struct Layout {
    columns: Vec<Column>,
}

impl Layout {
    /// Adds a column that may have no value in any row.
    pub(super) fn name(&mut self, name: &str) {
        self.at(name, 0);
    }

    /// Adds a row.
    pub(super) fn add<'a>(&mut self, row: impl Iterator<Item = (&'a str, Value<'a>)>) {
        for (guess, (name, value)) in row.enumerate() {
            let at = self.at(name, guess);
            self.columns[at].of.add(&value);
        }
    }

    /// The place of a column, which is often the same in all rows.
    fn at(&mut self, name: &str, guess: usize) -> usize {
        if self.columns.get(guess).is_some_and(|column| column.from == name) {
            return guess;
        }
        self.columns.iter().position(|column| column.from == name).unwrap_or_else(|| {
            let of = ColumnType::default();
            self.columns.push(Column { from: name.to_owned(), name: name.to_owned(), of });
            self.columns.len() - 1
        })
    }

    /// The columns that were asked for, or all, with new names. The error is a reason in one line.
    pub(super) fn chosen(self, picked: Option<&[String]>, renamed: &[(String, String)]) -> Result<Vec<Column>, String> {
        let known: Vec<String> = self.columns.iter().map(|column| column.from.clone()).collect();
        let mut columns = match picked {
            None => self.columns,
            Some(names) => {
                names.iter().map(|name| Ok(self.columns[find(&known, name)?].clone())).collect::<Result<_, String>>()?
            }
        };
        for (from, to) in renamed {
            find(&known, from)?;
            let column = columns.iter_mut().find(|column| column.from == *from);
            column
                .ok_or_else(|| format!("column \"{from}\" is renamed, but it is not among the columns to be written"))?
                .name = to.clone();
        }
        let mut names = HashSet::new();
        if let Some(column) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
            return Err(format!(
                "two columns would be named \"{}\"; every column needs a name of its own",
                column.name
            ));
        }
        drop(names);
        Ok(columns)
    }
}

fn find(known: &[String], name: &str) -> Result<usize, String> {
    known.iter().position(|other| other == name).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let near = nearest(name, &names).map_or(String::new(), |near| format!("; the nearest is \"{near}\""));
        format!("no column \"{name}\"{near}; found: {}", quoted(&names))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.add([("query", Value::Text("q".into())), ("score", Value::Integer(1))].into_iter());
        layout
            .add([("score", Value::Float(0.5)), ("note", Value::Null), ("query", Value::Text("r".into()))].into_iter());
        layout
    }

    #[test]
    fn columns_are_picked_and_renamed() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        type Case<'a> = (Option<&'a [&'a str]>, Vec<(String, String)>, Result<&'a str, &'a str>);
        let cases: [Case; 9] = [
            (None, vec![], Ok("query: text, score: float, note: null")),
            (Some(&["note", "query"]), vec![], Ok("note: null, query: text")),
            (None, vec![pair("score", "label")], Ok("query: text, label: float, note: null")),
            (None, vec![pair("score", "note"), pair("note", "score")], Ok("query: text, note: float, score: null")),
            (
                Some(&["querry"]),
                vec![],
                Err("no column \"querry\"; the nearest is \"query\"; found: \"query\", \"score\", \"note\""),
            ),
            (None, vec![pair("x", "y")], Err("no column \"x\"; found: \"query\", \"score\", \"note\"")),
            (
                Some(&["query"]),
                vec![pair("note", "y")],
                Err("column \"note\" is renamed, but it is not among the columns to be written"),
            ),
            (
                None,
                vec![pair("note", "query")],
                Err("two columns would be named \"query\"; every column needs a name of its own"),
            ),
            (
                Some(&["query", "query"]),
                vec![],
                Err("two columns would be named \"query\"; every column needs a name of its own"),
            ),
        ];
        for (picked, renamed, expected) in cases {
            let picked = picked.map(texts);
            let found = layout().chosen(picked.as_deref(), &renamed);
            let found = found.map(|columns| {
                let columns = columns.iter().map(|column| format!("{}: {}", column.name, column.of));
                columns.collect::<Vec<_>>().join(", ")
            });
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{picked:?} {renamed:?}");
        }
    }
}
