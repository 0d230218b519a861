//! The time of a training step by its parts: `perf` samples the stacks of some steps, and [`symbols`] puts the functions into groups.

use std::process::Command;

use serde_json::{Value, json};

use super::child;
use super::job::{DOCUMENT_LENGTH, Job, Precision};
use super::setup::Setup;
use super::symbols::{self, GROUPS, OTHER, READING};
use super::table::grid;
use super::training;
use crate::process;
use crate::result::Result;

/// Samples a second of each thread. The stacks are large.
const FREQUENCY: &str = "99";
/// The number of functions that are listed below the table.
const NAMED: usize = 15;

/// Fails before anything is measured if `perf` is missing.
pub fn find_perf() -> Result<()> {
    if process::succeeds(Command::new("perf").arg("--version")) {
        return Ok(());
    }
    Err("profile needs `perf` (Debian: `apt-get install linux-perf`), and it is not on the path".into())
}

/// The table, and its numbers.
pub fn measure(setup: &Setup) -> Result<(String, Value)> {
    let rows = training::rows(setup)?;
    let steps = setup.options.warmup + setup.options.steps;
    let job = Job {
        model: &setup.model()?.directory,
        data: &rows,
        batch_size: setup.options.batch_size,
        steps,
        logging_steps: 1,
        document_length: DOCUMENT_LENGTH,
        precision: Precision::F32,
    };
    let toml = training::write_config(setup, &job)?;
    let recorded = setup.folder.join("perf.data");
    let mut record = Command::new("perf");
    record.args(["record", "--call-graph=dwarf,16384", "-F", FREQUENCY, "-o"]).arg(&recorded);
    record.arg(&setup.programs.colburn).arg("train").arg(&toml);
    child::run("profile: training under perf", &mut record, &setup.folder.0)?.succeeded("perf record").map_err(
        |error| format!("{error}\nif perf may not sample: sysctl kernel.perf_event_paranoid=1, or run it as root"),
    )?;
    let mut script = Command::new("perf");
    script.args(["script", "--no-inline", "-F", "ip,sym", "-i"]).arg(&recorded);
    let printed = child::run("profile: stacks", &mut script, &setup.folder.0)?.succeeded("perf script")?.stdout;
    let stacks = symbols::stacks(&printed);
    if stacks.is_empty() {
        return Err("perf recorded no stacks".into());
    }
    let groups = shares(&stacks);
    let named = innermost(&stacks);
    let text = format!(
        "{} samples of {steps} steps of batch {}, stacks unwound; the functions that the most samples are in:\n\n{}\n{}",
        stacks.len(),
        setup.options.batch_size,
        table("part", &groups),
        table("function", &named)
    );
    let json = |shares: &[(String, f64)]| shares.iter().map(|(name, share)| json!([name, share])).collect::<Vec<_>>();
    Ok((text, json!({ "samples": stacks.len(), "groups": json(&groups), "functions": json(&named) })))
}

/// The share of each group in the time of the steps. Samples outside of steps are left out; their share of all samples comes last.
fn shares(stacks: &[Vec<&str>]) -> Vec<(String, f64)> {
    let groups: Vec<&str> = stacks.iter().map(|stack| symbols::group(stack)).collect();
    let count = |name: &str| groups.iter().filter(|group| **group == name).count() as f64;
    let reading = count(READING.name);
    let of_steps = (stacks.len() as f64 - reading).max(1.0);
    let names = GROUPS.iter().map(|group| group.name).chain([OTHER]);
    let mut shares: Vec<(String, f64)> = names.map(|name| (name.to_owned(), count(name) / of_steps)).collect();
    shares.push((format!("in addition, of all samples: {}", READING.name), reading / stacks.len().max(1) as f64));
    shares
}

/// The functions with the most samples in steps, with the group of each of their stacks.
fn innermost(stacks: &[Vec<&str>]) -> Vec<(String, f64)> {
    let mut counts = std::collections::BTreeMap::new();
    let mut all = 0;
    for stack in stacks {
        let group = symbols::group(stack);
        if group != READING.name {
            all += 1;
            *counts.entry((stack.first().copied().unwrap_or("[unknown]"), group)).or_insert(0) += 1;
        }
    }
    let mut sorted: Vec<((&str, &str), i32)> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, count)| -count);
    let share = |count: i32| f64::from(count) / f64::from(all.max(1));
    sorted.truncate(NAMED);
    sorted
        .into_iter()
        .map(|((name, group), count)| (format!("`{}` ({group})", shortened(name)), share(count)))
        .collect()
}

/// A name without the end of a long parameter list and without the special characters of a Markdown table.
fn shortened(name: &str) -> String {
    let short: String = name.chars().filter(|&character| character != '|' && character != '`').take(90).collect();
    if short.len() < name.len() { short + "…" } else { short }
}

fn table(what: &str, shares: &[(String, f64)]) -> String {
    let line = |(name, share): &(String, f64)| vec![name.clone(), format!("{:.1} %", 100.0 * share)];
    grid(&[what.to_owned(), "share".to_owned()], shares.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_steps() {
        let stacks =
            vec![vec!["gemm_f32::x4x6"], vec!["gemm_f32::x4x6"], vec!["expf"], vec!["main"], vec!["x", "tokenize"]];
        let shares = shares(&stacks);
        let share = |name: &str| shares.iter().find(|(known, _)| known.contains(name)).unwrap().1;
        assert_eq!([share("matrix"), share("elementwise"), share("other"), share("attention")], [0.5, 0.25, 0.25, 0.0]);
        assert_eq!(share("reading"), 0.2);
        assert_eq!(innermost(&stacks)[0], ("`gemm_f32::x4x6` (matrix products)".to_owned(), 0.5));
    }

    #[test]
    fn names_fit_into_a_table() {
        assert_eq!(shortened("a|b"), "ab…");
        assert_eq!(shortened(&"x".repeat(200)).chars().count(), 91);
    }
}
