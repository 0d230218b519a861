//! `index.json` of a PLAID index: the current folder, and the files in it.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::index::{IndexKind, manifest as index_json};
use crate::{Error, Result};

/// The options of a new PLAID index. Names and values are those of PyLate's `indexes.PLAID`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaidOptions {
    /// Width of a token vector.
    pub dim: usize,
    /// The name of the model that the embeddings come from, so that queries of another model can be noticed.
    pub model: Option<String>,
    /// Properties of the encoding of documents, by name (a checksum of the weights, a pooling factor). They let a caller check that further
    /// documents are encoded in the same way. The index itself does not read them.
    pub encoding: BTreeMap<String, String>,
    /// Bits per value for the difference between a vector and its centroid: 1, 2, 4 or 8. The default is 4.
    pub nbits: usize,
    /// Iterations of k-means. The default is 4.
    pub kmeans_niters: usize,
    /// Seed of k-means and of its sample. The default is 42.
    pub seed: u64,
}

impl PlaidOptions {
    /// An index of vectors of this width.
    pub fn new(dim: usize) -> Self {
        Self { dim, model: None, encoding: BTreeMap::new(), nbits: 4, kmeans_niters: 4, seed: 42 }
    }
}

/// The content of `index.json` of a PLAID index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PlaidManifest {
    pub format: String,
    pub version: u64,
    pub kind: IndexKind,
    pub dim: usize,
    pub model: Option<String>,
    #[serde(default)]
    pub encoding: BTreeMap<String, String>,
    pub nbits: usize,
    pub kmeans_niters: usize,
    pub seed: u64,
    pub documents: usize,
    /// The folder of next-plaid's files and the ids; `None` without documents.
    pub folder: Option<String>,
    /// The number of the next folder. No number is used twice, so a name never has two meanings.
    pub next_folder: u64,
    /// The files of the folder with their sizes, without those that next-plaid derives from others.
    pub files: BTreeMap<String, u64>,
}

impl PlaidManifest {
    /// An index without documents.
    pub fn new(options: &PlaidOptions) -> Result<Self> {
        let PlaidOptions { dim, model, encoding, nbits, kmeans_niters, seed } = options.clone();
        let manifest = Self {
            format: index_json::FORMAT.to_owned(),
            version: index_json::VERSION,
            kind: IndexKind::Plaid,
            dim,
            model,
            encoding,
            nbits,
            kmeans_niters,
            seed,
            documents: 0,
            folder: None,
            next_folder: 1,
            files: BTreeMap::new(),
        };
        manifest.check_options()?;
        Ok(manifest)
    }

    fn check_options(&self) -> Result<()> {
        index_json::check_dim(self.dim)?;
        let refuse = |name, value: usize, message: &str| {
            Err(Error::Argument { name, value: value.to_string(), message: message.to_owned() })
        };
        if ![1, 2, 4, 8].contains(&self.nbits) {
            return refuse("nbits", self.nbits, "1, 2, 4 or 8 is expected");
        }
        if !(self.dim * self.nbits).is_multiple_of(8) {
            return refuse("dim", self.dim, "with these nbits a vector is not a whole number of bytes");
        }
        if self.kmeans_niters == 0 {
            return refuse("kmeans_niters", 0, "a positive number is expected");
        }
        Ok(())
    }

    /// Reads the file of a folder and checks that it is consistent.
    pub fn read(directory: &Path) -> Result<Self> {
        let manifest: Self = index_json::read(directory, IndexKind::Plaid)?;
        let damaged = |message: String| Error::index(directory.join(index_json::FILE), format!("damaged: {message}"));
        manifest.check_options().map_err(|error| damaged(error.to_string()))?;
        let folder = manifest.folder.as_deref();
        let below = |folder: &str| {
            index_json::plaid_number(folder).is_some_and(|number| (1..manifest.next_folder).contains(&number))
        };
        if folder.is_some_and(|folder| !below(folder)) {
            return Err(damaged(format!("{folder:?} is not the name of a folder below next_folder")));
        }
        if folder.is_none() != (manifest.documents == 0) {
            return Err(damaged(format!("documents = {}, but the folder is {folder:?}", manifest.documents)));
        }
        match manifest.files.keys().find(|name| Path::new(name).file_name().is_none_or(|own| own != name.as_str())) {
            Some(name) => Err(damaged(format!("{name:?} is not a file name"))),
            None => Ok(manifest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_next_plaid_cannot_use_are_refused() {
        let new = |change: fn(&mut PlaidOptions)| {
            let mut options = PlaidOptions::new(12);
            change(&mut options);
            PlaidManifest::new(&options).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(new(|_| {}), Ok(()));
        assert_eq!(new(|options| options.nbits = 3), Err("nbits = 3: 1, 2, 4 or 8 is expected".into()));
        assert!(new(|options| options.nbits = 1).unwrap_err().starts_with("dim = 12: with these nbits"));
        assert!(new(|options| options.dim = 0).unwrap_err().starts_with("dim = 0"));
        assert!(new(|options| options.kmeans_niters = 0).unwrap_err().starts_with("kmeans_niters = 0"));
    }

    #[test]
    fn what_is_at_odds_with_itself_is_damaged() {
        let damaged = |change: fn(&mut PlaidManifest), culprit: &str| {
            let folder = tempfile::tempdir().unwrap();
            let mut manifest = PlaidManifest::new(&PlaidOptions::new(8)).unwrap();
            (manifest.documents, manifest.folder, manifest.next_folder) = (1, Some("plaid-000001".into()), 2);
            index_json::write(folder.path(), &manifest).unwrap();
            assert_eq!(PlaidManifest::read(folder.path()).unwrap(), manifest);
            change(&mut manifest);
            index_json::write(folder.path(), &manifest).unwrap();
            let message = PlaidManifest::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains("index.json: damaged: ") && message.contains(culprit), "{message}");
        };
        damaged(|manifest| manifest.folder = Some("../plaid-000001".into()), "\"../plaid-000001\"");
        damaged(
            |manifest| (manifest.folder, manifest.next_folder) = (Some("plaid-4bit".into()), u64::MAX),
            "\"plaid-4bit\"",
        );
        damaged(|manifest| manifest.next_folder = 1, "\"plaid-000001\"");
        damaged(|manifest| manifest.folder = None, "documents = 1");
        damaged(|manifest| manifest.nbits = 5, "nbits = 5");
        damaged(|manifest| manifest.files.extend([("../a".into(), 1)]), "\"../a\" is not a file name");
    }
}
