//! Rules about comments: a doc comment begins with the name of the thing, and no comment puts work off.

use super::code;
use super::problem::Problem;
use super::repository::Repository;

/// First words that ask in place of naming: "The rows of a batch", not "What rows a batch has".
const QUESTIONS: [&str; 5] = ["What", "Whether", "How", "Who", "Which"];

/// Notes to oneself. They belong into the issue list.
const NOTES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

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

pub fn put_off(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repository.rust() {
        for (at, line) in code::lines(&file.text).iter().enumerate() {
            if let Some(word) = NOTES.iter().find(|word| code::has_word(&line.comment, word)) {
                problems.push(Problem::at_line(&file.path, at, format!("`{word}`: do it, or file an issue")));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Repository, openings, put_off};

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

    #[test]
    fn work_put_off_in_a_comment_is_found() {
        let of = |source: &str| put_off(&Repository::of(&[("crates/a/src/x.rs", source)])).len();
        assert_eq!(of("// TODO: later"), 1);
        assert_eq!(of("let todo_list = 1; // methodology"), 0);
    }
}
