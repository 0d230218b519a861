//! The encoding of documents, in f32 and in bf16.
//!
//! Both times leave out starting the program and reading the model. colburn's time is the one that `colburn encode` reports: tokenizing, encoding, and writing
//! the embeddings to a file, which PyLate's `encode` does not do. PyLate has encoded a batch before; colburn starts cold.

use std::path::PathBuf;
use std::process::Command;

use super::child;
use super::floor::Tokens;
use super::paths::absolute;
use super::python::words;
use super::setup::Setup;
use super::table::{Row, Sample};
use super::training::Run;
use crate::result::Result;

const BATCH_SIZE: usize = 32;

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let bf16 = setup.prepared.as_ref().and_then(|prepared| prepared.bf16.clone());
    let name = bf16.as_ref().map_or("encode: in bf16".to_owned(), |way| {
        let how = if way == "weights" { "with its weights in bf16" } else { "under autocast" };
        format!("encode: both in bf16, PyLate {how}")
    });
    Ok(vec![pair(setup, "encode".to_owned(), None)?, pair(setup, name, Some(bf16.as_deref().unwrap_or("autocast")))?])
}

/// Runs both programs alternately.
fn pair(setup: &Setup, name: String, bf16: Option<&str>) -> Result<Row> {
    let (mut ours, mut theirs, mut missing) = (Vec::new(), Vec::new(), None);
    for run in 1..=setup.options.runs {
        let step = |program: &str| format!("{name}: {program}, run {run} of {}", setup.options.runs);
        match colburn(setup, &step("colburn"), bf16.is_some())? {
            Run::Done(sample) => ours.push(sample),
            Run::NotAvailable(why) => missing = Some(why),
        }
        if missing.is_some() {
            break;
        }
        if let Some(pylate) = &setup.pylate {
            let mut arguments = words(&[
                ("--model", setup.model()?.directory.display().to_string()),
                ("--corpus", setup.folder.join("corpus.jsonl").display().to_string()),
                ("--batch-size", BATCH_SIZE.to_string()),
            ]);
            arguments.extend(bf16.map(|way| words(&[("--bf16", way.to_owned())])).into_iter().flatten());
            let (report, finished) =
                pylate.python.run(&step("PyLate"), "bench_encode.py", &arguments, &setup.folder)?;
            let number = |key: &str| report[key].as_f64().ok_or_else(|| format!("bench_encode.py reported no {key}"));
            let (items, seconds, peak_mib) = (number("documents")?, number("seconds")?, finished.peak_mib);
            theirs.push(Sample { items, seconds, tokens: 0.0, peak_mib, report });
        }
    }
    let flop = setup.model()?.size.forward(&tokens(setup, &ours));
    Ok(Row { name, unit: "documents/s", colburn: ours, pylate: theirs, flop, missing })
}

/// The input of `colburn encode`: the documents that PyLate's side has chosen; without PyLate, the whole corpus.
fn input(setup: &Setup) -> PathBuf {
    if setup.prepared.is_some() {
        return setup.folder.join("corpus.jsonl");
    }
    let corpus = absolute(&setup.options.corpus);
    if corpus.join("corpus").is_dir() { corpus.join("corpus") } else { corpus }
}

fn tokens(setup: &Setup, samples: &[Sample]) -> Tokens {
    match &setup.prepared {
        Some(prepared) => Tokens::of_batch(&[], &prepared.corpus_tokens),
        None => samples
            .first()
            .map_or(Tokens::default(), |sample| Tokens::of_total(0, 0, sample.items as usize, sample.tokens)),
    }
}

fn colburn(setup: &Setup, step: &str, bf16: bool) -> Result<Run> {
    let output = setup.folder.join("embeddings.safetensors");
    let mut command = Command::new(&setup.programs.colburn);
    command.args(["encode", "--kind", "document", "--batch-size", &BATCH_SIZE.to_string()]);
    command.arg("--model").arg(&setup.model()?.directory).arg("--input").arg(input(setup)).arg("--output").arg(&output);
    if bf16 {
        command.arg("--bf16");
    }
    // Its report is a line of the log.
    command.env("RUST_LOG", "info").env("NO_COLOR", "1");
    let finished = child::run(step, &mut command, &setup.folder.0)?;
    // Gigabytes of embeddings need not lie about.
    let _ = std::fs::remove_file(&output);
    if bf16 && !finished.success && ["not available", "--bf16"].iter().any(|word| finished.stderr.contains(word)) {
        let why = finished.stderr.lines().next().unwrap_or_default();
        return Ok(Run::NotAvailable(format!("not available: {why}")));
    }
    let finished = finished.succeeded(step)?;
    let report = report(&finished.stderr).or_else(|| report(&finished.stdout));
    let [items, seconds, tokens] = report.ok_or_else(|| {
        format!(
            "{step}: no line `encoded N documents in S s, R documents/s, T tokens/s` in what it printed:\n{}",
            finished.stderr
        )
    })?;
    let report = serde_json::json!({ "process_seconds": finished.seconds });
    Ok(Run::Done(Sample { items, seconds, tokens, peak_mib: finished.peak_mib, report }))
}

/// Documents, seconds and tokens from the last line of the log. The rates have more digits than the seconds.
fn report(log: &str) -> Option<[f64; 3]> {
    let line = log.lines().rev().find_map(|line| line.split_once("encoded ").map(|(_, rest)| rest))?;
    let (count, rest) = line.split_once(" documents in ")?;
    let (_, rates) = rest.split_once(" s, ")?;
    let (documents, rest) = rates.split_once(" documents/s, ")?;
    let tokens = rest.split_once(" tokens/s")?.0;
    let [count, documents, tokens]: [f64; 3] =
        [count.trim().parse().ok()?, documents.parse().ok()?, tokens.parse().ok()?];
    let seconds = Some(count / documents).filter(|seconds| seconds.is_finite() && *seconds > 0.0)?;
    Some([count, seconds, (tokens * seconds).round()])
}

#[cfg(test)]
mod tests {
    use super::report;

    #[test]
    fn the_report_is_the_last_line_of_its_kind() {
        let log = " INFO 50.0%: 300 documents in 5.1 s, 58.8 documents/s, 5000 tokens/s\n \
                   INFO encoded 600 documents in 10.0 s, 60.0 documents/s, 5100 tokens/s\n";
        assert_eq!(report(log), Some([600.0, 10.0, 51000.0]));
        assert_eq!(report(" INFO encoded 5 queries in 0.0 s, 185.5 queries/s, 3672 tokens/s"), None);
        assert_eq!(report("error: no such file"), None);
    }
}
