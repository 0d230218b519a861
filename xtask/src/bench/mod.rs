//! `cargo xtask bench`: how fast colburn is, beside PyLate on the same rows in the same hour. The two run alternately, each in processes of its own
//! with all cores, and the table says what share of the machine's floor each reaches and how much memory each takes.

mod child;
mod encoding;
mod floor;
mod full_length;
mod loss;
mod machine;
mod options;
mod paths;
mod profile;
mod pylate;
mod scaling;
mod setup;
mod sizes;
mod symbols;
mod table;
mod training;

use std::path::Path;

use serde_json::{Value, json};

pub use self::options::Options;
use self::options::{ALL, Work};
use self::setup::Setup;
use crate::result::Result;

pub fn run(options: Options) -> Result<()> {
    let load = machine::load();
    if options.wants(Work::Profile) {
        profile::find_perf()?;
    }
    if let Some(path) = &options.output {
        writable(path)?;
    }
    let mut setup = Setup::new(options)?;
    let (mut rows, mut texts, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut scaling, mut profile) = (Value::Null, Value::Null);
    for work in ALL.into_iter().filter(|work| setup.options.wants(*work)) {
        // What one work cannot do must not cost the numbers of those before it.
        let done = match work {
            Work::Train | Work::TrainFull | Work::TrainBf16 => {
                training::measure(&setup, work).map(|more| rows.extend(more))
            }
            Work::Encode => encoding::measure(&setup).map(|more| rows.extend(more)),
            Work::Loss => loss::measure(&setup).map(|one| rows.push(one)),
            Work::Scaling => scaling::measure(&setup).map(|(text, numbers)| {
                texts.push(text);
                scaling = numbers;
            }),
            Work::Profile => profile::measure(&setup).map(|(text, numbers)| {
                texts.push(text);
                profile = numbers;
            }),
        };
        if let Err(message) = done {
            eprintln!("error: {}: {message}", work.name());
            failed.push(work.name());
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
            "works": rows.iter().map(|row| row.json(&setup.rate)).collect::<Vec<_>>(),
            "scaling": scaling,
            "profile": profile,
        });
        std::fs::write(path, format!("{all:#}\n")).map_err(|error| format!("--output {}: {error}", path.display()))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("these works failed, as said above: {}", failed.join(", "))) }
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
