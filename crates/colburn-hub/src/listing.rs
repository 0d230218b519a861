//! What files a repository has at a revision: from the hub, or without it from the cache. A revision is looked up once and then is a commit,
//! so that all files are those of one state, whatever is uploaded meanwhile.

use std::path::PathBuf;

use hf_hub::repository::RepoTreeEntry;

use crate::{
    Error, Hub, RepoId, RepoKind, Result,
    cache::{CacheFolder, RepoFile, is_commit},
    failure::Asked,
    hub::{Tries, at_repository},
};

/// The files of a repository at a commit.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub asked: Asked,
    pub kind: RepoKind,
    pub id: RepoId,
    pub commit: String,
    pub cached: CacheFolder,
    /// In the order of their names.
    pub files: Vec<RepoFile>,
    /// Whether the network may be used for those that are missing.
    pub online: bool,
    /// Whether these are all files, and not only those that somebody downloaded.
    pub whole: bool,
}

impl Listing {
    pub fn file(&self, path: &str) -> Option<&RepoFile> {
        self.files.iter().find(|file| file.path == path)
    }

    pub fn folder(&self) -> PathBuf {
        self.cached.snapshot(&self.commit)
    }

    /// Notes what commit the revision is at, for when there is no network. A cache that cannot be written does not keep a model from being used.
    pub fn remember(&self) {
        if self.online
            && let Err(error) = self.cached.remember(self.id.revision(), &self.commit)
        {
            tracing::debug!("{}: its commit is not noted: {error}", self.asked.what());
        }
    }

    /// An error about the repository, or, where only a part of it may be known, about the cache.
    pub fn error(&self, message: impl Into<String>) -> Error {
        if self.whole {
            self.asked.error(message)
        } else {
            self.asked.offline(format!("{} in the cache; {OFFLINE}", message.into()))
        }
    }
}

/// What helps when something is not in the cache.
pub(crate) const OFFLINE: &str = "without a network nothing can be fetched (HF_HUB_OFFLINE)";

impl Hub {
    /// Looks a repository up.
    pub(crate) fn list(&self, kind: RepoKind, id: &RepoId) -> Result<Listing> {
        let asked = Asked::of(kind, id);
        let cached = CacheFolder::of(&self.settings.cache, kind, id);
        if self.is_offline() {
            return self.list_cached(kind, id, asked, cached);
        }
        // Who has the files need not wait long for whether there are newer ones.
        let known = cached.commit(id.revision());
        let tries = |is_known| if is_known { Tries::once(self.settings.lookup) } else { Tries::usual() };
        let listed = self.commit(kind, id, &asked, tries(known.is_some())).and_then(|commit| {
            let files = match cached.listing(&commit) {
                Some(files) => files,
                None => {
                    let files = self.tree(kind, id, &asked, &commit, tries(known.as_ref() == Some(&commit)))?;
                    if let Err(error) = cached.remember_listing(&commit, &files) {
                        tracing::debug!("{}: its files are not noted: {error}", asked.what());
                    }
                    files
                }
            };
            Ok((commit, files))
        });
        match listed {
            Ok((commit, files)) => {
                Ok(Listing { asked, kind, id: id.clone(), commit, cached, files, online: true, whole: true })
            }
            Err(error @ Error::Unavailable { .. }) if known.is_some() => {
                tracing::warn!("{error}; what has been downloaded is used");
                let listing = self.list_cached(kind, id, asked, cached)?;
                // It may have been one lost request: what is missing is still asked for.
                Ok(Listing { online: listing.whole, ..listing })
            }
            Err(error) => Err(error),
        }
    }

    fn list_cached(&self, kind: RepoKind, id: &RepoId, asked: Asked, cached: CacheFolder) -> Result<Listing> {
        let Some(commit) = cached.commit(id.revision()) else {
            let place = cached.path().display();
            return Err(asked.offline(format!("it is not in the cache ({place}); {OFFLINE}")));
        };
        let listing = cached.listing(&commit);
        let whole = listing.is_some();
        let files = listing.unwrap_or_else(|| cached.found(&commit));
        Ok(Listing { asked, kind, id: id.clone(), commit, cached, files, online: false, whole })
    }

    /// The commit that a revision is at.
    fn commit(&self, kind: RepoKind, id: &RepoId, asked: &Asked, tries: Tries) -> Result<String> {
        if is_commit(id.revision()) {
            return Ok(id.revision().to_lowercase());
        }
        let wanted = id.clone();
        let commit = self.ask(asked, tries, move |client| {
            let (revision, fields) = (wanted.revision(), vec!["sha".to_owned()]);
            at_repository!(client, kind, wanted, repository => Ok(repository.info().revision(revision).expand(fields).send()?.sha))
        })?;
        let commit = commit.unwrap_or_default();
        if is_commit(&commit) {
            return Ok(commit);
        }
        Err(asked.error(format!("the hub says that it is at commit {commit:?}, which is none")))
    }

    fn tree(&self, kind: RepoKind, id: &RepoId, asked: &Asked, commit: &str, tries: Tries) -> Result<Vec<RepoFile>> {
        let (wanted, at) = (id.clone(), commit.to_owned());
        let entries = self.ask(asked, tries, move |client| {
            at_repository!(client, kind, wanted, repository => repository.list_tree().revision(at.as_str()).recursive(true).send())
        })?;
        let files = entries.into_iter().filter_map(|entry| match entry {
            RepoTreeEntry::File { path, oid, size, lfs, .. } => {
                // The listing has the SHA-256 of large files, too, but hf-hub does not read it: its field `sha256` is always empty here.
                let size = lfs.and_then(|lfs| lfs.size).unwrap_or(size);
                Some(RepoFile { path, size, blob: oid })
            }
            RepoTreeEntry::Directory { .. } => None,
        });
        let mut files: Vec<RepoFile> = files.collect();
        if let Some(file) = files.iter().find(|file| !file.is_safe()) {
            return Err(asked.error(format!("the hub lists a file {:?}, which leads out of the repository", file.path)));
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }
}
