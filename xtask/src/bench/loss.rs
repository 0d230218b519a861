//! The contrastive loss alone: two documents a query, random unit vectors, forward and backward down to the vectors. Two small programs,
//! `contrastive_rate` and `bench_loss.py`, so that the peak of memory is the loss's (and Python's, with torch).

use std::process::Command;

use super::child;
use super::floor::{self, Tokens};
use super::job::{DOCUMENT_LENGTH, QUERY_LENGTH};
use super::pylate;
use super::python::words;
use super::setup::Setup;
use super::table::{Row, Sample};

use crate::result::Result;

const GROUP: usize = 2;
const DIM: usize = 128;
/// A step takes PyLate many seconds.
const WARMUP: usize = 1;
const STEPS: usize = 2;

pub fn measure(setup: &Setup) -> Result<Row> {
    let batch = setup.options.loss_batch;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let sizes = [batch, GROUP, QUERY_LENGTH, DOCUMENT_LENGTH, DIM, WARMUP, STEPS].map(|size| size.to_string());
    let names = ["--batch", "--documents", "--query-tokens", "--document-tokens", "--dim", "--warmup", "--steps"];
    for run in 1..=setup.options.runs {
        let step = |program: &str| format!("loss: {program}, run {run} of {}", setup.options.runs);
        let mut command = Command::new(&setup.programs.contrastive_rate);
        let finished =
            child::run(&step("colburn"), command.args(&sizes), &setup.folder.0)?.succeeded("contrastive_rate")?;
        let seconds = steps(&finished.stdout);
        if seconds.len() != STEPS {
            return Err(format!("contrastive_rate timed {} steps of {STEPS}", seconds.len()));
        }
        ours.push(Sample {
            items: (batch * STEPS) as f64,
            seconds: seconds.iter().sum(),
            tokens: (batch * STEPS * (QUERY_LENGTH + GROUP * DOCUMENT_LENGTH)) as f64,
            peak_mib: finished.peak_mib,
            report: serde_json::json!({ "step_seconds": seconds }),
        });
        if let Some(pylate) = &setup.pylate {
            let named: Vec<(&str, String)> = names.into_iter().zip(sizes.iter().cloned()).collect();
            let (report, finished) =
                pylate.python.run(&step("PyLate"), "bench_loss.py", &words(&named), &setup.folder)?;
            theirs.push(pylate::steps(report, &finished, 0, batch)?);
        }
    }
    let tokens = Tokens::of_batch(&vec![QUERY_LENGTH; batch], &vec![DOCUMENT_LENGTH; GROUP * batch]);
    let flop = STEPS as f64 * floor::scoring(&tokens, DIM as f64);
    Ok(Row {
        name: format!("loss, batch {batch}"),
        unit: "queries/s",
        colburn: ours,
        pylate: theirs,
        flop,
        missing: None,
    })
}

/// The seconds of the lines `step SECONDS`.
fn steps(printed: &str) -> Vec<f64> {
    printed.lines().filter_map(|line| line.strip_prefix("step ")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn seconds_are_read_from_the_programs_lines() {
        assert_eq!(steps("loss 6.238325\nstep 0.250000\nstep 0.125000\n"), [0.25, 0.125]);
        assert!(steps("error\n").is_empty());
    }
}
