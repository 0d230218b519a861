//! The hub: where it is, who asks, and where its files are kept. The settings are those of Hugging Face's own tools.

use std::path::{Path, PathBuf};

use crate::{RepoId, Result};

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

/// How a folder is uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// The folder of the repository that it goes to; its root if not given.
    pub path_in_repo: Option<String>,
    /// What the commit says; "Upload folder using colburn" if not given.
    pub commit_message: Option<String>,
    /// The branch that it goes to, if not the one in the [`RepoId`].
    pub revision: Option<String>,
    /// Files to leave out, by their paths in the folder: `*` stands for any characters, `/` among them, `?` for one (Python's fnmatch,
    /// as in `upload_folder` of huggingface_hub). What ends in `/` means everything in that folder.
    pub ignore_patterns: Vec<String>,
}

/// The Hugging Face hub with its local cache. Cheap to clone; can be used from several threads.
#[derive(Clone)]
pub struct Hub {}

impl Hub {
    /// The hub of the environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`,
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`, as huggingface_hub reads them. Nothing is opened yet.
    pub fn from_env() -> Self {
        todo!()
    }

    /// Another address than <https://huggingface.co>.
    pub fn with_endpoint(self, endpoint: impl Into<String>) -> Self {
        todo!()
    }

    /// This token, or none.
    pub fn with_token(self, token: Option<String>) -> Self {
        todo!()
    }

    /// Another folder for the cache.
    pub fn with_cache(self, cache: impl Into<PathBuf>) -> Self {
        todo!()
    }

    /// Whether only the cache may be used.
    pub fn with_offline(self, offline: bool) -> Self {
        todo!()
    }

    /// The folder that holds a model's files at a revision: what it takes to load it, and nothing else.
    pub fn model(&self, id: &RepoId) -> Result<PathBuf> {
        todo!()
    }

    /// The data files of a split of a data set. Without a configuration the default one, or the only one; without a split the only one, or
    /// `train`.
    pub fn dataset(&self, id: &RepoId, config: Option<&str>, split: Option<&str>) -> Result<Vec<PathBuf>> {
        todo!()
    }

    /// The folder that holds those files of a repository that match one of the patterns.
    pub fn snapshot(&self, kind: RepoKind, id: &RepoId, patterns: &[&str]) -> Result<PathBuf> {
        todo!()
    }

    /// Makes a repository for a model, unless it is there; `private` if it is made. Gives the full name: without an owner it belongs to
    /// whom the token belongs to.
    pub fn create_repo(&self, id: &RepoId, private: Option<bool>) -> Result<RepoId> {
        todo!()
    }

    /// Uploads the files of a folder to a model's repository in one commit, and gives the address of the commit.
    pub fn upload_folder(&self, id: &RepoId, folder: impl AsRef<Path>, options: UploadOptions) -> Result<String> {
        todo!()
    }
}
