//! `cargo xtask bench --device cuda`: training steps on a GPU beside PyLate, on the same rows and the same card in the same hour. Each turn runs every
//! workload once in both programs, so that a benchmark that is cut short has numbers of all of them. The results are written after each workload.

mod card;
mod colburn;
mod first_step;
mod memory;
mod options;
mod pylate;
mod setup;
mod throughput;
mod workload;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::first_step::FirstStep;
pub use self::options::Options;
use self::setup::Setup;
use self::throughput::Throughput;
use self::workload::Measured;
use super::{machine, paths};
use crate::result::Result;

pub fn run(options: Options) -> Result<()> {
    let load = machine::load();
    if let Some(path) = &options.output {
        paths::writable("--out", path)?;
    }
    let started = Instant::now();
    let setup = Setup::new(options)?;
    let facts = setup.card.facts(&setup.colburn, load);
    let is_chosen = |measured: Measured| setup.options.workloads.iter().any(|chosen| chosen.measured == measured);
    let chosen = setup.options.workloads.iter().filter(|workload| workload.measured == Measured::Throughput);
    let mut throughputs = chosen.map(|workload| Throughput::new(&setup, *workload)).collect::<Result<Vec<_>>>()?;
    let mut first_step = is_chosen(Measured::FirstStep).then(FirstStep::default);

    let limit = setup.options.minutes.map(|minutes| Duration::from_secs(60 * minutes as u64));
    let in_time = || limit.is_none_or(|limit| started.elapsed() < limit);
    let mut failed = Vec::new();
    'turns: for turn in 1..=setup.options.runs {
        for index in 0..throughputs.len() + usize::from(first_step.is_some()) {
            if !in_time() {
                eprintln!("==> turn {turn} of {} ends here: the minutes are over", setup.options.runs);
                break 'turns;
            }
            let name = throughputs.get(index).map_or("first-step", |throughput| throughput.workload.name);
            if failed.contains(&name) {
                continue;
            }
            let done = match (throughputs.get_mut(index), &mut first_step) {
                (Some(throughput), _) => throughput.run(&setup, turn),
                (None, Some(first_step)) => first_step.run(&setup, turn),
                (None, None) => Ok(()),
            };
            // A failure must not cost the numbers of the others.
            if let Err(message) = done {
                eprintln!("error: {name}: {message}");
                failed.push(name);
            }
            write(&setup, &facts, &throughputs, first_step.as_ref())?;
        }
    }

    for (name, value) in &facts {
        println!("- {name}: {value}");
    }
    println!("\n{}", how(&setup));
    if !throughputs.is_empty() {
        println!("\n{}", throughput::markdown(&throughputs, &setup));
    }
    if let Some(first_step) = &first_step {
        println!("\n{}", first_step.markdown());
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("these workloads failed, as said above: {}", failed.join(", ")))
    }
}

/// Writes the results so far.
fn write(
    setup: &Setup,
    facts: &[(&'static str, String)],
    throughputs: &[Throughput],
    first_step: Option<&FirstStep>,
) -> Result<()> {
    let Some(path) = &setup.options.output else { return Ok(()) };
    let rows: Vec<Value> = throughputs.iter().map(|throughput| throughput.json(setup)).collect();
    let all = json!({
        "machine": machine::json(facts),
        "options": format!("{:?}", setup.options),
        "card": setup.card.report,
        "workloads": rows,
        "first_step": first_step.map(FirstStep::json),
    });
    std::fs::write(path, format!("{all:#}\n")).map_err(|error| format!("--out {}: {error}", path.display()))
}

/// The meaning of the tables' numbers.
fn how(setup: &Setup) -> String {
    let turns = if setup.python.is_some() { "colburn and PyLate by turns" } else { "colburn alone" };
    format!(
        "Medians of up to {} runs, {turns}; in parentheses each run. A run has {} steps; its time is the median of the second half. Models with random \
         weights, query length 32, document length 180, dropout 0.1. Memory: the card's, by nvidia-smi. The floor: operations on real tokens at the \
         card's rate of matrix products in the same precision (attention without recomputation).",
        setup.options.runs, setup.options.steps
    )
}
