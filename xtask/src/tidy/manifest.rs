//! The parts of `Cargo.toml` that the checks need: package keys, dependencies with their features, and the feature table.
//! The reader knows the forms that this repository uses (tables, dotted keys, inline tables, arrays over several lines).

/// A dependency as one manifest declares it.
#[derive(Debug, PartialEq)]
pub struct Dependency {
    /// The package's own name, also when it is renamed.
    pub name: String,
    pub features: Vec<String>,
    /// Needed by tests and examples only.
    pub dev: bool,
}

/// The entries of a manifest: section, key, value as written.
pub struct Manifest {
    entries: Vec<(String, String, String)>,
}

impl Manifest {
    pub fn parse(text: &str) -> Self {
        let mut entries = Vec::new();
        let mut section = String::new();
        let mut lines = text.lines().map(without_comment);
        while let Some(line) = lines.next() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim_matches(['[', ']']).to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                let mut value = value.trim().to_owned();
                while value.matches(['[', '{']).count() > value.matches([']', '}']).count() {
                    let Some(next) = lines.next() else { break };
                    value.push(' ');
                    value.push_str(next.trim());
                }
                entries.push((section.clone(), key.trim().trim_matches('"').to_owned(), value));
            }
        }
        Self { entries }
    }

    /// A key of a section as written, quotes and all; `key.workspace = true` counts as the key.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let inherited = format!("{key}.workspace");
        let mut found = self.entries.iter().filter(|(in_section, ..)| in_section == section);
        found.find(|(_, name, _)| name == key || *name == inherited).map(|(_, _, value)| value.as_str())
    }

    /// The strings of an array.
    pub fn list(&self, section: &str, key: &str) -> Option<Vec<String>> {
        self.get(section, key).map(strings)
    }

    /// Everything under `dependencies`, `dev-dependencies` and `build-dependencies`, for any target.
    pub fn dependencies(&self) -> Vec<Dependency> {
        let mut found: Vec<Dependency> = Vec::new();
        for (section, key, value) in &self.entries {
            let Some((before, after)) = section.rsplit_once("dependencies") else {
                continue;
            };
            let dev = before.ends_with("dev-");
            // `[dependencies.name]` spreads one dependency over several lines, `name.workspace = true` has it in the key.
            let (name, key) = match after.strip_prefix('.') {
                Some(name) => (name, key.as_str()),
                None => key.split_once('.').unwrap_or((key, "")),
            };
            let (features, package) = match key {
                "" => (inner(value, "features").map(strings).unwrap_or_default(), inner(value, "package")),
                "features" => (strings(value), None),
                "package" => (Vec::new(), Some(value.as_str())),
                _ => (Vec::new(), None),
            };
            let at = found.iter().position(|known| known.name == name && known.dev == dev).unwrap_or_else(|| {
                found.push(Dependency { name: name.to_owned(), features: Vec::new(), dev });
                found.len() - 1
            });
            found[at].features.extend(features);
            if let Some(real) = package.and_then(|value| strings(value).into_iter().next()) {
                found[at].name = real;
            }
        }
        found
    }
}

/// The rest of an inline table after `key =`, up to the array's or string's end.
fn inner<'a>(value: &'a str, key: &str) -> Option<&'a str> {
    let after = value.split_once(&format!("{key} =")).or_else(|| value.split_once(&format!("{key}=")))?.1.trim_start();
    let end = if after.starts_with('[') { after.find(']') } else { after[1..].find('"').map(|end| end + 1) };
    Some(&after[..=end?])
}

/// The quoted strings in a piece of TOML.
fn strings(value: &str) -> Vec<String> {
    value.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '#' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Manifest};

    #[test]
    fn every_form_of_a_dependency_is_read() {
        let manifest = Manifest::parse(
            r#"
[package]
name = "a" # not "b"
license.workspace = true

[features]
default = []
flex = [
    "burn/flex", # pure Rust
    "colburn-ops/flex",
]

[dependencies]
burn = { workspace = true, features = ["train", "std"] }
csv.workspace = true
frames = { package = "polars", version = "0.55" }

[target.'cfg(unix)'.dependencies.ctrlc]
version = "3"
features = ["termination"]

[dev-dependencies]
tempfile = "3"
"#,
        );
        let dependency = |name: &str, features: &[&str], dev| Dependency {
            name: name.into(),
            features: features.iter().map(|&f| f.into()).collect(),
            dev,
        };
        assert_eq!(
            manifest.dependencies(),
            [
                dependency("burn", &["train", "std"], false),
                dependency("csv", &[], false),
                dependency("polars", &[], false),
                dependency("ctrlc", &["termination"], false),
                dependency("tempfile", &[], true),
            ]
        );
        assert_eq!(manifest.get("package", "name"), Some("\"a\""));
        assert!(manifest.get("package", "license").is_some());
        assert_eq!(manifest.get("package", "description"), None);
        assert_eq!(manifest.list("features", "default"), Some(vec![]));
        assert_eq!(manifest.list("features", "flex").unwrap(), ["burn/flex", "colburn-ops/flex"]);
    }
}
