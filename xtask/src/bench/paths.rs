//! The paths of a benchmark: its own folder, and the repository's data.

use std::path::{Path, PathBuf};

use crate::process::repository;
use crate::result::Result;

/// A folder for everything that a benchmark writes, removed with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("colburn-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A folder in it, with what it holds.
    pub fn existing(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        let made = std::fs::create_dir_all(&path);
        made.map(|()| path.clone()).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// An empty folder in it.
    pub fn empty(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        let removed = if path.exists() { std::fs::remove_dir_all(&path) } else { Ok(()) };
        removed.map_err(|error| format!("{}: {error}", path.display()))?;
        self.existing(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} was not removed: {error}", self.0.display());
        }
    }
}

/// A path of the command line. The default path is below the repository's root if it does not exist here.
pub fn absolute(path: &Path) -> PathBuf {
    let given = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if path.starts_with("examples/data") && !given.exists() { repository().join(path) } else { given }
}

/// Fails if the file of an option cannot be written: before a quarter of an hour of measurements, not after it.
pub fn writable(option: &str, path: &Path) -> Result<()> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|error| format!("{option} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_removed_with_its_owner() {
        let folder = Folder(std::env::temp_dir().join(format!("xtask-paths-{}", std::process::id())));
        let within = folder.empty("a").unwrap();
        std::fs::write(within.join("file"), "x").unwrap();
        assert_eq!(std::fs::read_dir(folder.existing("a").unwrap()).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(folder.empty("a").unwrap()).unwrap().count(), 0);
        let path = folder.0.clone();
        drop(folder);
        assert!(!path.exists());
    }
}
