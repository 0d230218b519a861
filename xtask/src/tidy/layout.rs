//! Rules about files as files: their length, their names, their first paragraph, their whitespace.

use super::problem::Problem;
use super::repository::Repository;

/// The most lines of a file. A longer one holds more than one idea.
const LONGEST: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 5] = ["util", "utils", "helper", "helpers", "misc"];

pub fn headers(repository: &Repository) -> Vec<Problem> {
    let missing = repository.rust().filter(|file| !file.text.starts_with("//!"));
    missing
        .map(|file| Problem::in_file(&file.path, "begin with a `//!` paragraph that says why the file exists"))
        .collect()
}

pub fn length(repository: &Repository) -> Vec<Problem> {
    let lengths = repository.rust().map(|file| (file, file.text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > LONGEST);
    long.map(|(file, lines)| Problem::in_file(&file.path, format!("{lines} lines; {LONGEST} are the limit"))).collect()
}

pub fn names(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in &repository.files {
        for part in file.path.split('/') {
            let stem = part.split('.').next().unwrap_or(part);
            if EMPTY_NAMES.contains(&stem) {
                problems.push(Problem::in_file(&file.path, format!("`{stem}` does not say what is inside")));
            }
        }
    }
    problems
}

pub fn blanks(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in &repository.files {
        for (at, line) in file.text.split('\n').enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                problems.push(Problem::at_line(&file.path, at, "trailing blank"));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            problems.push(Problem::in_file(&file.path, "the last line has no end"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Repository, blanks, headers, length, names};

    #[test]
    fn a_file_without_a_first_paragraph_is_found() {
        assert_eq!(headers(&Repository::of(&[("a.rs", "//! Why.\n"), ("b.rs", "use std::fs;\n")])).len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(length(&Repository::of(&[("a.rs", &"x\n".repeat(LONGEST))])), []);
        assert_eq!(length(&Repository::of(&[("a.rs", &"x\n".repeat(LONGEST + 1))])).len(), 1);
        assert_eq!(length(&Repository::of(&[("a.md", &"x\n".repeat(LONGEST + 1))])), []);
    }

    #[test]
    fn an_empty_name_is_found_in_files_and_folders() {
        for path in ["crates/a/src/utils.rs", "crates/a/src/helpers/mod.rs", "xtask/fixtures/misc.py"] {
            assert_eq!(names(&Repository::of(&[(path, "")])).len(), 1, "{path}");
        }
        assert_eq!(names(&Repository::of(&[("crates/a/src/utilisation.rs", "")])), []);
    }

    #[test]
    fn trailing_blanks_are_found() {
        let places = |text: &str| {
            blanks(&Repository::of(&[("a.md", text)])).into_iter().map(|problem| problem.place).collect::<Vec<_>>()
        };
        assert_eq!(places("fine\n\nfine\n"), [""; 0]);
        assert_eq!(places("fine\nnot \nnot\r\n"), ["a.md:2", "a.md:3"]);
        assert_eq!(places("no end"), ["a.md"]);
    }
}
