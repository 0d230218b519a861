//! Parts of a repository by patterns: collections of texts in the layout of BEIR, and whatever else has no form of its own.

use std::path::PathBuf;

use crate::{Hub, RepoId, RepoKind, Result, pattern::glob};

impl Hub {
    /// The folder that holds those files of a repository that match one of the patterns: `corpus/*`, `**/*.parquet`. The folder may hold
    /// others that were fetched before.
    ///
    /// # Errors
    /// When a pattern matches no file, and as [`Hub::model`].
    pub fn snapshot(&self, kind: RepoKind, id: &RepoId, patterns: &[&str]) -> Result<PathBuf> {
        let listing = self.list(kind, id)?;
        for pattern in patterns {
            let mut files = listing.files.iter().filter(|file| glob(pattern, &file.path)).peekable();
            if files.peek().is_none() {
                return Err(listing.error(format!("there is no file {pattern}")));
            }
            files.try_for_each(|file| self.fetch(&listing, &file.path).map(drop))?;
        }
        listing.remember();
        Ok(listing.folder())
    }
}
