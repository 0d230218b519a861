//! The samples of a reranking evaluation: in memory, or in a data set whose texts stay on disk.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use colburn_data::{Columns, Dataset, List, Value};

use crate::error::{Error, Result};

/// The name of the evaluator in messages.
pub(super) const EVALUATOR: &str = "reranking evaluator";

/// A query with candidates of which it is known which are relevant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RerankingSample {
    /// The text of the query.
    pub query: String,
    /// The texts of its relevant candidates.
    pub positive: Vec<String>,
    /// The texts of the others.
    pub negative: Vec<String>,
}

/// Samples that have both positives and negatives.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    storage: Storage,
    /// The number of candidates of each.
    candidates: Arc<[usize]>,
}

#[derive(Clone, Debug)]
enum Storage {
    Memory(Arc<[RerankingSample]>),
    Rows { data: Dataset, columns: Arc<RoleColumns> },
}

/// The columns by their roles.
#[derive(Debug)]
struct RoleColumns {
    query: usize,
    positives: Vec<usize>,
    negatives: Vec<usize>,
}

/// The texts of a sample.
pub(super) struct Row<'a> {
    pub(super) query: Cow<'a, str>,
    /// The positives, then the negatives.
    pub(super) candidates: Vec<Cow<'a, str>>,
    pub(super) positives: usize,
}

impl Samples {
    pub(super) fn in_memory(samples: Vec<RerankingSample>) -> Result<Self> {
        let all = samples.len();
        let complete = |sample: &RerankingSample| !sample.positive.is_empty() && !sample.negative.is_empty();
        let kept: Arc<[RerankingSample]> = samples.into_iter().filter(complete).collect();
        count_left_out("samples in memory", all, kept.len())?;
        let candidates = kept.iter().map(|sample| sample.positive.len() + sample.negative.len()).collect();
        Ok(Self { storage: Storage::Memory(kept), candidates })
    }

    pub(super) fn of_dataset(data: &Dataset) -> Result<Self> {
        let columns = RoleColumns::of(data)?;
        let (mut rows, mut candidates) = (Vec::with_capacity(data.len()), Vec::with_capacity(data.len()));
        for row in 0..data.len() {
            let count = |columns: &[usize]| -> Result<usize> {
                columns.iter().map(|&column| Ok(texts(data, row, column)?.len())).sum()
            };
            let (positives, negatives) = (count(&columns.positives)?, count(&columns.negatives)?);
            if positives > 0 && negatives > 0 {
                rows.push(row);
                candidates.push(positives + negatives);
            }
        }
        count_left_out(&data.description(), data.len(), rows.len())?;
        let data = if rows.len() == data.len() { data.clone() } else { data.select(&rows)? };
        Ok(Self { storage: Storage::Rows { data, columns: Arc::new(columns) }, candidates: candidates.into() })
    }

    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }

    /// The samples from `start` on that have no more than `texts` candidates together, but at least one sample.
    pub(super) fn chunk(&self, start: usize, texts: usize) -> Range<usize> {
        let mut total = 0usize;
        let fits = |candidates: &&usize| {
            total = total.saturating_add(**candidates);
            total <= texts
        };
        let fitting = self.candidates[start..].iter().take_while(fits).count();
        start..self.len().min(start + fitting.max(1))
    }

    pub(super) fn get(&self, sample: usize) -> Result<Row<'_>> {
        match &self.storage {
            Storage::Memory(samples) => {
                let RerankingSample { query, positive, negative } = &samples[sample];
                let candidates = positive.iter().chain(negative).map(|text| text.as_str().into()).collect();
                Ok(Row { query: query.into(), candidates, positives: positive.len() })
            }
            Storage::Rows { data, columns } => {
                let mut candidates = Vec::with_capacity(self.candidates[sample]);
                append(&mut candidates, data, sample, &columns.positives)?;
                let positives = candidates.len();
                append(&mut candidates, data, sample, &columns.negatives)?;
                Ok(Row { query: data.text(sample, columns.query)?.into(), candidates, positives })
            }
        }
    }
}

impl RoleColumns {
    fn of(data: &Dataset) -> Result<Self> {
        let columns = Columns::of(data)?;
        let (positives, documents) = (columns.positives(), columns.documents().iter().copied());
        let negatives: Vec<usize> = documents.filter(|column| !positives.contains(column)).collect();
        if positives.is_empty() || negatives.is_empty() {
            let description = data.description();
            let message = format!(
                "{description}; a query, a positive (text or list) and a negative (list, or one text a column) are expected"
            );
            return Err(Error::Data { evaluator: EVALUATOR, message });
        }
        Ok(Self { query: columns.query(), positives: positives.to_vec(), negatives })
    }
}

/// Logs how many samples are left out.
fn count_left_out(description: &str, all: usize, kept: usize) -> Result<()> {
    if kept == 0 {
        let message = format!(
            "{description}: none of {all} samples has both a positive and a negative; at least one is expected"
        );
        return Err(Error::Data { evaluator: EVALUATOR, message });
    }
    if kept < all {
        let left_out = all - kept;
        tracing::warn!("{description}: {left_out} of {all} samples have no positive or no negative, and are left out");
    }
    Ok(())
}

