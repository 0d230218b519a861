//! The modules of a crate and the names in them, read from its sources: enough of Rust's name resolution to say which file
//! defines the item that a path leads to. Items for tests alone are left out.

use std::collections::{HashMap, HashSet};

use super::code;
use super::repository::Repository;

/// A crate's module tree. The root is the module 0, and modules and files are known by their indices.
pub struct Modules {
    /// The paths of the crate's files, from the repository's root.
    pub files: Vec<String>,
    modules: Vec<Module>,
}

/// One file's use of an item that another file defines.
#[derive(Debug, PartialEq)]
pub struct Use {
    pub from: usize,
    pub to: usize,
    /// The item's name as the using file writes it.
    pub name: String,
    /// The line in the using file, counted from 0.
    pub line: usize,
}

#[derive(Default)]
struct Module {
    file: usize,
    parent: usize,
    children: HashMap<String, usize>,
    /// The names of functions, types, traits, constants and macros.
    items: HashSet<String>,
    imports: Vec<Import>,
    /// The module paths of `use path::*`.
    globs: Vec<Path>,
    /// The paths of two or more segments in code.
    paths: Vec<Path>,
    /// Every identifier with the line of its first place.
    words: HashMap<String, usize>,
}

struct Import {
    name: String,
    path: Path,
}

#[derive(Clone, PartialEq)]
struct Path {
    segments: Vec<String>,
    line: usize,
}

#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// An item, by the file that defines it.
    Item(usize),
}

struct Token {
    text: String,
    line: usize,
}

impl Modules {
    /// Reads a crate from its root file, `src/lib.rs` or `src/main.rs`, along its `mod` declarations.
    pub fn read(repository: &Repository, root: &str) -> Self {
        let mut read = Self { files: Vec::new(), modules: Vec::new() };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        read.file(repository, root, folder, 0);
        read
    }

    /// Reads a file as a new module. `folder` is where the files of its child modules lie.
    fn file(&mut self, repository: &Repository, path: &str, folder: &str, parent: usize) -> Option<usize> {
        let text = &repository.file(path)?.text;
        self.files.push(path.to_owned());
        let module = self.modules.len();
        self.modules.push(Module { file: self.files.len() - 1, parent, ..Module::default() });
        self.module(repository, &tokens(text), folder, module);
        Some(module)
    }

