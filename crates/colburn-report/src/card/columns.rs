//! The columns of a dataset: their types, the lengths of their values, and the first rows. Statistics are those of the first rows alone, as in
//! sentence-transformers, so that a card needs no pass over the data.

use std::collections::BTreeMap;

use colburn_data::{Examples, KdProcessing, KnownRows, List, TextRows, Value};
use colburn_model::card::markdown::cell;
use colburn_model::{Kind, TextTokenizer};

use crate::error::Result;

/// The number of rows of a statistic.
pub(super) const STATISTICS: usize = 1000;

/// Rows that are shown.
pub(super) const SAMPLES: usize = 3;

/// Values of a list that are shown.
const SHOWN: usize = 5;

/// More different integers than these are summarised by their range.
const DISTINCT: usize = 10;

/// A column as a card shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub name: String,
    /// `string`, `int`, `float` or `list`.
    pub r#type: &'static str,
    /// Facts about its values, in HTML.
    pub details: String,
    /// The first values, as cells of a table.
    pub samples: Vec<String>,
}

/// The columns of a dataset.
///
/// # Errors
/// When a row cannot be read or tokenized.
pub(super) fn of(examples: &Examples, tokenizer: &TextTokenizer) -> Result<Vec<Column>> {
    match examples.known() {
        KnownRows::Texts(data) => of_texts(data, tokenizer),
        KnownRows::Distillation(data) => of_distillation(data, tokenizer),
    }
}

fn of_texts(data: &TextRows, tokenizer: &TextTokenizer) -> Result<Vec<Column>> {
    let (query, data) = (data.columns()?.query(), data.dataset());
    let rows = data.len().min(STATISTICS);
    let names: Vec<String> = data.columns().into_iter().map(str::to_owned).collect();
    let mut columns = Vec::new();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| *name != "dataset_name") {
        let values = (0..rows).map(|row| data.value(row, at)).collect::<colburn_data::Result<Vec<Value<'_>>>>()?;
        let values: Vec<Value<'_>> = values.into_iter().filter(|value| *value != Value::Null).collect();
        columns.push(match values.first() {
            Some(Value::Text(_)) => {
                let kind = if at == query { Kind::Query } else { Kind::Document };
                texts_column(
                    name,
                    &all(&values, |value| if let Value::Text(text) = value { Some(&**text) } else { None }),
                    kind,
                    tokenizer,
                )?
            }
            Some(Value::Integer(_) | Value::Float(_)) => {
                let integers =
                    all(&values, |value| if let Value::Integer(integer) = value { Some(*integer) } else { None });
                if integers.len() == values.len() {
                    integers_column(name, &integers)
                } else {
                    floats_column(
                        name,
                        &all(&values, |value| match value {
                            Value::Integer(integer) => Some(*integer as f64),
                            Value::Float(float) => Some(*float),
                            _ => None,
                        }),
                    )
                }
            }
            Some(Value::List(_)) => {
                let lists = values
                    .into_iter()
                    .filter_map(|value| if let Value::List(list) = value { Some(list) } else { None });
                lists_column(name, lists.map(Ok))?
            }
            // A column without values, or of others, tells nothing.
            Some(Value::Null | Value::Other(_)) | None => continue,
        });
    }
    Ok(columns)
}

/// The values of one type.
fn all<'a, 'b: 'a, T: 'a>(values: &'a [Value<'b>], of: impl Fn(&'a Value<'b>) -> Option<T>) -> Vec<T> {
    values.iter().filter_map(of).collect()
}

/// The columns that PyLate's `KDProcessing` makes.
fn of_distillation(data: &KdProcessing, tokenizer: &TextTokenizer) -> Result<Vec<Column>> {
    let rows = data.len().min(STATISTICS);
    let queries = (0..rows).map(|row| data.query(row)).collect::<colburn_data::Result<Vec<&str>>>()?;
    let documents = |row: usize| Ok(List::Texts(data.documents(row)?.into_iter().map(Into::into).collect()));
    let scores = |row: usize| Ok(List::Floats(data.scores(row)?.into_iter().map(f64::from).collect()));
    let mut columns = vec![
        texts_column(KdProcessing::QUERY, &queries, Kind::Query, tokenizer)?,
        lists_column(KdProcessing::DOCUMENTS, (0..rows).map(documents))?,
    ];
    if data.has_scores() {
        columns.push(lists_column("scores", (0..rows).map(scores))?);
    }
    Ok(columns)
}

