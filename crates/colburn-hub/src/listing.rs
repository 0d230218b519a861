//! The list of files of a repository at a revision, from the hub or, without it, from the cache. A revision is resolved to a commit once, so
//! all files are of one state, even if others are uploaded meanwhile.

use std::path::PathBuf;

use hf_hub::repository::RepoTreeEntry;

use crate::{
    Error, Hub, RepoId, RepoKind, Result,
    cache::{CacheFolder, RepoFile, is_commit},
    failure::Resource,
    hub::{RetryPolicy, at_repository},
};

/// The files of a repository at a commit.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub resource: Resource,
    pub kind: RepoKind,
    pub id: RepoId,
    pub commit: String,
    pub cached: CacheFolder,
    /// The files, in the order of their names.
    pub files: Vec<RepoFile>,
    /// True if missing files may be fetched.
    pub online: bool,
    /// True if these are all files, and not only the downloaded ones.
    pub whole: bool,
}

impl Listing {
    pub fn file(&self, path: &str) -> Option<&RepoFile> {
        self.files.iter().find(|file| file.path == path)
    }

    pub fn folder(&self) -> PathBuf {
        self.cached.snapshot(&self.commit)
    }

    /// Stores the commit of the revision, for later use without a network. A failure is only logged: a model from a read-only cache is fine.
    pub fn remember(&self) {
        if self.online
            && let Err(error) = self.cached.remember(self.id.revision(), &self.commit)
        {
            tracing::debug!("{}: its commit is not stored: {error}", self.resource.what());
        }
    }

    /// An error about the repository, or about the cache if only a part of the repository is known.
    pub fn error(&self, message: impl Into<String>) -> Error {
        if self.whole {
            self.resource.error(message)
        } else {
            self.resource.offline(format!("{} in the cache; {OFFLINE}", message.into()))
        }
    }
}

/// The advice when a resource is not in the cache.
pub(crate) const OFFLINE: &str = "without a network nothing can be fetched (HF_HUB_OFFLINE)";

impl Hub {
    /// Looks a repository up.
    pub(crate) fn list(&self, kind: RepoKind, id: &RepoId) -> Result<Listing> {
        let resource = Resource::of(kind, id);
        let cached = CacheFolder::of(&self.settings.cache, kind, id);
        if self.is_offline() {
            return self.list_cached(kind, id, resource, cached);
        }
        // With the files in the cache, the lookup of newer ones gets a short time limit.
        let known = cached.commit(id.revision());
        let policy = |is_known| if is_known { RetryPolicy::once(self.settings.lookup) } else { RetryPolicy::usual() };
        let listed = self.commit(kind, id, &resource, policy(known.is_some())).and_then(|commit| {
            let files = match cached.listing(&commit) {
                Some(files) => files,
                None => {
                    let files = self.tree(kind, id, &resource, &commit, policy(known.as_ref() == Some(&commit)))?;
                    if let Err(error) = cached.remember_listing(&commit, &files) {
                        tracing::debug!("{}: its list of files is not stored: {error}", resource.what());
                    }
                    files
                }
            };
            Ok((commit, files))
        });
        match listed {
            Ok((commit, files)) => {
                Ok(Listing { resource, kind, id: id.clone(), commit, cached, files, online: true, whole: true })
            }
            Err(error @ Error::Unavailable { .. }) if known.is_some() => {
                tracing::warn!("{error}; what has been downloaded is used");
                let listing = self.list_cached(kind, id, resource, cached)?;
                // It may have been one lost request: missing files are still fetched.
                Ok(Listing { online: listing.whole, ..listing })
            }
            Err(error) => Err(error),
        }
    }

    fn list_cached(&self, kind: RepoKind, id: &RepoId, resource: Resource, cached: CacheFolder) -> Result<Listing> {
        let Some(commit) = cached.commit(id.revision()) else {
            let place = cached.path().display();
            return Err(resource.offline(format!("it is not in the cache ({place}); {OFFLINE}")));
        };
        let listing = cached.listing(&commit);
        let whole = listing.is_some();
        let files = listing.unwrap_or_else(|| cached.found(&commit));
        Ok(Listing { resource, kind, id: id.clone(), commit, cached, files, online: false, whole })
    }

    /// The commit of a revision.
    fn commit(&self, kind: RepoKind, id: &RepoId, resource: &Resource, policy: RetryPolicy) -> Result<String> {
        if is_commit(id.revision()) {
            return Ok(id.revision().to_lowercase());
        }
        let wanted = id.clone();
        let commit = self.ask(resource, policy, move |client| {
            let (revision, fields) = (wanted.revision(), vec!["sha".to_owned()]);
            at_repository!(client, kind, wanted, repository => Ok(repository.info().revision(revision).expand(fields).send()?.sha))
        })?;
        let commit = commit.unwrap_or_default();
        if is_commit(&commit) {
            return Ok(commit);
        }
        Err(resource.error(format!("the hub says that it is at commit {commit:?}, which is none")))
    }

    fn tree(
        &self,
        kind: RepoKind,
        id: &RepoId,
        resource: &Resource,
        commit: &str,
        policy: RetryPolicy,
    ) -> Result<Vec<RepoFile>> {
        let (wanted, at) = (id.clone(), commit.to_owned());
        let entries = self.ask(resource, policy, move |client| {
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
            return Err(
                resource.error(format!("the hub lists a file {:?}, which leads out of the repository", file.path))
            );
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }
}