    fn module(&mut self, repository: &Repository, tokens: &[Token], folder: &str, module: usize) {
        let at = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
        let mut depth = 0;
        let mut index = 0;
        while index < tokens.len() {
            match at(index) {
                "#" if at(index + 1) == "[" => {
                    let end = closing(tokens, index + 1);
                    let for_tests = is_for_tests(&tokens[index + 2..end]);
                    index = end + 1;
                    if for_tests {
                        index = after_item(tokens, index);
                    }
                }
                "#" if at(index + 1) == "!" && at(index + 2) == "[" => index = closing(tokens, index + 2) + 1,
                "pub" if at(index + 1) == "(" && ["crate", "self", "super", "in"].contains(&at(index + 2)) => {
                    index = closing(tokens, index + 1) + 1;
                }
                "mod" if at(index + 2) == ";" => {
                    self.child(repository, at(index + 1), folder, module);
                    index += 3;
                }
                "mod" if at(index + 2) == "{" => {
                    let end = closing(tokens, index + 2);
                    let child = self.modules.len();
                    let file = self.modules[module].file;
                    self.modules.push(Module { file, parent: module, ..Module::default() });
                    self.modules[module].children.insert(at(index + 1).to_owned(), child);
                    let inside = format!("{folder}/{}", at(index + 1));
                    self.module(repository, &tokens[index + 3..end], &inside, child);
                    index = end + 1;
                }
                // `+ use<'a>` is a bound of a type.
                "use" if at(index + 1) != "<" => {
                    let end = (index..tokens.len()).find(|&end| at(end) == ";").unwrap_or(tokens.len());
                    self.modules[module].import(&tokens[index + 1..end], &[]);
                    index = end + 1;
                }
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" if depth == 0 => {
                    let name = if at(index + 1) == "mut" { at(index + 2) } else { at(index + 1) };
                    self.modules[module].items.insert(name.to_owned());
                    index += 1;
                }
                "macro_rules" if at(index + 1) == "!" => {
                    self.modules[module].items.insert(at(index + 2).to_owned());
                    index += 2;
                }
                "{" => {
                    depth += 1;
                    index += 1;
                }
                "}" => {
                    depth -= 1;
                    index += 1;
                }
                // A leading `::` names a foreign crate; after an identifier the path has been read whole.
                "::" => index += 2,
                word if is_name(word) => {
                    let line = tokens[index].line;
                    let mut segments = vec![word.to_owned()];
                    while at(index + 1) == "::" && is_name(at(index + 2)) {
                        segments.push(at(index + 2).to_owned());
                        index += 2;
                    }
                    index += 1;
                    let module = &mut self.modules[module];
                    for segment in &segments {
                        module.words.entry(segment.clone()).or_insert(line);
                    }
                    if segments.len() > 1 {
                        module.paths.push(Path { segments, line });
                    }
                }
                _ => index += 1,
            }
        }
    }

    fn child(&mut self, repository: &Repository, name: &str, folder: &str, parent: usize) {
        let inside = format!("{folder}/{name}");
        let child = self
            .file(repository, &format!("{folder}/{name}.rs"), &inside, parent)
            .or_else(|| self.file(repository, &format!("{inside}/mod.rs"), &inside, parent));
        if let Some(child) = child {
            self.modules[parent].children.insert(name.to_owned(), child);
        }
    }

    /// Every use of an item across files, each pair of file and name once.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses: Vec<Use> = Vec::new();
        let mut known = HashSet::new();
        for (index, module) in self.modules.iter().enumerate() {
            let mut add = |to: usize, name: &str, line: usize| {
                if to != module.file && known.insert((module.file, to, name.to_owned())) {
                    uses.push(Use { from: module.file, to, name: name.to_owned(), line });
                }
            };
            let imported = module.imports.iter().map(|import| &import.path);
            for path in imported.chain(&module.paths) {
                if let Some((Target::Item(file), name)) = self.resolve(index, &path.segments, &mut Vec::new()) {
                    add(file, name, path.line);
                }
            }
            for path in &module.globs {
                match self.resolve(index, &path.segments, &mut Vec::new()) {
                    Some((Target::Item(file), name)) => add(file, name, path.line),
                    Some((Target::Module(target), _)) => {
                        for (word, line) in &module.words {
                            let found = self.lookup(target, word, true, &mut Vec::new());
                            if let (Some(Target::Item(file)), None) = (found, self.own(index, word)) {
                                add(file, word, *line);
                            }
                        }
                    }
                    None => {}
                }
            }
        }
        uses.sort_by(|a, b| (a.from, a.line, &a.name).cmp(&(b.from, b.line, &b.name)));
        uses
    }

    /// The item or module at the end of a path, with the segment that named it. A foreign path leads nowhere.
    fn resolve<'a>(
        &self,
        from: usize,
        segments: &'a [String],
        visited: &mut Vec<(usize, String)>,
    ) -> Option<(Target, &'a str)> {
        let mut here = from;
        let mut last = segments.first()?.as_str();
        for (index, name) in segments.iter().enumerate() {
            last = name;
            match name.as_str() {
                "crate" => here = 0,
                "self" => {}
                "super" => here = self.modules[here].parent,
                _ => match self.lookup(here, name, index + 1 == segments.len(), visited) {
                    Some(Target::Module(module)) => here = module,
                    Some(item) => return Some((item, name)),
                    None if index == 0 => return None,
                    // An item that a macro makes.
                    None => return Some((Target::Item(self.modules[here].file), name)),
                },
            }
        }
        Some((Target::Module(here), last))
    }

    /// A name in a module. The last segment of a path prefers an item to a module of the same name.
    fn lookup(&self, module: usize, name: &str, last: bool, visited: &mut Vec<(usize, String)>) -> Option<Target> {
        let child = self.modules[module].children.get(name).map(|&child| Target::Module(child));
        if !last && child.is_some() {
            return child;
        }
        if visited.iter().any(|(seen, word)| *seen == module && word == name) {
            return None;
        }
        if let Some(item) = self.own(module, name) {
            return Some(item);
        }
        visited.push((module, name.to_owned()));
        let imports = self.modules[module].imports.iter().filter(|import| import.name == name);
        let mut found = None;
        for import in imports {
            found = found.or_else(|| self.resolve(module, &import.path.segments, visited).map(|(target, _)| target));
        }
        for glob in &self.modules[module].globs {
            found = found.or_else(|| match self.resolve(module, &glob.segments, visited)?.0 {
                Target::Module(target) => self.lookup(target, name, last, visited),
                Target::Item(_) => None,
            });
        }
        visited.pop();
        found.or(child)
    }

    fn own(&self, module: usize, name: &str) -> Option<Target> {
        self.modules[module].items.contains(name).then(|| Target::Item(self.modules[module].file))
    }
}

