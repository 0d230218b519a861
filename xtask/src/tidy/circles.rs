//! No circles among the files of a crate: where a file uses another, the other does not lead back to it. Such files can be
//! read, tested and moved one at a time.

use super::modules::{Modules, Use};
use super::problem::Problem;
use super::repository::Repository;

pub fn none(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for root in roots(repository) {
        let modules = Modules::read(repository, &root);
        let uses = modules.uses();
        for circle in circles(modules.files.len(), &uses) {
            let inside = uses.iter().filter(|used| circle.contains(&used.from) && circle.contains(&used.to));
            let mut edges: Vec<(&Use, Vec<&str>)> = Vec::new();
            for used in inside {
                match edges.iter_mut().find(|(edge, _)| (edge.from, edge.to) == (used.from, used.to)) {
                    Some((_, names)) => names.push(&used.name),
                    None => edges.push((used, vec![&used.name])),
                }
            }
            for (used, names) in edges {
                let message = format!(
                    "uses {} of {}, in a circle of {} files",
                    names.join(", "),
                    modules.files[used.to],
                    circle.len()
                );
                problems.push(Problem::at_line(&modules.files[used.from], used.line, message));
            }
        }
    }
    problems
}

/// The root files of libraries and binaries.
fn roots(repository: &Repository) -> Vec<String> {
    let folders = repository.crates().into_iter().map(|(name, _)| format!("crates/{name}/src"));
    folders
        .chain(["xtask/src".to_owned()])
        .flat_map(|folder| [format!("{folder}/lib.rs"), format!("{folder}/main.rs")])
        .filter(|root| repository.file(root).is_some())
        .collect()
}

/// The strongly connected components of two files or more (Tarjan, 1972).
fn circles(files: usize, uses: &[Use]) -> Vec<Vec<usize>> {
    struct Search<'a> {
        next: &'a [Vec<usize>],
        /// When a file was reached, counted from 1; 0 is never.
        reached: Vec<usize>,
        /// The earliest file on the stack that a file leads to.
        lowest: Vec<usize>,
        stack: Vec<usize>,
        count: usize,
        found: Vec<Vec<usize>>,
    }

    impl Search<'_> {
        fn visit(&mut self, file: usize) {
            self.count += 1;
            self.reached[file] = self.count;
            self.lowest[file] = self.count;
            self.stack.push(file);
            for &to in &self.next[file] {
                if self.reached[to] == 0 {
                    self.visit(to);
                    self.lowest[file] = self.lowest[file].min(self.lowest[to]);
                } else if self.stack.contains(&to) {
                    self.lowest[file] = self.lowest[file].min(self.reached[to]);
                }
            }
            if self.lowest[file] == self.reached[file]
                && let Some(start) = self.stack.iter().position(|&on_stack| on_stack == file)
            {
                let component = self.stack.split_off(start);
                if component.len() > 1 {
                    self.found.push(component);
                }
            }
        }
    }

    let mut next = vec![Vec::new(); files];
    for used in uses {
        next[used.from].push(used.to);
    }
    let mut search = Search {
        next: &next,
        reached: vec![0; files],
        lowest: vec![0; files],
        stack: Vec::new(),
        count: 0,
        found: Vec::new(),
    };
    for file in 0..files {
        if search.reached[file] == 0 {
            search.visit(file);
        }
    }
    search.found
}

#[cfg(test)]
mod tests {
    use super::{Repository, none};

    /// The places and messages for a crate of these files under `crates/a/src/`.
    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("crates/a/Cargo.toml".to_owned(), "")];
        all.extend(files.iter().map(|(path, text)| (format!("crates/a/src/{path}"), *text)));
        let borrowed: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        none(&Repository::of(&borrowed))
            .into_iter()
            .map(|found| format!("{}: {}", found.place, found.message))
            .collect()
    }

    #[test]
    fn a_circle_is_found_with_its_edges() {
        let found = problems(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
            ("a.rs", "use crate::b::{B, f};\npub struct A;"),
            ("b.rs", "//! b\npub fn f() { crate::c::f() }\npub struct B;"),
            ("c.rs", "pub fn f(_: super::a::A) {}"),
            ("d.rs", "use crate::a::A;"),
        ]);
        assert_eq!(
            found,
            [
                "crates/a/src/a.rs:1: uses B, f of crates/a/src/b.rs, in a circle of 3 files",
                "crates/a/src/b.rs:2: uses f of crates/a/src/c.rs, in a circle of 3 files",
                "crates/a/src/c.rs:1: uses A of crates/a/src/a.rs, in a circle of 3 files",
            ]
        );
    }

    #[test]
    fn a_parent_and_its_child_can_make_one() {
        let child = ("child.rs", "use super::Shared;\npub fn f() {}");
        assert_eq!(problems(&[("lib.rs", "mod child;\npub struct Shared;\nfn g() { child::f() }"), child]).len(), 2);
        assert_eq!(problems(&[("lib.rs", "mod child;\npub struct Shared;\npub use child::f;"), child]).len(), 2);
        assert_eq!(problems(&[("lib.rs", "mod child;\npub struct Shared;"), child]).len(), 0);
    }

    #[test]
    fn two_circles_are_two() {
        let found = problems(&[
            ("main.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
            ("a.rs", "use crate::b::B;\npub struct A;"),
            ("b.rs", "use crate::a::A;\npub struct B(crate::c::C);"),
            ("c.rs", "use crate::d::D;\npub struct C;"),
            ("d.rs", "use crate::c::C;\npub struct D;"),
        ]);
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|message| message.ends_with("in a circle of 2 files")), "{found:?}");
    }

    #[test]
    fn a_re_export_leads_to_the_defining_file_and_tests_do_not_count() {
        let found = problems(&[
            ("lib.rs", "mod a;\nmod error;\npub use a::A;\npub use error::Error;"),
            ("a.rs", "use crate::Error;\npub struct A;"),
            ("error.rs", "pub enum Error {}\n#[cfg(test)]\nmod tests { use crate::A; }"),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
