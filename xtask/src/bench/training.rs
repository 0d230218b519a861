//! The workloads that train: the same saved model, the same rows in the same order, dropout as in the model's config, AdamW with a linear schedule and
//! clipping at norm 1, the library's defaults on both sides.
//!
//! colburn logs the speed of each step: from asking for the batch to the end of the optimizer's step. PyLate's steps are timed from the end of one to
//! the end of the next.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::child;
use super::floor::Tokens;
use super::full_length;
use super::options::Workload;
use super::paths::absolute;
use super::pylate::{self, words};
use super::setup::Setup;
use super::table::{Row, Sample};
use crate::result::Result;

/// A run, or the reason for which there is none.
pub enum Run {
    Done(Sample),
    NotAvailable(String),
}

/// The data and the sizes of a run of colburn.
pub struct Job<'a> {
    pub data: &'a Path,
    pub batch_size: usize,
    pub steps: usize,
    pub warmup: usize,
    pub document_length: usize,
    pub bf16: bool,
}

/// The tokens to which a query is expanded.
pub const QUERY_LENGTH: usize = 32;
/// The most tokens of a document.
pub const DOCUMENT_LENGTH: usize = 180;

pub fn measure(setup: &Setup, workload: Workload) -> Result<Vec<Row>> {
    let (options, full) = (&setup.options, workload == Workload::TrainFull);
    let data = if full { full_length::rows(setup, DOCUMENT_LENGTH, options.rows_needed())? } else { rows(setup)? };
    let steps = options.warmup + options.steps;
    let (batch_size, warmup) = (options.batch_size, options.warmup);
    let job = Job { data: &data, batch_size, steps, warmup, document_length: DOCUMENT_LENGTH, bf16: false };
    let (mut ours, mut theirs, mut halves, mut missing) = (Vec::new(), Vec::new(), Vec::new(), None);
    for run in 1..=options.runs {
        let step = |program: &str| format!("{}: {program}, run {run} of {}", workload.name(), options.runs);
        match colburn(setup, &step("colburn"), &job)? {
            Run::Done(sample) => ours.push(sample),
            Run::NotAvailable(why) => return Err(why),
        }
        if let Some(pylate) = &setup.pylate {
            let mut arguments = words(&[
                ("--model", setup.model()?.directory.display().to_string()),
                ("--rows", data.display().to_string()),
                ("--steps", steps.to_string()),
                ("--batch-size", batch_size.to_string()),
            ]);
            arguments.extend((workload == Workload::TrainBf16).then(|| "--bf16".to_owned()));
            let (report, finished) = pylate.run(&step("PyLate"), "bench_train.py", &arguments, &setup.folder)?;
            theirs.push(pylate::steps(report, &finished, warmup, batch_size)?);
        }
        if workload == Workload::TrainBf16 && missing.is_none() {
            match colburn(setup, &step("colburn in bf16"), &Job { bf16: true, ..job })? {
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

/// Writes the TOML of a run that trains into an empty folder `trained`.
pub fn write_config(setup: &Setup, job: &Job) -> Result<PathBuf> {
    let output = setup.folder.empty("trained")?;
    let toml = setup.folder.join("run.toml");
    let written = std::fs::write(&toml, config(&setup.model()?.directory, &output, job));
    written.map(|()| toml.clone()).map_err(|error| format!("{}: {error}", toml.display()))
}

/// One run of `colburn train`.
pub fn colburn(setup: &Setup, step: &str, job: &Job) -> Result<Run> {
    let toml = write_config(setup, job)?;
    let mut command = Command::new(&setup.programs.colburn);
    let finished = child::run(step, command.arg("train").arg(&toml), &setup.folder.0)?;
    if job.bf16 && !finished.success && finished.stderr.contains("not available") {
        return Ok(Run::NotAvailable(format!("not available: {}", finished.stderr.trim())));
    }
    let finished = finished.succeeded(step)?;
    let path = setup.folder.join("trained/logs.jsonl");
    let log = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    sample(&log, job, finished.peak_mib).map(Run::Done)
}

fn config(model: &Path, output: &Path, job: &Job) -> String {
    let Job { data, batch_size, steps, document_length, bf16, .. } = job;
    let half = if *bf16 { "bf16 = true\n" } else { "" };
    format!(
        "[model]\nname_or_path = {model:?}\nquery_length = {QUERY_LENGTH}\ndocument_length = {document_length}\n\
         [loss]\ntype = \"contrastive\"\n\
         [data]\ntrain = {data:?}\n\
         [training]\noutput_dir = {output:?}\nmax_steps = {steps}\nper_device_train_batch_size = {batch_size}\n\
         learning_rate = 1e-5\nlogging_steps = 1\nsave_strategy = \"no\"\ntrain_sampling_strategy = \"sequential\"\nseed = 42\n{half}"
    )
}

/// The steps that count, from the log of a run that logged each.
fn sample(log: &str, job: &Job, peak_mib: Option<f64>) -> Result<Sample> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let steps: Vec<(f64, f64)> = lines
        .filter_map(|line| {
            let seconds = job.batch_size as f64 / line["samples_per_second"].as_f64().filter(|rate| *rate > 0.0)?;
            Some((seconds, seconds * line["tokens_per_second"].as_f64()?))
        })
        .collect();
    if steps.len() != job.steps {
        return Err(format!("colburn logged the speed of {} steps of {}", steps.len(), job.steps));
    }
    let counted = &steps[job.warmup..];
    let seconds: Vec<f64> = steps.iter().map(|(seconds, _)| *seconds).collect();
    Ok(Sample {
        items: (job.batch_size * counted.len()) as f64,
        seconds: counted.iter().map(|(seconds, _)| seconds).sum(),
        tokens: counted.iter().map(|(_, tokens)| tokens).sum::<f64>().round(),
        peak_mib,
        report: serde_json::json!({ "step_seconds": seconds }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(steps: usize) -> Job<'static> {
        let data = Path::new("/data/rows.jsonl");
        Job { data, batch_size: 16, steps, warmup: 1, document_length: 180, bf16: false }
    }

    #[test]
    fn a_log_gives_the_steps_that_count() {
        let log = "{\"loss\":0.5,\"samples_per_second\":2.0,\"step\":1,\"tokens_per_second\":400.0}\n\
                   {\"loss\":0.5,\"samples_per_second\":8.0,\"step\":2,\"tokens_per_second\":1600.0}\n\
                   {\"loss\":0.5,\"samples_per_second\":4.0,\"step\":3,\"tokens_per_second\":1000.0}\n\
                   {\"step\":3,\"train_loss\":0.5,\"train_samples_per_second\":4.0}\n";
        let sample = sample(log, &job(3), Some(900.0)).unwrap();
        assert_eq!((sample.items, sample.seconds, sample.tokens), (32.0, 6.0, 3200.0 + 4000.0));
        assert!(super::sample(log, &job(4), None).is_err());
    }

    #[test]
    fn the_run_says_what_the_job_says() {
        let text = config(Path::new("/models/start"), Path::new("/out"), &Job { bf16: true, ..job(8) });
        for line in ["name_or_path = \"/models/start\"", "max_steps = 8", "document_length = 180", "bf16 = true"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!config(Path::new("a"), Path::new("b"), &job(8)).contains("bf16"));
    }
}
