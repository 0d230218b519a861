//! Retrieval metrics as a table for people: a row a collection, a column a kind of metric. A full NanoBEIR run gives more than two hundred
//! numbers; the files have them all.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The separator of a collection's name and the metric: PyLate's name of the score.
const SCORE: &str = "MaxSim_";

/// The kinds of metrics, in the order of their columns.
const KINDS: [&str; 6] = ["accuracy", "precision", "recall", "ndcg", "mrr", "map"];

/// Metrics, sorted into a table and those that have no place in one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The lines of the table, a header first; none if there is nothing for it.
    pub lines: Vec<String>,
    /// Everything else, in its order.
    pub others: Vec<(String, f64)>,
}

impl Table {
    /// Lays out metrics named as evaluators and the trainer name them: `[eval_]NAME_MaxSim_ndcg@10`. Of each kind the table has the
    /// largest cut, and accuracy at 1.
    pub fn new<'a>(metrics: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let (mut rows, mut others) = (Vec::<Row>::new(), Vec::new());
        for (name, value) in metrics {
            let Some((collection, kind, k)) = parts(name) else {
                others.push((name.to_owned(), value));
                continue;
            };
            if rows.last().is_none_or(|row| row.name != collection) {
                rows.push(Row { name: collection.to_owned(), values: BTreeMap::new() });
            }
            if let Some(row) = rows.last_mut() {
                row.values.insert((kind, k), value);
            }
        }
        Self { lines: lines(&rows), others }
    }
}

/// A collection, and the value of each kind of metric at each cut.
struct Row {
    name: String,
    values: BTreeMap<(usize, usize), f64>,
}

/// Collection, kind and cut.
fn parts(name: &str) -> Option<(&str, usize, usize)> {
    let name = name.strip_prefix("eval_").unwrap_or(name);
    let at = name.rfind(SCORE).filter(|&at| at == 0 || name[..at].ends_with('_'))?;
    let (kind, k) = name[at + SCORE.len()..].split_once('@')?;
    let kind = KINDS.iter().position(|known| *known == kind)?;
    Some((name[..at].trim_end_matches('_'), kind, k.parse().ok()?))
}

fn lines(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let cuts = |kind: usize| rows.iter().flat_map(move |row| row.values.keys().filter(move |key| key.0 == kind));
    let mut columns = Vec::new();
    for kind in 0..KINDS.len() {
        let (least, most) = (cuts(kind).map(|key| key.1).min(), cuts(kind).map(|key| key.1).max());
        columns.extend(least.filter(|_| kind == 0).filter(|_| least != most).map(|k| (kind, k)));
        columns.extend(most.map(|k| (kind, k)));
    }
    let title = |&(kind, k): &(usize, usize)| format!("{}@{k}", KINDS[kind]);
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![format!("{:width$}", "")];
    lines.extend(rows.iter().map(|row| format!("{:width$}", row.name)));
    for column in &columns {
        let title = title(column);
        let _ = write!(lines[0], "  {title}");
        for (row, line) in rows.iter().zip(&mut lines[1..]) {
            let value = row.values.get(column).map_or(String::new(), |value| format!("{value:.4}"));
            let _ = write!(line, "  {value:>width$}", width = title.len());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_a_collection() {
        let metrics = [
            ("eval_loss", 0.5),
            ("eval_NanoSciFact_MaxSim_accuracy@1", 0.62),
            ("eval_NanoSciFact_MaxSim_accuracy@10", 0.86),
            ("eval_NanoSciFact_MaxSim_ndcg@10", 0.7279903941189909),
            ("eval_NanoBEIR_mean_MaxSim_accuracy@1", 1.0),
            ("eval_NanoBEIR_mean_MaxSim_ndcg@10", 0.25),
            ("accuracy", 0.75),
            ("my_MaxSim_f1@10", 0.0),
        ];
        let table = Table::new(metrics);
        let expected = [
            "               accuracy@1  accuracy@10  ndcg@10",
            "NanoSciFact        0.6200       0.8600   0.7280",
            "NanoBEIR_mean      1.0000                0.2500",
        ];
        assert_eq!(table.lines, expected);
        let others = table.others.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(others, ["eval_loss", "accuracy", "my_MaxSim_f1@10"]);
    }

    #[test]
    fn without_a_name_or_without_collections() {
        assert_eq!(Table::new([("MaxSim_map@100", 1.0 / 3.0)]).lines, ["  map@100", "   0.3333"]);
        assert_eq!(Table::new([("accuracy", 1.0)]).lines, [""; 0]);
        assert_eq!(
            Table::new([("MaxSim_ndcg@x", 1.0), ("MaxSim_ndcg", 1.0), ("notMaxSim_ndcg@1", 1.0)]).others.len(),
            3
        );
    }
}
