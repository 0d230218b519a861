//! The throughput of training: the median time of a step over the second half of each run.

use serde_json::{Value, json};

use super::memory::Before;
use super::setup::Setup;
use super::workload::Workload;
use super::{colburn, pylate};
use crate::bench::floor::{Encoder, Tokens};
use crate::bench::job::{QUERY_LENGTH, Step};
use crate::bench::table::{HEADER, Row, Sample, grid, median};
use crate::result::Result;

/// The columns that a GPU adds to those of the CPU.
const ADDED: [&str; 4] = ["ms a step of colburn", "of PyLate", "launches a step", "host µs a step"];

/// A workload and its runs so far.
pub struct Throughput {
    pub workload: Workload,
    size: Encoder,
    colburn: Vec<Sample>,
    pylate: Vec<Sample>,
    /// The reason for which a run failed.
    failed: Option<String>,
}

impl Throughput {
    pub fn new(setup: &Setup, workload: Workload) -> Result<Self> {
        let size = Encoder::read(&setup.model(workload.model))?;
        Ok(Self { workload, size, colburn: Vec::new(), pylate: Vec::new(), failed: None })
    }

    /// A run of each program.
    pub fn run(&mut self, setup: &Setup, turn: usize) -> Result<()> {
        let done = self.run_both(setup, turn);
        if let Err(message) = &done {
            self.failed = Some(cell(message));
        }
        done
    }

    fn run_both(&mut self, setup: &Setup, turn: usize) -> Result<()> {
        let (workload, steps) = (&self.workload, setup.options.steps);
        let step = |program: &str| format!("{}: {program}, run {turn} of {}", workload.name, setup.options.runs);
        let caches = setup.folder.existing("caches")?;
        let before = Before::look();
        let (logged, peak) =
            colburn::train(setup, &step("colburn"), workload, steps, &caches, |running, _| before.peak(running))?;
        self.colburn.push(ours(&logged, workload.batch_size, peak));
        if let Some(python) = &setup.python {
            let before = Before::look();
            let observe = |running: &_, _| before.peak(running);
            let (report, peak) = pylate::train(setup, python, &step("PyLate"), workload, steps, &caches, observe)?;
            self.pylate.push(theirs(report, workload.batch_size, peak)?);
        }
        Ok(())
    }

    fn row(&self) -> Row {
        let tokens = median(self.colburn.iter().map(|sample| sample.tokens)).unwrap_or_default();
        let missing = self.failed.clone().filter(|_| self.colburn.is_empty());
        Row {
            name: self.workload.name.to_owned(),
            unit: "triplets/s",
            colburn: self.colburn.clone(),
            pylate: self.pylate.clone(),
            flop: if tokens > 0.0 { flop(&self.size, self.workload.batch_size, tokens) } else { 0.0 },
            missing,
        }
    }

    fn cells(&self, setup: &Setup) -> Vec<String> {
        let row = self.row();
        let mut cells = row.cells(setup.card.rate(self.workload.precision).as_ref());
        cells.resize(HEADER.len(), String::new());
        let milliseconds = |samples: &[Sample]| median(samples.iter().map(|sample| 1e3 * sample.seconds));
        let reported = |name: &str| median(row.colburn.iter().filter_map(|sample| sample.report[name].as_f64()));
        let shown = |number: Option<f64>, digits: usize| {
            number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"))
        };
        cells.extend([
            shown(milliseconds(&row.colburn), 1),
            shown(milliseconds(&row.pylate), 1),
            shown(reported("kernel_launches"), 0),
            shown(reported("host_seconds").map(|seconds| 1e6 * seconds), 0),
        ]);
        cells
    }

    pub fn json(&self, setup: &Setup) -> Value {
        let mut json = self.row().json(setup.card.rate(self.workload.precision).as_ref());
        json["failed"] = json!(self.failed);
        json["pylate_mode"] = json!(self.workload.pylate_mode());
        json
    }
}

/// The table of all workloads.
pub fn markdown(throughputs: &[Throughput], setup: &Setup) -> String {
    let head: Vec<String> = HEADER.iter().chain(&ADDED).map(|&name| name.to_owned()).collect();
    grid(&head, throughputs.iter().map(|throughput| throughput.cells(setup)).collect())
}

/// A message as a cell of a table.
fn cell(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/").chars().take(200).collect()
}

/// The operations of a step. Of the documents only the number of tokens is known, so they count as equally long.
fn flop(size: &Encoder, batch_size: usize, tokens: f64) -> f64 {
    let documents = (tokens - (batch_size * QUERY_LENGTH) as f64).max(0.0);
    size.training(&Tokens::of_total(batch_size, QUERY_LENGTH, 2 * batch_size, documents))
}

/// The steps that count.
fn late<T>(steps: &[T]) -> &[T] {
    &steps[steps.len() / 2..]
}

fn ours(steps: &[Step], batch_size: usize, peak_mib: Option<f64>) -> Sample {
    let counted = late(steps);
    let middle = |number: &dyn Fn(&Step) -> Option<f64>| median(counted.iter().filter_map(number));
    Sample {
        items: batch_size as f64,
        seconds: middle(&|step| Some(step.seconds)).unwrap_or_default(),
        tokens: counted.iter().map(|step| step.tokens).sum::<f64>() / counted.len() as f64,
        peak_mib,
        report: json!({
            "step_seconds": steps.iter().map(|step| step.seconds).collect::<Vec<_>>(),
            "kernel_launches": middle(&|step| step.launches),
            "host_seconds": middle(&|step| step.host_seconds),
        }),
    }
}

fn theirs(report: Value, batch_size: usize, peak_mib: Option<f64>) -> Result<Sample> {
    let seconds = pylate::seconds(&report);
    let middle = median(late(&seconds).iter().copied()).ok_or("PyLate reported no steps")?;
    Ok(Sample { items: batch_size as f64, seconds: middle, tokens: 0.0, peak_mib, report })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_into_a_cell() {
        assert_eq!(cell("colburn failed:\nerror: a | b\n"), "colburn failed: error: a / b");
        assert_eq!(cell(&"x".repeat(300)).len(), 200);
    }

    #[test]
    fn the_second_half_counts() {
        let step = |seconds, launches| Step { seconds, tokens: 3000.0, launches, host_seconds: Some(0.004) };
        let steps =
            [step(9.0, None), step(0.5, None), step(0.25, Some(290.0)), step(0.125, Some(310.0)), step(0.5, None)];
        let sample = ours(&steps, 32, Some(2000.0));
        assert_eq!((sample.items, sample.seconds, sample.tokens), (32.0, 0.25, 3000.0));
        assert_eq!(
            (sample.report["kernel_launches"].as_f64(), sample.report["host_seconds"].as_f64()),
            (Some(300.0), Some(0.004))
        );
        let report = json!({"step_seconds": [9.0, 9.0, 0.5, 1.5]});
        assert_eq!(theirs(report, 32, None).unwrap().rate(), 32.0);
        assert!(theirs(json!({}), 32, None).is_err());
    }
}
