//! Words that a crate's code must not contain. They repeat the dependency arrows at the level of `use`, because in a workspace
//! build a feature that one crate turns on makes foreign modules visible in every crate.

use super::code;
use super::problem::Problem;
use super::repository::Repository;

/// A word that a crate's code must not contain, with the reason. A word `a::b` also finds `use a::{b, …}`.
struct Boundary {
    word: &'static str,
    /// The crates concerned; `None` means all but `except`.
    crates: Option<&'static [&'static str]>,
    except: &'static [&'static str],
    reason: &'static str,
}

const TRAINER: &str = "only colburn-train uses burn-train";
const LOSS: &str = "a loss sees embeddings, never the encoder";
const MODEL: &str = "the model knows no optimizer";
const DATA: &str = "batches are made off the training thread, where no tensor may be";

const POLARS: &str = "only colburn-data uses polars";

const BOUNDARIES: [Boundary; 13] = [
    Boundary { word: "burn::train", crates: None, except: &["colburn-train"], reason: TRAINER },
    Boundary { word: "burn_train", crates: None, except: &["colburn-train"], reason: TRAINER },
    Boundary { word: "polars_arrow", crates: None, except: &["colburn-data"], reason: POLARS },
    Boundary { word: "polars_buffer", crates: None, except: &["colburn-data"], reason: POLARS },
    Boundary { word: "polars_parquet", crates: None, except: &["colburn-data"], reason: POLARS },
    Boundary { word: "hf_hub", crates: None, except: &["colburn-hub"], reason: "only colburn-hub uses hf-hub" },
    Boundary { word: "colburn_model", crates: Some(&["colburn-loss"]), except: &[], reason: LOSS },
    Boundary { word: "encoder", crates: Some(&["colburn-loss"]), except: &[], reason: LOSS },
    Boundary { word: "Encoder", crates: Some(&["colburn-loss"]), except: &[], reason: LOSS },
    Boundary { word: "burn::optim", crates: Some(&["colburn-ops", "colburn-model"]), except: &[], reason: MODEL },
    Boundary { word: "optim", crates: Some(&["colburn-ops", "colburn-model"]), except: &[], reason: MODEL },
    Boundary { word: "Optimizer", crates: Some(&["colburn-ops", "colburn-model"]), except: &[], reason: MODEL },
    Boundary { word: "burn", crates: Some(&["colburn-data"]), except: &[], reason: DATA },
];

pub fn respected(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, _) in repository.crates() {
        let concerns = |boundary: &&Boundary| {
            boundary.crates.is_none_or(|crates| crates.contains(&name)) && !boundary.except.contains(&name)
        };
        for boundary in BOUNDARIES.iter().filter(concerns) {
            for file in repository.sources(name) {
                for line in mentions(&file.text, boundary.word) {
                    problems.push(Problem::at_line(
                        &file.path,
                        line,
                        format!("`{}`: {}", boundary.word, boundary.reason),
                    ));
                }
            }
        }
    }
    problems
}

/// The one file of colburn-train that names burn-train. The rest of the trainer is readable without burn-train.
const ADAPTER: &str = "crates/colburn-train/src/run/burn_train.rs";

pub fn adapter(repository: &Repository) -> Vec<Problem> {
    let others = repository.sources("colburn-train").filter(|file| file.path != ADAPTER);
    let found = others.flat_map(|file| mentions(&file.text, "burn::train").into_iter().map(move |line| (file, line)));
    found
        .map(|(file, line)| Problem::at_line(&file.path, line, format!("`burn::train`: {ADAPTER} alone names it")))
        .collect()
}

/// The lines whose code mentions a word, or a path of two words in either of its spellings.
fn mentions(source: &str, word: &str) -> Vec<usize> {
    let lines = code::lines(source);
    let Some((parent, child)) = word.split_once("::") else {
        return (0..lines.len()).filter(|&line| code::has_word(&lines[line].code, word)).collect();
    };
    let whole: String = lines.iter().flat_map(|line| [line.code.as_str(), "\n"]).collect();
    let mut found = Vec::new();
    for at in code::word_positions(&whole, parent) {
        let Some(rest) = whole[at + parent.len()..].trim_start().strip_prefix("::") else {
            continue;
        };
        let names = match rest.trim_start().strip_prefix('{') {
            Some(group) => top_level(group),
            None => vec![rest.trim_start()],
        };
        if names.iter().any(|name| code::word_positions(name, child).next() == Some(0)) {
            found.push(whole[..at].matches('\n').count());
        }
    }
    found
}

/// The members of a `use` group, given what follows its opening brace.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.push(group[start..at].trim());
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::{ADAPTER, Repository, adapter, mentions, respected};

    fn with_source<'a>(manifest: &'a str, path: &'a str, source: &'a str) -> Repository {
        Repository::of(&[(manifest, ""), (path, source)])
    }

    #[test]
    fn a_path_is_found_in_each_spelling() {
        for source in [
            "use burn::train::Learner;",
            "use burn::{\n    module::Module,\n    train::{Learner, x},\n};",
            "fn f() { ::burn::train::f() }",
        ] {
            assert_eq!(mentions(source, "burn::train").len(), 1, "{source}");
        }
        for source in
            ["use burn::module::{train};", "// burn::train", "use burn::trainer;", "use burn::{a::{train}, b};"]
        {
            assert_eq!(mentions(source, "burn::train"), [0; 0], "{source}");
        }
    }

    #[test]
    fn a_crate_that_leaves_its_part_is_found() {
        for (name, source) in [
            ("colburn-eval", "use burn::train::metric::Metric;"),
            ("colburn-eval", "use polars_parquet::read::*;"),
            ("colburn-loss", "fn forward(encoder: &Bert) {}"),
            ("colburn-loss", "use colburn_model::ColBert;"),
            ("colburn-model", "use burn::{module::Module, optim::AdamW};"),
            ("colburn-data", "use burn::tensor::Tensor;"),
        ] {
            let (manifest, path) = (format!("crates/{name}/Cargo.toml"), format!("crates/{name}/src/lib.rs"));
            let problems = respected(&with_source(&manifest, &path, source));
            assert!(!problems.is_empty() && problems[0].place.ends_with("lib.rs:1"), "{name}: {source}");
        }
    }

    #[test]
    fn a_crate_may_speak_of_what_it_must_not_use() {
        let source = "//! A loss sees embeddings, never the encoder.\nconst A: &str = \"encoder\";";
        assert_eq!(
            respected(&with_source("crates/colburn-loss/Cargo.toml", "crates/colburn-loss/src/lib.rs", source)),
            []
        );
        let source = "use burn::train::Learner;\nuse burn::optim::AdamW;";
        assert_eq!(
            respected(&with_source("crates/colburn-train/Cargo.toml", "crates/colburn-train/src/lib.rs", source)),
            []
        );
    }

    #[test]
    fn a_second_file_on_burn_train_is_found() {
        let of = |path: &str, source: &str| adapter(&Repository::of(&[(path, source)])).len();
        let other = "crates/colburn-train/src/run/loop.rs";
        assert_eq!(of(other, "use burn::{module::Module, train::Learner};"), 1);
        assert_eq!(of(other, "//! Stands on burn::train.\nuse super::burn_train::Events;"), 0);
        assert_eq!(of(ADAPTER, "use burn::train::Learner;"), 0);
        assert_eq!(of("crates/colburn-train/tests/trainer.rs", "use burn::train::Learner;"), 0);
    }
}
