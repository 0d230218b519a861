//! The input of the checks: the files that git tracks or would track, with the text of those that people write.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::manifest::Manifest;
use crate::result::Result;

/// A file of the repository.
pub struct File {
    /// The path from the repository's root, with `/`.
    pub path: String,
    /// The text; empty for data, images and fixtures.
    pub text: String,
}

/// The repository's files in git's order.
pub struct Repository {
    pub files: Vec<File>,
}

impl Repository {
    pub fn read(root: &Path) -> Result<Self> {
        // A mounted or copied work tree often belongs to another user. Listing its files runs none of its code.
        let listing = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git is needed for the list of files: {error}"))?;
        if !listing.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listing.stderr).trim()));
        }
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
            let on_disk = root.join(path);
            // Deleted, but not from git's index yet.
            if !on_disk.is_file() {
                continue;
            }
            let text = if is_written_by_hand(path) {
                fs::read_to_string(&on_disk).map_err(|error| format!("{path}: {error}"))?
            } else {
                String::new()
            };
            files.push(File { path: path.to_owned(), text });
        }
        Ok(Self { files })
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// All Rust sources in the repository.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The sources of one crate, without its tests and examples.
    pub fn sources<'a>(&'a self, package: &str) -> impl Iterator<Item = &'a File> + use<'a> {
        let folder = format!("crates/{package}/src/");
        self.rust().filter(move |file| file.path.starts_with(&folder))
    }

    /// The crates under `crates/` by the name of their folder, which is the crate's name, each with its manifest.
    pub fn crates(&self) -> Vec<(&str, Manifest)> {
        let manifests = self.files.iter().filter_map(|file| {
            let name = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            (!name.contains('/')).then(|| (name, Manifest::parse(&file.text)))
        });
        manifests.collect()
    }

    /// The crates that other crates can use.
    pub fn libraries(&self) -> Vec<&str> {
        let has_library = |name: &str| self.file(&format!("crates/{name}/src/lib.rs")).is_some();
        self.crates().into_iter().map(|(name, _)| name).filter(|name| has_library(name)).collect()
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect() }
    }
}

/// True for files that people write. The rules about text hold for these; of the others only the names count.
fn is_written_by_hand(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["rs", "toml", "md", "py", "sh", "yml"].contains(&extension)
        || path.starts_with(".ci/")
        || name.starts_with("LICENSE")
}

#[cfg(test)]
mod tests {
    use super::{Repository, is_written_by_hand};

    #[test]
    fn crates_and_libraries_are_found_by_their_files() {
        let repository = Repository::of(&[
            ("crates/a/Cargo.toml", ""),
            ("crates/a/src/lib.rs", ""),
            ("crates/b/Cargo.toml", ""),
            ("crates/b/src/main.rs", ""),
            ("crates/b/tests/fixture/Cargo.toml", ""),
        ]);
        let names: Vec<&str> = repository.crates().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(repository.libraries(), ["a"]);
        assert_eq!(repository.sources("a").count(), 1);
    }

    #[test]
    fn data_is_not_read() {
        assert!(
            is_written_by_hand("crates/a/src/lib.rs")
                && is_written_by_hand(".ci/run")
                && is_written_by_hand("LICENSE-MIT")
        );
        assert!(
            !is_written_by_hand("tests/fixtures/model.safetensors") && !is_written_by_hand("examples/data/train.jsonl")
        );
    }
}
