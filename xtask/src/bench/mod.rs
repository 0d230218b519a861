//! `cargo xtask bench`: how fast colburn is, beside PyLate on the same rows in the same hour. The two run alternately, each in processes of its own
//! with all cores, and the table says what share of the machine's floor each reaches and how much memory each takes.

mod child;
mod encoding;
mod floor;
mod full_length;
mod loss;
mod machine;
mod options;
mod profile;
mod pylate;
mod scaling;
mod setup;
mod symbols;
mod table;
mod training;

use std::path::Path;

use serde_json::{Value, json};

pub use self::options::Options;
use self::options::Work;
use self::setup::Setup;
use crate::Result;

pub fn run(options: Options) -> Result<()> {
    let load = machine::load();
    if let Some(path) = &options.output {
        writable(path)?;
    }
    let mut setup = Setup::new(options)?;
    let mut rows = Vec::new();
    for work in [Work::Train, Work::TrainFull, Work::TrainBf16].into_iter().filter(|work| setup.options.wants(*work)) {
        rows.extend(training::measure(&setup, work)?);
    }
    if setup.options.wants(Work::Encode) {
        rows.extend(encoding::measure(&setup)?);
    }
    if setup.options.wants(Work::Loss) {
        rows.push(loss::measure(&setup)?);
    }
    let scaling = setup.options.wants(Work::Scaling).then(|| scaling::measure(&setup)).transpose()?;
    let profile = setup.options.wants(Work::Profile).then(|| profile::measure(&setup)).transpose()?;
    setup.measure_again()?;

    let facts = machine::facts(&setup, load);
    for (name, value) in &facts {
        println!("- {name}: {value}");
    }
    if !rows.is_empty() {
        println!("\n{}\n\n{}", how(&setup.options, setup.pylate.is_some()), table::markdown(&rows, &setup.rate));
    }
    for (text, _) in scaling.iter().chain(&profile) {
        println!("\n{text}");
    }
    if let Some(path) = &setup.options.output {
        let numbers = |section: Option<(String, Value)>| section.map_or(Value::Null, |(_, numbers)| numbers);
        let all = json!({
            "machine": machine::json(&facts),
            "options": format!("{:?}", setup.options),
            "gflops": { "median": setup.rate.median, "best": setup.rate.best },
            "prepared": setup.prepared.as_ref().map(|prepared| prepared.facts.clone()),
            "works": rows.iter().map(|row| row.json(&setup.rate)).collect::<Vec<_>>(),
            "scaling": numbers(scaling),
            "profile": numbers(profile),
        });
        std::fs::write(path, format!("{all:#}\n")).map_err(|error| format!("--output {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Before a quarter of an hour of measurements, not after it.
fn writable(path: &Path) -> Result<()> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|error| format!("--output {}: {error}", path.display()))
}

/// What the table's numbers mean.
fn how(options: &Options, both: bool) -> String {
    let Options { runs, steps, warmup, batch_size, .. } = options;
    let turns = if both { "colburn and PyLate by turns" } else { "colburn alone" };
    format!(
        "Medians of {runs} runs, {turns}; in parentheses each run. Training: batch {batch_size}, {steps} steps after {warmup} that are not counted. \
         Memory: the largest resident set of the process. The floor: operations on real tokens at the rate above (attention without recomputation)."
    )
}
