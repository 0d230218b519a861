//! The time from the start of a process to the end of its first step: once with empty caches, and once more with the caches of the first process.
//! A user waits for it at each start. Both programs load BERT-base and compile kernels.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::setup::Setup;
use super::workload::FIRST_STEP;
use super::{colburn, pylate};
use crate::bench::child::Running;
use crate::bench::table::{grid, median, significant};
use crate::result::Result;

const STARTS: [&str; 2] = ["empty caches", "caches of the process before"];

/// The seconds of each run, by start.
#[derive(Default)]
pub struct FirstStep {
    colburn: [Vec<f64>; 2],
    pylate: [Vec<f64>; 2],
}

impl FirstStep {
    pub fn run(&mut self, setup: &Setup, turn: usize) -> Result<()> {
        let caches = ["first-step-colburn", "first-step-pylate"];
        let [ours, theirs] = caches.map(|name| setup.folder.empty(name));
        let (ours, theirs) = (ours?, theirs?);
        for (index, start) in STARTS.iter().enumerate() {
            let step = |program: &str| format!("first step, {start}: {program}, run {turn} of {}", setup.options.runs);
            let (_, seconds) = colburn::train(setup, &step("colburn"), &FIRST_STEP, 1, &ours, until_first_step)?;
            self.colburn[index].extend(seconds);
            if let Some(python) = &setup.python {
                let (_, seconds) =
                    pylate::train(setup, python, &step("PyLate"), &FIRST_STEP, 1, &theirs, until_first_step)?;
                self.pylate[index].extend(seconds);
            }
        }
        Ok(())
    }

    pub fn markdown(&self) -> String {
        let head = ["first step of BERT-base, batch 32, bf16", "s of colburn", "s of PyLate", "PyLate / colburn"];
        let shown = |seconds: &[f64]| {
            let each: Vec<String> = seconds.iter().map(|&run| significant(run)).collect();
            let middle = median(seconds.iter().copied());
            middle.map_or_else(String::new, |middle| format!("{} ({})", significant(middle), each.join(", ")))
        };
        let lines = STARTS.iter().zip(&self.colburn).zip(&self.pylate).map(|((start, ours), theirs)| {
            let ratio = median(theirs.iter().copied()).zip(median(ours.iter().copied()));
            let ratio = ratio.map(|(theirs, ours)| format!("{:.2}", theirs / ours)).unwrap_or_default();
            vec![(*start).to_owned(), shown(ours), shown(theirs), ratio]
        });
        grid(&head.map(str::to_owned), lines.collect())
    }

    pub fn json(&self) -> Value {
        let starts = STARTS.iter().zip(&self.colburn).zip(&self.pylate);
        let of = |((start, ours), theirs): ((&&str, &Vec<f64>), &Vec<f64>)| json!({ "start": start, "colburn_seconds": ours, "pylate_seconds": theirs });
        starts.map(of).collect()
    }
}

/// The seconds until the log has a line with a loss.
fn until_first_step(running: &Running, log: PathBuf) -> Option<f64> {
    loop {
        // The process may end between two looks, so its end is asked for before the log.
        let ended = running.ended();
        if std::fs::read_to_string(&log).is_ok_and(|text| has_step(&text)) {
            return Some(running.started.elapsed().as_secs_f64());
        }
        if ended {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn has_step(log: &str) -> bool {
    log.lines().any(|line| serde_json::from_str::<Value>(line).is_ok_and(|entry| entry["loss"].is_number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_a_loss() {
        assert!(has_step("{\"step\": 1, \"loss\": 0.5}\n"));
        assert!(!has_step("") && !has_step("{\"step\": 1, \"lo"));
    }

    #[test]
    fn both_starts_are_shown() {
        let first = FirstStep { colburn: [vec![4.0, 5.0, 6.0], vec![1.0]], pylate: [vec![20.0], Vec::new()] };
        let text = first.markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "| empty caches | 5.00 (4.00, 5.00, 6.00) | 20.0 (20.0) | 4.00 |");
        assert_eq!(lines[3], "| caches of the process before | 1.00 (1.00) |  |  |");
        assert_eq!(first.json()[1]["colburn_seconds"][0], 1.0);
    }
}