impl Module {
    /// Reads the tree of a `use` item, without `use` and `;`.
    fn import(&mut self, tokens: &[Token], prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let mut index = 0;
        while let Some(Token { text, line }) = tokens.get(index) {
            match text.as_str() {
                "::" if index == 0 && prefix.is_empty() => return,
                "::" => {}
                "*" => {
                    self.globs.push(Path { segments, line: *line });
                    return;
                }
                "{" => {
                    for member in members(&tokens[index + 1..closing(tokens, index)]) {
                        self.import(member, &segments);
                    }
                    return;
                }
                "as" => {
                    let name = tokens.get(index + 1).map_or("_", |token| token.text.as_str());
                    self.imports.push(Import { name: name.to_owned(), path: Path { segments, line: *line } });
                    return;
                }
                // `a::{self}` is `a`.
                "self" if !prefix.is_empty() => {}
                name => segments.push(name.to_owned()),
            }
            index += 1;
        }
        if let (Some(name), Some(token)) = (segments.last().cloned(), tokens.last()) {
            self.imports.push(Import { name, path: Path { segments, line: token.line } });
        }
    }
}

/// The parts of a `use` group between its commas.
fn members(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 0 => {
                found.push(&tokens[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    found.push(&tokens[start..]);
    found
}

/// Identifiers, `::`, and every other character by itself. Comments and the content of strings are left out.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, code::Line { code, .. }) in code::lines(source).iter().enumerate() {
        let mut rest = code.as_str();
        while let Some(character) = rest.chars().next() {
            let length = if code::is_word(character) {
                rest.find(|next| !code::is_word(next)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else if character == '\'' {
                // A lifetime; characters are left out as `' '`.
                1 + rest[1..].find(|next| !code::is_word(next)).unwrap_or(rest.len() - 1)
            } else {
                character.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            if !character.is_whitespace() {
                tokens.push(Token { text: text.to_owned(), line });
            }
            rest = after;
        }
    }
    tokens
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The bracket that closes the one at `open`, or the last token.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len().saturating_sub(1)
}

/// True for `cfg(test)`, `cfg(all(test, …))` and `test`, the content of an attribute.
fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.text == word);
    match attribute.first().map(|token| token.text.as_str()) {
        Some("cfg") => has("test") && !has("not") && !has("any"),
        Some("test") => true,
        _ => false,
    }
}

/// The first token after the item at `start`, past its other attributes.
fn after_item(tokens: &[Token], start: usize) -> usize {
    let mut index = start;
    let is_use = tokens.iter().skip(start).take(5).any(|token| token.text == "use");
    while let Some(token) = tokens.get(index) {
        match token.text.as_str() {
            ";" => return index + 1,
            "}" => return index,
            "{" if !is_use => return closing(tokens, index) + 1,
            "(" | "[" | "{" => index = closing(tokens, index) + 1,
            _ => index += 1,
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::{Modules, Repository};

    /// The uses of a crate of these files under `src/`, as `from > to: name`.
    fn uses(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> = files.iter().map(|(path, text)| (format!("src/{path}"), *text)).collect();
        let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let modules = Modules::read(&Repository::of(&borrowed), borrowed[0].0);
        let short = |file: usize| modules.files[file].trim_start_matches("src/").trim_end_matches(".rs");
        modules.uses().iter().map(|used| format!("{} > {}: {}", short(used.from), short(used.to), used.name)).collect()
    }

    #[test]
    fn each_spelling_of_a_use_is_read() {
        let root = "mod a;\nmod b;";
        let b = "pub struct B;\npub fn f() {}\npub const C: u8 = 1;";
        for (source, names) in [
            ("use crate::b::B;", &["B"][..]),
            ("pub use super::b::B;", &["B"]),
            ("use super::{b::{f, B as _}, other};", &["B", "f", "other"]),
            ("use crate::b;\nfn g() { b::f() }", &["f"]),
            ("use crate::b::{self};\nfn g() { b::f() }", &["f"]),
            ("use crate::b as other;\nfn g() { other::f() }", &["f"]),
            ("fn g(_: crate::b::B) -> Option<crate::b::B> { x(super::b::C) }", &["B", "C"]),
            ("fn g() { use super::b::*; f(C) }", &["C", "f"]),
            ("pub(in crate::b) struct A<'b>(&'b u8);", &[]),
            ("use ::b::B;\nfn g() { ::b::f() }", &[]),
            ("use b::B;", &[]),
            ("// crate::b::B\nconst A: &str = \"crate::b::B\";", &[]),
        ] {
            let wanted: Vec<String> = names
                .iter()
                .map(|name| if *name == "other" { "a > lib: other".into() } else { format!("a > b: {name}") })
                .collect();
            let mut found = uses(&[("lib.rs", root), ("a.rs", source), ("b.rs", b)]);
            found.sort_by_key(|used| used.rsplit(' ').next().unwrap_or_default().to_owned());
            assert_eq!(found, wanted, "{source}");
        }
    }

    #[test]
    fn a_declaration_is_no_use_and_a_call_is() {
        assert_eq!(uses(&[("lib.rs", "mod a;"), ("a.rs", "pub fn f() {}")]), [""; 0]);
        assert_eq!(uses(&[("main.rs", "mod a;\nfn main() { a::f() }"), ("a.rs", "pub fn f() {}")]), ["main > a: f"]);
    }

    #[test]
    fn an_item_belongs_to_the_file_that_defines_it() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use b::Error;\npub use b::deep::*;"),
            ("a.rs", "use crate::{Error, Deep};"),
            ("b/mod.rs", "mod error;\npub mod deep;\npub use error::Error;\nfn f() -> Error {}"),
            ("b/error.rs", "pub enum Error {}"),
            ("b/deep.rs", "pub struct Deep;\nuse super::f;"),
        ];
        assert_eq!(
            uses(&files),
            [
                "lib > b/error: Error",
                "a > b/deep: Deep",
                "a > b/error: Error",
                "b/mod > b/error: Error",
                "b/deep > b/mod: f"
            ]
        );
    }

    #[test]
    fn a_function_may_have_its_modules_name() {
        let files = [
            ("lib.rs", "mod a;\nmod linear;\npub use linear::linear;"),
            ("a.rs", "use crate::linear;\nuse crate::linear::Rows;"),
            ("linear.rs", "pub fn linear() {}\npub struct Rows;"),
        ];
        assert_eq!(uses(&files), ["lib > linear: linear", "a > linear: linear", "a > linear: Rows"]);
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let a = "#[cfg(test)]\nuse crate::b::{B};\n#[cfg(all(test, feature = \"flex\"))]\nmod tests { use crate::b::B; }\n\
                 #[test]\nfn t() { crate::b::f() }\n#[cfg(test)]\nmod testing;\nfn g() { super::b::f() }";
        let files = [("lib.rs", "mod a;\nmod b;"), ("a.rs", a), ("a/testing.rs", "use crate::b::B;"), ("b.rs", "")];
        assert_eq!(uses(&files), ["a > b: f"]);
        let a = "#[cfg(not(test))]\nuse crate::b::B;";
        assert_eq!(uses(&[("lib.rs", "mod a;\nmod b;"), ("a.rs", a), ("b.rs", "")]), ["a > b: B"]);
    }
}
