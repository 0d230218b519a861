//! `cargo xtask tidy`: what docs/architecture.md promises about the repository, held by checks that read its files. Each
//! check is a function from a [`Repository`] to the problems it sees, and its tests feed it made-up repositories that
//! break the rule: a check that cannot fail is worth nothing.

mod boundaries;
mod code;
mod dependencies;
mod documents;
mod features;
mod layout;
mod manifest;
mod repository;
mod source;

use std::path::Path;

pub use repository::{File, Repository};

use crate::Result;
use crate::process;

/// One broken rule: where, and what would be right.
#[derive(Debug, PartialEq)]
pub struct Problem {
    /// The file, and the line where there is one.
    pub place: String,
    pub message: String,
}

impl Problem {
    fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self { place: path.to_owned(), message: message.into() }
    }

    /// Lines count from 0 in the code and from 1 for people.
    fn at_line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { place: format!("{path}:{}", line + 1), message: message.into() }
    }
}

type Check = fn(&Repository) -> Vec<Problem>;

const CHECKS: [(&str, Check); 13] = [
    ("crates depend one way", dependencies::arrows),
    ("some dependencies have one user", dependencies::exclusive),
    ("libraries name no backend by default", features::no_default),
    ("backend features pass through", features::pass_through),
    ("each crate keeps to its part", boundaries::respected),
    ("libraries print nothing and leave nothing undone", source::forbidden),
    ("unsafe code says why it is sound", source::unsafe_code),
    ("no comment puts work off", source::put_off),
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
        eprintln!("    {} {rule}", if problems.is_empty() { "ok    " } else { "BROKEN" });
        for Problem { place, message } in &problems {
            eprintln!("           {place}: {message}");
        }
        broken += problems.len();
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
