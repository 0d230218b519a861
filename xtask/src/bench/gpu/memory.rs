//! The memory of the card that a process takes, by `nvidia-smi`: one measure for both programs. It counts everything, the CUDA context and what a
//! memory pool has taken and does not use among it.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::child::Running;

/// The time between two looks. A look itself takes some 50 ms.
const INTERVAL: Duration = Duration::from_millis(200);

/// The card before a process starts.
pub struct Before {
    used: Option<f64>,
}

impl Before {
    pub fn look() -> Self {
        Self { used: used() }
    }

    /// The peak of a process in MiB while it runs. Where the driver does not list it, as in many containers, it is the growth of the memory that is
    /// used on the card.
    pub fn peak(&self, running: &Running) -> Option<f64> {
        let (mut of_process, mut of_card) = (None, None);
        while self.used.is_some() && !running.ended() {
            let looked = Instant::now();
            of_process = largest(of_process, of(running.id));
            if of_process.is_none() {
                of_card = largest(of_card, used());
            }
            while looked.elapsed() < INTERVAL && !running.ended() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        of_process.or_else(|| Some(of_card? - self.used?))
    }
}

fn largest(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    left.into_iter().chain(right).reduce(f64::max)
}

/// The memory of a process in MiB.
fn of(process: u32) -> Option<f64> {
    listed(&query("--query-compute-apps=pid,used_memory")?, process)
}

/// The memory in use in MiB.
fn used() -> Option<f64> {
    first(&query("--query-gpu=memory.used")?)
}

fn query(what: &str) -> Option<String> {
    let mut command = Command::new("nvidia-smi");
    command.args([what, "--format=csv,noheader,nounits"]);
    // The first visible card is the device 0 of a program.
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let card = visible.split(',').next().map(str::trim).filter(|card| !card.is_empty()).unwrap_or("0");
    let output = command.args(["--id", card]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The number of a process in lines `PID, MIB`.
fn listed(lines: &str, process: u32) -> Option<f64> {
    let of_process = lines.lines().filter_map(|line| {
        let (id, used) = line.split_once(',')?;
        (id.trim().parse() == Ok(process)).then_some(used)
    });
    of_process.filter_map(|used| used.trim().parse().ok()).reduce(f64::max)
}

/// The number of the first line.
fn first(lines: &str) -> Option<f64> {
    lines.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_in_the_list() {
        let lines = "812, 7168\n9001, 20480\n33, [N/A]\n";
        assert_eq!((listed(lines, 9001), listed(lines, 33), listed(lines, 1)), (Some(20480.0), None, None));
        assert_eq!((first("1024\n0\n"), first("[N/A]\n"), first("")), (Some(1024.0), None, None));
    }

    #[test]
    fn the_largest_counts() {
        assert_eq!(largest(Some(1.0), Some(3.0)), Some(3.0));
        assert_eq!(largest(None, Some(3.0)), Some(3.0));
        assert_eq!(largest(Some(1.0), None), Some(1.0));
        assert_eq!(largest(None, None), None);
    }
}
