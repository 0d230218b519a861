//! Rules about doc comments: the first words name the thing.

use super::code;
use super::problem::Problem;
use super::repository::Repository;

/// First words that ask in place of naming: "The rows of a batch", not "What rows a batch has".
const QUESTIONS: [&str; 5] = ["What", "Whether", "How", "Who", "Which"];

pub fn openings(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repository.rust() {
        let mut inside = false;
        for (at, line) in code::lines(&file.text).iter().enumerate() {
            let comment = line.comment.as_str();
            let text = comment.strip_prefix("///").or_else(|| comment.strip_prefix("//!"));
            let first = text.unwrap_or_default().split_whitespace().next().unwrap_or_default();
            if !inside && QUESTIONS.contains(&first) {
                problems.push(Problem::at_line(
                    &file.path,
                    at,
                    format!("a doc comment begins with the name of the thing, not with `{first}`"),
                ));
            }
            inside = text.is_some();
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Repository, openings};

    #[test]
    fn a_question_is_found_where_a_comment_begins() {
        let of = |source: &str| openings(&Repository::of(&[("crates/a/src/x.rs", source)])).len();
        for source in
            ["/// What it holds.", "fn f() {}\n    /// Whether it holds.", "//! How it works.", "///  Which one."]
        {
            assert_eq!(of(source), 1, "{source}");
        }
        for source in [
            "/// The rows.\n/// What follows.",
            "// What a plain comment says.",
            "/// Whatever",
            "const A: &str = \"/// What\";",
            "//// What",
        ] {
            assert_eq!(of(source), 0, "{source}");
        }
    }

    #[test]
    fn each_comment_counts_by_itself() {
        let source = "//! What a file.\n\n/// Whether so.\nfn f() {}\n/// Which one.\nfn g() {}";
        let places: Vec<String> =
            openings(&Repository::of(&[("x.rs", source)])).into_iter().map(|problem| problem.place).collect();
        assert_eq!(places, ["x.rs:1", "x.rs:3", "x.rs:5"]);
    }
}
