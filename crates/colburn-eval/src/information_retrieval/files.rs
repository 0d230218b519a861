//! The files that an evaluation leaves: a line of a CSV file for each, and the documents that were found (sentence-transformers'
//! `InformationRetrievalEvaluator`, down to the line ends).

use std::path::Path;

use colburn_model::write_atomic;
use colburn_search::Hit;

use super::{measures::Cut, options::RetrievalOptions};
use crate::{
    collection::Collection,
    error::Result,
    python,
    report::{self, LineEnd, Report, epoch_and_steps},
};

/// Appends the metrics of `evaluator` to a CSV file.
pub(crate) fn append_csv(
    path: &Path,
    evaluator: &str,
    options: &RetrievalOptions,
    report: &Report,
    (epoch, steps): (f64, i64),
) -> Result<()> {
    let cuts = Cut::of_csv(options);
    let columns: Vec<String> = cuts.iter().map(|cut| cut.column()).collect();
    let header: Vec<&str> = ["epoch", "steps"].into_iter().chain(columns.iter().map(String::as_str)).collect();
    let values = cuts.iter().map(|cut| python::float(report.get(&cut.key(evaluator)).unwrap_or(f64::NAN)));
    let line: Vec<String> = epoch_and_steps(epoch, steps).into_iter().chain(values).collect();
    report::append_csv(path, &header, &line, LineEnd::Lf)
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
