//! The growth of a training step's time with the batch and with the length of documents, colburn alone. Nothing may grow faster than the tokens,
//! except attention with the square of a text's length.

use serde_json::{Value, json};

use super::full_length;
use super::job::{DOCUMENT_LENGTH, Job, Precision};
use super::setup::Setup;
use super::sizes::{BATCH_OF_LENGTHS, BATCHES, LENGTHS, STEPS, WARMUP};
use super::table::{Sample, grid, significant};
use super::training::{self, Run};
use crate::result::Result;

/// Both tables, and their numbers.
pub fn measure(setup: &Setup) -> Result<(String, Value)> {
    let (model, precision, steps) = (setup.model()?.directory.as_path(), Precision::F32, WARMUP + STEPS);
    let rows = training::rows(setup)?;
    let mut by_batch = Vec::new();
    for batch_size in BATCHES {
        let job = Job {
            model,
            data: &rows,
            batch_size,
            steps,
            logging_steps: 1,
            document_length: DOCUMENT_LENGTH,
            precision,
        };
        by_batch.push((batch_size, run(setup, &format!("scaling: batch {batch_size}"), &job)?));
    }
    let mut by_length = Vec::new();
    for document_length in LENGTHS {
        let rows = full_length::rows(setup, document_length, BATCH_OF_LENGTHS * steps)?;
        let job = Job {
            model,
            data: &rows,
            batch_size: BATCH_OF_LENGTHS,
            steps,
            logging_steps: 1,
            document_length,
            precision,
        };
        by_length.push((document_length, run(setup, &format!("scaling: length {document_length}"), &job)?));
    }
    let numbers = |runs: &[(usize, Sample)]| {
        runs.iter().map(|(size, sample)| json!({ "size": size, "run": sample.json() })).collect::<Vec<_>>()
    };
    let json = json!({ "batch": numbers(&by_batch), "document_length": numbers(&by_length) });
    let lengths = format!("tokens a document, batch {BATCH_OF_LENGTHS}");
    Ok((format!("{}\n{}", markdown("batch", &by_batch), markdown(&lengths, &by_length)), json))
}

fn run(setup: &Setup, step: &str, job: &Job) -> Result<Sample> {
    match training::colburn(setup, step, job, WARMUP)? {
        Run::Done(sample) => Ok(sample),
        Run::NotAvailable(why) => Err(why),
    }
}

/// The last column is the time of a token against that of the first line: 1 is linear.
fn markdown(size: &str, runs: &[(usize, Sample)]) -> String {
    let head = [size, "ms a step", "tokens a step", "µs a token", "relative to the first", "peak memory"];
    let of_token = |sample: &Sample| 1e6 * sample.seconds / sample.tokens.max(1.0);
    let first = runs.first().map_or(1.0, |(_, sample)| of_token(sample));
    let line = |(size, sample): &(usize, Sample)| {
        vec![
            size.to_string(),
            format!("{:.0}", 1e3 * sample.seconds / STEPS as f64),
            format!("{:.0}", sample.tokens / STEPS as f64),
            significant(of_token(sample)),
            format!("{:.2}", of_token(sample) / first),
            sample.peak_mib.map(|peak| format!("{peak:.0} MiB")).unwrap_or_default(),
        ]
    };
    grid(&head.map(str::to_owned), runs.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_compared_by_the_token() {
        let sample =
            |seconds, tokens| Sample { items: 24.0, seconds, tokens, peak_mib: Some(800.4), report: Value::Null };
        let text = markdown("batch", &[(4, sample(1.5, 3000.0)), (8, sample(6.0, 6000.0))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "| 4 | 500 | 1000 | 500 | 1.00 | 800 MiB |");
        assert_eq!(lines[3], "| 8 | 2000 | 2000 | 1000 | 2.00 | 800 MiB |");
    }
}