fn append<'a>(all: &mut Vec<Cow<'a, str>>, data: &'a Dataset, row: usize, columns: &[usize]) -> Result<()> {
    for &column in columns {
        all.extend(texts(data, row, column)?);
    }
    Ok(())
}

/// The texts of a value; none where it is missing.
fn texts(data: &Dataset, row: usize, column: usize) -> Result<Vec<Cow<'_, str>>> {
    match data.value(row, column)? {
        Value::Text(text) => Ok(vec![text]),
        Value::List(List::Texts(texts)) => Ok(texts),
        Value::List(list) if list.is_empty() => Ok(Vec::new()),
        Value::Null => Ok(Vec::new()),
        _ => {
            let name = data.columns()[column];
            let message = format!("row {row} (counted from 0): \"{name}\" holds other values; texts are expected");
            Err(Error::Data { evaluator: EVALUATOR, message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(positives: usize, negatives: usize) -> RerankingSample {
        let texts = |name: &str, count: usize| (0..count).map(|number| format!("{name}{number}")).collect();
        RerankingSample { query: "q".into(), positive: texts("p", positives), negative: texts("n", negatives) }
    }

    fn jsonl(rows: &str) -> Result<Samples> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, rows).unwrap();
        Samples::of_dataset(&Dataset::load(path).unwrap())
    }

    fn texts(samples: &Samples) -> Vec<(String, Vec<String>, usize)> {
        let row =
            |row: Row<'_>| (row.query.into(), row.candidates.into_iter().map(Into::into).collect(), row.positives);
        (0..samples.len()).map(|sample| row(samples.get(sample).unwrap())).collect()
    }

    fn row(query: &str, candidates: &[&str], positives: usize) -> (String, Vec<String>, usize) {
        (query.into(), candidates.iter().map(|text| text.to_string()).collect(), positives)
    }

    #[test]
    fn incomplete_samples_are_left_out() {
        let samples = Samples::in_memory(vec![sample(1, 0), sample(2, 1), sample(0, 3), sample(0, 0)]).unwrap();
        assert_eq!(texts(&samples), [row("q", &["p0", "p1", "n0"], 2)]);
        for (samples, all) in [(vec![], 0), (vec![sample(1, 0), sample(0, 1)], 2)] {
            let message = Samples::in_memory(samples).unwrap_err().to_string();
            let expected =
                format!("none of {all} samples has both a positive and a negative; at least one is expected");
            assert_eq!(message, format!("reranking evaluator: samples in memory: {expected}"));
        }
    }

    #[test]
    fn a_chunk_has_at_least_one_sample() {
        let samples = Samples::in_memory([(1, 1), (1, 2), (3, 3), (1, 1)].map(|(p, n)| sample(p, n)).to_vec()).unwrap();
        let chunks = |texts: usize| {
            let (mut start, mut ends) = (0, Vec::new());
            while start < samples.len() {
                start = samples.chunk(start, texts).end;
                ends.push(start);
            }
            ends
        };
        assert_eq!(chunks(1), [1, 2, 3, 4]);
        assert_eq!(chunks(5), [2, 3, 4]);
        assert_eq!(chunks(8), [2, 4]);
        assert_eq!(chunks(usize::MAX), [4]);
    }

    #[test]
    fn rows_have_texts_or_lists() {
        let samples = jsonl(concat!(
            "{\"query\": \"a\", \"positive\": [\"b\", \"c\"], \"negative\": [\"d\"]}\n",
            "{\"query\": \"e\", \"positive\": [], \"negative\": [\"f\"]}\n",
            "{\"query\": \"g\", \"positive\": [\"h\"], \"negative\": [\"i\", \"j\"]}\n",
        ));
        assert_eq!(texts(&samples.unwrap()), [row("a", &["b", "c", "d"], 2), row("g", &["h", "i", "j"], 1)]);
        let samples = jsonl("{\"query\": \"a\", \"positive\": \"b\", \"negative_1\": \"c\", \"negative_2\": \"d\"}\n");
        assert_eq!(texts(&samples.unwrap()), [row("a", &["b", "c", "d"], 1)]);
        let samples =
            jsonl("{\"question\": \"a\", \"answer\": \"b\", \"negatives\": [\"c\", \"d\"], \"title\": \"t\"}\n");
        assert_eq!(texts(&samples.unwrap()), [row("a", &["b", "c", "d"], 1)]);
    }

    #[test]
    fn columns_that_are_missing_are_named() {
        let message = jsonl("{\"query\": \"a\", \"positive\": \"b\"}\n").unwrap_err().to_string();
        assert!(
            message.contains("query (text), positive (text); a query, a positive (text or list) and a negative"),
            "{message}"
        );
        let message =
            jsonl("{\"query\": \"a\", \"negative\": \"b\", \"hard_negative\": \"c\"}\n").unwrap_err().to_string();
        assert!(message.contains("\"negative\" would be the positive"), "{message}");
    }
}
