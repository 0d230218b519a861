//! `cargo xtask bench`: the speed of colburn beside PyLate, on the same rows in the same hour. The two run alternately, each in processes of its own
//! with all cores. The table gives the share of the machine's lower bound that each reaches, and the memory that each takes.

mod child;
mod encoding;
mod floor;
mod full_length;
pub mod gpu;
mod job;
mod loss;
pub mod machine;
mod options;
pub mod paths;
mod profile;
mod pylate;
mod python;
mod scaling;
mod setup;
mod sizes;
mod symbols;
mod table;
mod training;

use serde_json::{Value, json};

pub use self::options::Options;
use self::options::{ALL, Workload};
use self::setup::Setup;
use crate::result::Result;

pub fn run(options: Options) -> Result<()> {
    let load = machine::load();
    if options.wants(Workload::Profile) {
        profile::find_perf()?;
    }
    if let Some(path) = &options.output {
        paths::writable("--output", path)?;
    }
    let mut setup = Setup::new(options)?;
    let (mut rows, mut texts, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut scaling, mut profile) = (Value::Null, Value::Null);
    for workload in ALL.into_iter().filter(|workload| setup.options.wants(*workload)) {
        // A failure must not cost the numbers measured before it.
        let done = match workload {
            Workload::Train | Workload::TrainFull | Workload::TrainBf16 => {
                training::measure(&setup, workload).map(|more| rows.extend(more))
            }
            Workload::Encode => encoding::measure(&setup).map(|more| rows.extend(more)),
            Workload::Loss => loss::measure(&setup).map(|one| rows.push(one)),
            Workload::Scaling => scaling::measure(&setup).map(|(text, numbers)| {
                texts.push(text);
                scaling = numbers;
            }),
            Workload::Profile => profile::measure(&setup).map(|(text, numbers)| {
                texts.push(text);
                profile = numbers;
            }),
        };
        if let Err(message) = done {
            eprintln!("error: {}: {message}", workload.name());
            failed.push(workload.name());
        }
    }
    setup.measure_again()?;

    let facts = machine::facts(&setup, load);
    for (name, value) in &facts {
        println!("- {name}: {value}");
    }
    if !rows.is_empty() {
        println!("\n{}\n\n{}", how(&setup.options, setup.pylate.is_some()), table::markdown(&rows, &setup.rate));
    }
    for text in texts {
        println!("\n{text}");
    }
    if let Some(path) = &setup.options.output {
        let all = json!({
            "machine": machine::json(&facts),
            "options": format!("{:?}", setup.options),
            "gflops": { "median": setup.rate.median, "best": setup.rate.best },
            "prepared": setup.prepared.as_ref().map(|prepared| prepared.facts.clone()),
            "workloads": rows.iter().map(|row| row.json(Some(&setup.rate))).collect::<Vec<_>>(),
            "scaling": scaling,
            "profile": profile,
        });
        std::fs::write(path, format!("{all:#}\n")).map_err(|error| format!("--output {}: {error}", path.display()))?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("these workloads failed, as said above: {}", failed.join(", ")))
    }
}

/// The meaning of the table's numbers.
fn how(options: &Options, both: bool) -> String {
    let Options { runs, steps, warmup, batch_size, .. } = options;
    let turns = if both { "colburn and PyLate by turns" } else { "colburn alone" };
    format!(
        "Medians of {runs} runs, {turns}; in parentheses each run. Training: batch {batch_size}, {steps} steps after {warmup} that are not counted. \
         Memory: the largest resident set of the process. The floor: operations on real tokens at the rate above (attention without recomputation)."
    )
}
