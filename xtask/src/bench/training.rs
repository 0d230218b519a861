//! The workloads that train: the same saved model, the same rows in the same order, dropout as in the model's config, AdamW with a linear schedule and
//! clipping at norm 1, the library's defaults on both sides.
//!
//! colburn logs the speed of each step: from asking for the batch to the end of the optimizer's step. PyLate's steps are timed from the end of one to
//! the end of the next.

use std::path::PathBuf;
use std::process::Command;

use super::child;
use super::floor::Tokens;
use super::full_length;
use super::job::{DOCUMENT_LENGTH, Job, Precision, QUERY_LENGTH, Step};
use super::options::Workload;
use super::paths::absolute;
use super::pylate;
use super::python::words;
use super::setup::Setup;
use super::table::{Row, Sample};
use crate::result::Result;

/// A run, or the reason for which there is none.
pub enum Run {
    Done(Sample),
    NotAvailable(String),
}

pub fn measure(setup: &Setup, workload: Workload) -> Result<Vec<Row>> {
    let (options, full) = (&setup.options, workload == Workload::TrainFull);
    let data = if full { full_length::rows(setup, DOCUMENT_LENGTH, options.rows_needed())? } else { rows(setup)? };
    let steps = options.warmup + options.steps;
    let (batch_size, warmup) = (options.batch_size, options.warmup);
    let (model, precision) = (setup.model()?.directory.as_path(), Precision::F32);
    let job =
        Job { model, data: &data, batch_size, steps, logging_steps: 1, document_length: DOCUMENT_LENGTH, precision };
    let (mut ours, mut theirs, mut halves, mut missing) = (Vec::new(), Vec::new(), Vec::new(), None);
    for run in 1..=options.runs {
        let step = |program: &str| format!("{}: {program}, run {run} of {}", workload.name(), options.runs);
        match colburn(setup, &step("colburn"), &job, warmup)? {
            Run::Done(sample) => ours.push(sample),
            Run::NotAvailable(why) => return Err(why),
        }
        if let Some(pylate) = &setup.pylate {
            let mut arguments = words(&[
                ("--model", model.display().to_string()),
                ("--rows", data.display().to_string()),
                ("--steps", steps.to_string()),
                ("--batch-size", batch_size.to_string()),
            ]);
            arguments.extend((workload == Workload::TrainBf16).then(|| "--bf16".to_owned()));
            let (report, finished) = pylate.python.run(&step("PyLate"), "bench_train.py", &arguments, &setup.folder)?;
            theirs.push(pylate::steps(report, &finished, warmup, batch_size)?);
        }
        if workload == Workload::TrainBf16 && missing.is_none() {
            let job = Job { precision: Precision::Bf16, ..job };
            match colburn(setup, &step("colburn in bf16"), &job, warmup)? {
                Run::Done(sample) => halves.push(sample),
                Run::NotAvailable(why) => missing = Some(why),
            }
        }
    }
    let flop = setup.model()?.size.training(&tokens(setup, full, &ours));
    let row = |name: &str, colburn: Vec<Sample>, missing: Option<String>| Row {
        name: name.to_owned(),
        unit: "triplets/s",
        pylate: theirs.clone(),
        colburn,
        flop,
        missing,
    };
    Ok(match workload {
        Workload::TrainBf16 => vec![
            row("train-bf16: colburn in f32, PyLate under bf16 autocast", ours, None),
            row("train-bf16: both in bf16", halves, missing),
        ],
        _ => vec![row(workload.name(), ours, None)],
    })
}

/// The rows of the data, drawn by PyLate's side. Without PyLate, colburn reads the files as they are.
pub fn rows(setup: &Setup) -> Result<PathBuf> {
    if setup.prepared.is_some() {
        return Ok(setup.folder.join("rows.jsonl"));
    }
    Ok(absolute(setup.options.triplets.as_ref()))
}

/// The tokens of the steps that count: exact if PyLate's side has measured each text, otherwise from colburn's totals.
fn tokens(setup: &Setup, full: bool, samples: &[Sample]) -> Tokens {
    let (batch, options) = (setup.options.batch_size, &setup.options);
    let steps = options.warmup..options.warmup + options.steps;
    let lengths = setup.prepared.as_ref().and_then(|prepared| prepared.row_tokens.as_ref());
    let of_step = |step: usize| {
        if full {
            return Tokens::of_batch(&vec![QUERY_LENGTH; batch], &vec![DOCUMENT_LENGTH; 2 * batch]);
        }
        let rows = step * batch..(step + 1) * batch;
        if let Some([queries, positives, negatives]) = lengths {
            return Tokens::of_batch(&queries[rows.clone()], &[&positives[rows.clone()], &negatives[rows]].concat());
        }
        let all = samples.first().map_or(0.0, |sample| sample.tokens) / options.steps as f64;
        Tokens::of_total(batch, QUERY_LENGTH, 2 * batch, (all - (batch * QUERY_LENGTH) as f64).max(0.0))
    };
    steps.map(of_step).fold(Tokens::default(), |sum, step| sum + step)
}

/// The folder that the runs train into.
fn output(setup: &Setup) -> PathBuf {
    setup.folder.join("trained")
}

/// Empties the folder that a run trains into, and writes its TOML.
pub fn write_config(setup: &Setup, job: &Job) -> Result<PathBuf> {
    setup.folder.empty("trained")?;
    job.write(&output(setup))
}

/// One run of `colburn train`. The first steps are not counted.
pub fn colburn(setup: &Setup, step: &str, job: &Job, warmup: usize) -> Result<Run> {
    let toml = write_config(setup, job)?;
    let mut command = Command::new(&setup.programs.colburn);
    let finished = child::run(step, command.arg("train").arg(&toml), &setup.folder.0)?;
    if job.precision == Precision::Bf16 && !finished.success && finished.stderr.contains("not available") {
        return Ok(Run::NotAvailable(format!("not available: {}", finished.stderr.trim())));
    }
    let finished = finished.succeeded(step)?;
    Ok(Run::Done(sample(&job.steps(&output(setup))?, job.batch_size, warmup, finished.peak_mib)))
}

/// The steps that count.
fn sample(steps: &[Step], batch_size: usize, warmup: usize, peak_mib: Option<f64>) -> Sample {
    let counted = &steps[warmup..];
    let seconds: Vec<f64> = steps.iter().map(|step| step.seconds).collect();
    Sample {
        items: (batch_size * counted.len()) as f64,
        seconds: counted.iter().map(|step| step.seconds).sum(),
        tokens: counted.iter().map(|step| step.tokens).sum(),
        peak_mib,
        report: serde_json::json!({ "step_seconds": seconds }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_steps_are_not_counted() {
        let step = |seconds, tokens| Step { seconds, tokens, launches: None, host_seconds: None };
        let sample = sample(&[step(8.0, 3200.0), step(2.0, 3000.0), step(4.0, 4000.0)], 16, 1, Some(900.0));
        assert_eq!((sample.items, sample.seconds, sample.tokens), (32.0, 6.0, 7000.0));
    }
}
