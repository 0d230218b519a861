//! `cargo xtask tidy`: checks that hold the promises of docs/architecture.md by reading the repository's files. Each check is a
//! function from a [`Repository`] to the problems in it, and has tests with repositories that break its rule.

mod boundaries;
mod circles;
mod code;
mod dependencies;
mod documents;
mod features;
mod layout;
mod manifest;
mod modules;
mod problem;
mod prose;
mod repository;

use std::path::Path;

use problem::Problem;
use repository::Repository;

use crate::process;
use crate::result::Result;

const ADAPTER: &str = "one file of the trainer names burn-train";
const CIRCLES: &str = "no circles among a crate's files";
const OPENINGS: &str = "a doc comment begins with the thing's name";

/// The rules that are reported and do not fail yet. To make a rule fail, take it off this list.
const REPORTED_ONLY: [&str; 3] = [ADAPTER, CIRCLES, OPENINGS];

type Check = fn(&Repository) -> Vec<Problem>;

const CHECKS: [(&str, Check); 14] = [
    ("crates depend one way", dependencies::arrows),
    ("some dependencies have one user", dependencies::exclusive),
    ("libraries name no backend by default", features::no_default),
    ("backend features pass through", features::pass_through),
    ("each crate keeps to its part", boundaries::respected),
    (ADAPTER, boundaries::adapter),
    (CIRCLES, circles::none),
    ("no comment puts work off", prose::put_off),
    (OPENINGS, prose::openings),
    ("a file begins with why it exists", layout::headers),
    ("files stay readable", layout::length),
    ("names say what is inside", layout::names),
    ("no trailing blanks", layout::blanks),
    ("manifests and documents are complete", documents::complete),
];

pub fn run() -> Result<()> {
    eprintln!("\n==> tidy");
    let repository = Repository::read(&process::repository())?;
    let mut broken = 0;
    for (rule, check) in CHECKS {
        let problems = check(&repository);
        let fails = !REPORTED_ONLY.contains(&rule);
        match problems.len() {
            0 => eprintln!("    ok     {rule}"),
            _ if fails => eprintln!("    BROKEN {rule}"),
            count => eprintln!("    {count:<6} {rule} (reported only)"),
        }
        for Problem { place, message } in &problems {
            eprintln!("           {place}: {message}");
        }
        if fails {
            broken += problems.len();
        }
    }
    match broken {
        0 => Ok(()),
        1 => Err("tidy found 1 problem".into()),
        n => Err(format!("tidy found {n} problems")),
    }
}

/// The names of the library crates, which have to compile without a backend.
pub fn libraries(root: &Path) -> Result<Vec<String>> {
    let repository = Repository::read(root)?;
    let names: Vec<String> = repository.libraries().into_iter().map(str::to_owned).collect();
    if names.is_empty() { Err("no library crate found under crates/".into()) } else { Ok(names) }
}
