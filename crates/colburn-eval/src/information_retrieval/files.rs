//! The files that an evaluation leaves: a line of a CSV file for each, and the documents that were found (sentence-transformers'
//! `InformationRetrievalEvaluator`, down to the line ends).

use std::{fs, io, path::Path};

use colburn_model::write_atomic;
use colburn_search::Hit;

use super::{RetrievalOptions, measures::Cut, python};
use crate::{Collection, Error, Report, Result};

/// Appends the metrics of `evaluator` to a CSV file; the header only when the file is new. It is written anew as a whole, so that a crash
/// leaves no half line.
///
/// # Errors
/// When the file cannot be written, or has other columns.
pub(crate) fn append_csv(
    path: &Path,
    evaluator: &str,
    options: &RetrievalOptions,
    report: &Report,
    (epoch, steps): (f64, i64),
) -> Result<()> {
    let cuts = Cut::of_csv(options);
    let header = ["epoch".to_owned(), "steps".to_owned()].into_iter().chain(cuts.iter().map(|cut| cut.column()));
    let header = header.collect::<Vec<_>>().join(",");
    let mut lines = match fs::read_to_string(path) {
        Ok(lines) => lines,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    match lines.lines().next() {
        None => lines = format!("{header}\n"),
        Some(first) if first == header => {}
        Some(first) => {
            let message =
                format!("its columns are {first}; {header} are expected: remove it, or evaluate at the same cuts");
            return Err(Error::Collection { place: path.display().to_string(), message });
        }
    }
    let epoch = if epoch == -1.0 { "-1".to_owned() } else { python::float(epoch) };
    let values = cuts.iter().map(|cut| python::float(report.get(&cut.key(evaluator)).unwrap_or(f64::NAN)));
    let line: Vec<String> = [epoch, steps.to_string()].into_iter().chain(values).collect();
    lines += &format!("{}\n", line.join(","));
    Ok(write_atomic(path, lines.as_bytes())?)
}

/// Writes the documents found for each query, best first, as one JSON object a line.
pub(super) fn write_predictions(path: &Path, collection: &Collection, hits: &[Vec<Hit>]) -> Result<()> {
    let mut lines = String::new();
    for (query, hits) in hits.iter().enumerate() {
        let result = |hit: &Hit| -> Result<String> {
            let id = python::json(&collection.document_id(hit.document)?);
            Ok(format!("{{\"corpus_id\": {id}, \"score\": {}}}", python::float(f64::from(hit.score))))
        };
        let results = hits.iter().map(result).collect::<Result<Vec<_>>>()?.join(", ");
        let (id, text) = (python::json(&collection.query_id(query)?), python::json(&collection.query(query)?));
        lines += &format!("{{\"query_id\": {id}, \"query\": {text}, \"results\": [{results}]}}\n");
    }
    Ok(write_atomic(path, lines.as_bytes())?)
}