/// The tokens counted are those that the model reads: cut to its length, with special tokens and prefix, without query expansion.
fn texts_column(name: &str, texts: &[&str], kind: Kind, tokenizer: &TextTokenizer) -> Result<Column> {
    let batch = tokenizer.tokenize(texts, kind)?;
    let lengths: Vec<f64> = (0..batch.len()).map(|text| batch.spans.keys(text) as f64).collect();
    let samples = texts.iter().take(SAMPLES).map(|text| cell(text)).collect();
    Ok(Column { name: name.to_owned(), r#type: "string", details: range(&lengths, 0, " tokens"), samples })
}

fn integers_column(name: &str, integers: &[i64]) -> Column {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for integer in integers {
        *counts.entry(*integer).or_default() += 1;
    }
    let about = if counts.len() > 1 { "~" } else { "" };
    let share = |(value, count): (&i64, &usize)| {
        (value.to_string(), format!("{about}{:.2}%", 100.0 * *count as f64 / integers.len() as f64))
    };
    let details = match counts.len() <= DISTINCT {
        true => list(counts.iter().map(share)),
        false => range(&integers.iter().map(|integer| *integer as f64).collect::<Vec<_>>(), 0, ""),
    };
    let samples = integers.iter().take(SAMPLES).map(|integer| cell(&integer.to_string())).collect();
    Column { name: name.to_owned(), r#type: "int", details, samples }
}

fn floats_column(name: &str, floats: &[f64]) -> Column {
    let samples = floats.iter().take(SAMPLES).map(|float| cell(&float.to_string())).collect();
    Column { name: name.to_owned(), r#type: "float", details: range(floats, 2, ""), samples }
}

fn lists_column<'a>(name: &str, lists: impl Iterator<Item = colburn_data::Result<List<'a>>>) -> Result<Column> {
    let (mut lengths, mut samples) = (Vec::new(), Vec::new());
    for list in lists {
        let list = list?;
        lengths.push(list.len() as f64);
        if samples.len() < SAMPLES {
            samples.push(cell(&shown(&list)));
        }
    }
    let same = lengths.windows(2).all(|pair| pair[0] == pair[1]);
    let details = match lengths.first() {
        Some(length) if same => list([("size".to_owned(), format!("{length} elements"))].into_iter()),
        _ => range(&lengths, 0, " elements"),
    };
    Ok(Column { name: name.to_owned(), r#type: "list", details, samples })
}

/// The first values of a list.
fn shown(list: &List) -> String {
    let values: Vec<String> = match list {
        List::Integers(integers) => integers.iter().take(SHOWN).map(i64::to_string).collect(),
        List::Floats(floats) => floats.iter().take(SHOWN).map(f64::to_string).collect(),
        List::Texts(texts) => texts.iter().take(SHOWN).map(|text| format!("'{text}'")).collect(),
    };
    let more = if list.len() > SHOWN { ", ..." } else { "" };
    format!("[{}{more}]", values.join(", "))
}

/// Least, mean and largest value; `digits` behind the point of the first and last.
fn range(values: &[f64], digits: usize, unit: &str) -> String {
    let (least, most) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(*value), most.max(*value)));
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let item = |name: &str, value: f64, digits: usize| (name.to_owned(), format!("{value:.digits$}{unit}"));
    list([item("min", least, digits), item("mean", mean, 2), item("max", most, digits)].into_iter())
}

fn list(items: impl Iterator<Item = (String, String)>) -> String {
    format!("<ul>{}</ul>", items.map(|(key, value)| format!("<li>{key}: {value}</li>")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_summarised() {
        let labels = integers_column("label", &[0, 1, 1, 1]);
        assert_eq!(labels.details, "<ul><li>0: ~25.00%</li><li>1: ~75.00%</li></ul>");
        assert_eq!(labels.samples, ["<code>0</code>", "<code>1</code>", "<code>1</code>"]);
        assert_eq!(integers_column("label", &[7, 7]).details, "<ul><li>7: 100.00%</li></ul>");
        let ids = integers_column("id", &(0..11).collect::<Vec<_>>());
        assert_eq!(ids.details, "<ul><li>min: 0</li><li>mean: 5.00</li><li>max: 10</li></ul>");
        let floats = floats_column("score", &[0.5, -1.0]);
        assert_eq!(floats.details, "<ul><li>min: -1.00</li><li>mean: -0.25</li><li>max: 0.50</li></ul>");
    }

    #[test]
    fn long_lists_are_cut() {
        let lists = [List::Integers((0..7).collect()), List::Integers(vec![1])];
        let column = lists_column("ids", lists.into_iter().map(Ok)).unwrap();
        assert_eq!(column.samples, ["<code>&#91;0, 1, 2, 3, 4, ...&#93;</code>", "<code>&#91;1&#93;</code>"]);
        assert_eq!(
            column.details,
            "<ul><li>min: 1 elements</li><li>mean: 4.00 elements</li><li>max: 7 elements</li></ul>"
        );
        let texts = lists_column("texts", [Ok(List::Texts(vec!["a|b".into(), "<c>".into()]))].into_iter()).unwrap();
        assert_eq!(texts.samples, ["<code>&#91;'a&#124;b', '&#60;c&#62;'&#93;</code>"]);
        assert_eq!(texts.details, "<ul><li>size: 2 elements</li></ul>");
    }
}
