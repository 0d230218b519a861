//! Rules about manifests and documents: each manifest is complete, the README's commands are the ones that CI runs, the book
//! lists its pages, and links and paths exist.

use super::problem::Problem;
use super::repository::{File, Repository};
use crate::commands::{BINARY, EXAMPLE, TESTS};

const REQUIRED: [&str; 3] = ["description", "license", "edition"];

/// The folder that is rendered as a book. Its links cannot lead out of it.
const BOOK: &str = "docs/";

/// The folders whose paths are checked where a page names them.
const FOLDERS: [&str; 4] = ["crates/", "examples/", "tests/", "xtask/"];

pub fn complete(repository: &Repository) -> Vec<Problem> {
    let mut problems = manifests(repository);
    problems.extend(commands(repository));
    problems.extend(pages(repository));
    problems.extend(links(repository));
    problems.extend(paths(repository));
    problems
}

fn manifests(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, manifest) in repository.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        for key in REQUIRED.into_iter().filter(|key| manifest.get("package", key).is_none()) {
            problems.push(Problem::in_file(&path, format!("[package] needs {key}")));
        }
        if manifest.get("lints", "workspace").is_none() {
            problems.push(Problem::in_file(&path, "[lints] needs workspace = true"));
        }
    }
    problems
}

fn commands(repository: &Repository) -> Vec<Problem> {
    let text = repository.file("README.md").map_or("", |file| file.text.as_str());
    let commands = [EXAMPLE, TESTS].into_iter().chain(BINARY);
    let missing = commands.filter(|command| !text.lines().any(|line| line.trim() == *command));
    missing
        .map(|command| Problem::in_file("README.md", format!("the command `{command}` that CI runs is missing")))
        .collect()
}

fn pages(repository: &Repository) -> Vec<Problem> {
    let summary = repository.file("docs/SUMMARY.md").map_or("", |file| file.text.as_str());
    let is_page =
        |file: &&File| file.path.starts_with("docs/") && file.path.ends_with(".md") && file.path != "docs/SUMMARY.md";
    let listed = |file: &&File| {
        targets(&summary.replace("](./", "](")).any(|target| Some(target) == file.path.strip_prefix("docs/"))
    };
    let missing = repository.files.iter().filter(is_page).filter(|file| !listed(file));
    missing.map(|file| Problem::in_file(&file.path, "docs/SUMMARY.md does not list this page")).collect()
}

fn links(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repository.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (at, line) in file.text.lines().enumerate() {
            for target in targets(line) {
                let path = target.split('#').next().unwrap_or(target);
                if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                    continue;
                }
                let resolved = resolve(&file.path, path);
                if file.path.starts_with(BOOK) && !resolved.starts_with(BOOK) {
                    let message = format!("the link to {path} leads out of the book; name the path as code");
                    problems.push(Problem::at_line(&file.path, at, message));
                    continue;
                }
                if !exists(repository, &resolved) {
                    problems.push(Problem::at_line(&file.path, at, format!("the link to {path} leads nowhere")));
                }
            }
        }
    }
    problems
}

/// The paths that a page names as code. `NAME` stands for a file or folder that the reader adds.
fn paths(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repository.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (at, line) in file.text.lines().enumerate() {
            let spans = line.split('`').skip(1).step_by(2);
            for path in spans.filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder))) {
                let is_pattern = path.contains([' ', '*', '{', '<', '…']);
                let known = path.split_once("/NAME").map_or(path, |(folder, _)| folder).trim_end_matches('/');
                if !is_pattern && !exists(repository, known) {
                    problems.push(Problem::at_line(&file.path, at, format!("there is no `{known}`")));
                }
            }
        }
    }
    problems
}

/// True if a file or folder has this path.
fn exists(repository: &Repository, path: &str) -> bool {
    let folder = format!("{path}/");
    repository.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
}

/// The targets of Markdown links.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// A relative link from a file, as a path from the repository's root.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{Repository, commands, links, manifests, pages, paths, resolve};
    use crate::commands::{BINARY, EXAMPLE, TESTS};

    #[test]
    fn an_incomplete_manifest_is_found() {
        let full = "[package]\ndescription = \"x\"\nlicense.workspace = true\nedition.workspace = true\n[lints]\nworkspace = true\n";
        let of = |text: &str| manifests(&Repository::of(&[("crates/a/Cargo.toml", text)])).len();
        assert_eq!(of(full), 0);
        assert_eq!(of(&full.replace("description", "summary")), 1);
        assert_eq!(of(&full.replace("license.workspace = true\n", "")), 1);
        assert_eq!(of(&full.replace("[lints]", "[other]")), 1);
    }

    #[test]
    fn a_readme_without_the_commands_is_found() {
        let readme = format!("    {}\n    {}\n{}\n", EXAMPLE, TESTS, BINARY.join("\n"));
        assert_eq!(commands(&Repository::of(&[("README.md", &readme)])), []);
        assert_eq!(commands(&Repository::of(&[("README.md", "cargo test")])).len(), 2 + BINARY.len());
        assert_eq!(commands(&Repository::of(&[])).len(), 2 + BINARY.len());
    }

    #[test]
    fn a_page_outside_the_book_is_found() {
        let summary = ("docs/SUMMARY.md", "- [Guide](guide.md)\n");
        assert_eq!(pages(&Repository::of(&[summary, ("docs/guide.md", "")])), []);
        assert_eq!(pages(&Repository::of(&[summary, ("docs/lost.md", "")])).len(), 1);
    }

    #[test]
    fn a_link_to_nowhere_is_found() {
        let of = |text: &str| {
            links(&Repository::of(&[("xtask/README.md", text), ("README.md", ""), ("crates/a/src/lib.rs", "")])).len()
        };
        assert_eq!(of("[a](../README.md) [b](#here) [c](https://example.org) [d](../crates/a) [e](README.md#x)"), 0);
        assert_eq!(of("[a](LICENSE)"), 1);
    }

    #[test]
    fn a_link_out_of_the_book_is_found() {
        let of = |text: &str| {
            links(&Repository::of(&[("docs/guide.md", text), ("docs/how-to.md", ""), ("README.md", "")])).len()
        };
        assert_eq!(of("[a](how-to.md#x) [b](#here) [c](https://example.org)"), 0);
        assert_eq!(of("[a](../README.md)"), 1);
        assert_eq!(of("[a](lost.md)"), 1);
    }

    #[test]
    fn a_path_to_nowhere_is_found() {
        let of = |text: &str| {
            paths(&Repository::of(&[("docs/extending.md", text), ("crates/a/src/lib.rs", "//! `crates/b`")])).len()
        };
        assert_eq!(
            of("`crates/a/src/lib.rs`, `crates/a/`, `crates/a/src/NAME.rs`, `crates/*/src`, `src/b.rs`, crates/b"),
            0
        );
        for text in ["`crates/a/src/b.rs`", "a\nb `x` and `crates/b/src/NAME.rs`", "`crates/a/tests/NAME/main.rs`"] {
            assert_eq!(of(text), 1, "{text}");
        }
    }

    #[test]
    fn links_resolve_from_their_file() {
        assert_eq!(resolve("docs/guide.md", "../crates/a/src"), "crates/a/src");
        assert_eq!(resolve("README.md", "./docs/guide.md"), "docs/guide.md");
    }
}
