//! Rules about Rust code: calls that have no place in a library, work put off, and the reasons that unsafe code owes its
//! reader.

use super::code::{self, Line};
use super::problem::Problem;
use super::repository::{File, Repository};

/// What a library must not call: it returns errors and leaves the terminal to its caller.
const FORBIDDEN: [(&str, &str); 9] = [
    ("todo!", "unfinished work is not merged"),
    ("unimplemented!", "unfinished work is not merged"),
    ("dbg!", "a debugging aid"),
    ("println!", "a library does not write to the terminal"),
    ("print!", "a library does not write to the terminal"),
    ("eprintln!", "a library does not write to the terminal"),
    ("eprint!", "a library does not write to the terminal"),
    ("process::exit", "a library returns errors"),
    (".unwrap()", "return an error, or say with expect why it cannot happen"),
];

/// The exceptions: file, call, and what makes it right there.
const ALLOWED: [(&str, &str, &str); 1] =
    [("crates/colburn-train/src/interrupt.rs", "process::exit", "a second Ctrl-C ends the process")];

/// Notes to oneself that belong into the issue list.
const PUT_OFF: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

pub fn forbidden(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in repository.libraries() {
        let is_test = |file: &&File| file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
        for file in repository.sources(name).filter(|file| !is_test(file)) {
            let lines = code::lines(&file.text);
            for (at, Line { code, .. }) in code::without_tests(&lines).iter().enumerate() {
                for (call, reason) in FORBIDDEN {
                    let allowed = ALLOWED.iter().any(|(path, excepted, _)| *path == file.path && *excepted == call);
                    if !allowed && has_call(code, call) {
                        problems.push(Problem::at_line(&file.path, at, format!("`{call}`: {reason}")));
                    }
                }
            }
        }
    }
    problems
}

/// Whether code holds a call that does not merely end like it: `eprintln!` is no `println!`.
fn has_call(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        call.starts_with('.') || !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

pub fn unsafe_code(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repository.rust() {
        let lines = code::lines(&file.text);
        for at in 0..lines.len() {
            if code::has_word(&lines[at].code, "unsafe") && !explained(&lines, at) {
                problems.push(Problem::at_line(
                    &file.path,
                    at,
                    "unsafe code needs a `SAFETY:` comment above (a function: `# Safety`)",
                ));
            }
        }
    }
    problems
}

/// Whether the line or the comments and attributes directly above it say why the code is sound.
fn explained(lines: &[Line], at: usize) -> bool {
    let says_why = |line: &Line| line.comment.contains("SAFETY:") || line.comment.contains("# Safety");
    let is_note = |line: &Line| {
        let code = line.code.trim();
        (code.is_empty() && !line.comment.is_empty()) || code.starts_with("#[")
    };
    says_why(&lines[at]) || lines[..at].iter().rev().take_while(|line| is_note(line)).any(says_why)
}

pub fn put_off(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repository.rust() {
        for (at, line) in code::lines(&file.text).iter().enumerate() {
            if let Some(word) = PUT_OFF.iter().find(|word| code::has_word(&line.comment, word)) {
                problems.push(Problem::at_line(&file.path, at, format!("`{word}`: do it, or file an issue")));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Repository, forbidden, put_off, unsafe_code};

    fn with_source<'a>(manifest: &'a str, path: &'a str, source: &'a str) -> Repository {
        Repository::of(&[(manifest, ""), (path, source)])
    }

    #[test]
    fn calls_without_a_place_in_a_library_are_found() {
        let of = |source: &str| {
            forbidden(&with_source("crates/colburn-ops/Cargo.toml", "crates/colburn-ops/src/lib.rs", source)).len()
        };
        for source in [
            "todo!()",
            "unimplemented!()",
            "dbg!(x)",
            "println!()",
            "std::print!()",
            "eprintln!()",
            "std::process::exit(1)",
            "x.unwrap()",
        ] {
            assert_eq!(of(source), 1, "{source}");
        }
        for source in ["// todo!()", "\"println!\"", "x.unwrap_or(1)", "#[cfg(test)]\nmod tests {\n    x.unwrap()\n}"] {
            assert_eq!(of(source), 0, "{source}");
        }
    }

    #[test]
    fn an_exception_holds_for_its_file_and_call_alone() {
        let crate_files = [("crates/colburn-train/Cargo.toml", ""), ("crates/colburn-train/src/lib.rs", "")];
        let of = |path: &str, source: &str| {
            forbidden(&Repository::of(&[crate_files[0], crate_files[1], (path, source)])).len()
        };
        let interrupt = "crates/colburn-train/src/interrupt.rs";
        assert_eq!(of(interrupt, "use std::process::exit;"), 0);
        assert_eq!(of(interrupt, "println!()"), 1);
        assert_eq!(of("crates/colburn-train/src/other.rs", "use std::process::exit;"), 1);
    }

    #[test]
    fn a_binary_may_print() {
        assert_eq!(
            forbidden(&with_source("crates/colburn-cli/Cargo.toml", "crates/colburn-cli/src/main.rs", "println!()")),
            []
        );
    }

    #[test]
    fn unsafe_code_without_a_reason_is_found() {
        let of = |source: &str| unsafe_code(&Repository::of(&[("crates/a/src/x.rs", source)])).len();
        for source in
            ["let x = unsafe { f() };", "// SAFETY: far away\n\nlet y = 1;\nunsafe { f() }", "unsafe fn f() {}"]
        {
            assert_eq!(of(source), 1, "{source}");
        }
        for source in [
            "// SAFETY: checked above\n// at length\nunsafe { f() }",
            "/// # Safety\n/// AVX2 only.\n#[target_feature(enable = \"avx2\")]\nunsafe fn f() {}",
            "unsafe { f() } // SAFETY: checked above",
            "#![warn(unsafe_op_in_unsafe_fn)]",
            "// unsafe is a word",
        ] {
            assert_eq!(of(source), 0, "{source}");
        }
    }

    #[test]
    fn work_put_off_in_a_comment_is_found() {
        let of = |source: &str| put_off(&Repository::of(&[("crates/a/src/x.rs", source)])).len();
        assert_eq!(of("// TODO: later"), 1);
        assert_eq!(of("let todo_list = 1; // methodology"), 0);
    }
}
