//! The cache on disk, in the layout of Hugging Face's tools. `models--org--name/` has `blobs/` with each file once, `snapshots/COMMIT/` with
//! links to them under their names, and `refs/` with the last known commit of each branch or tag. `.listings/` is colburn's own: the list of
//! all files of a commit, which tells without a network whether a snapshot is complete.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::{RepoId, RepoKind, Result, error::io};

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RepoFile {
    /// With `/` between folders.
    pub path: String,
    pub size: u64,
    /// Its name in `blobs/`: git's id of the file, or of the pointer to it if the file is large. Python's tools name the blob of a large file by
    /// the SHA-256 of its content, so they share it at the same commit, through the snapshot, but not at another.
    pub blob: String,
}

/// A repository's folder in the cache.
#[derive(Clone, Debug)]
pub(crate) struct CacheFolder {
    folder: PathBuf,
    locks: PathBuf,
}

impl CacheFolder {
    pub fn of(cache: &Path, kind: RepoKind, id: &RepoId) -> Self {
        let kind = match kind {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
        };
        let name = format!("{kind}--{}", id.name().replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub fn blob(&self, name: &str) -> PathBuf {
        self.folder.join("blobs").join(name)
    }

    /// Locks the file that all tools lock while they write a blob.
    pub fn lock(&self, blob: &str) -> Result<fs::File> {
        fs::create_dir_all(&self.locks).map_err(io(&self.locks))?;
        let path = self.locks.join(format!("{blob}.lock"));
        let file = fs::File::create(&path).map_err(io(&path))?;
        file.lock().map_err(io(&path))?;
        Ok(file)
    }

    /// The commit of a revision at its last lookup, if its files or their list are in the cache.
    pub fn commit(&self, revision: &str) -> Option<String> {
        let commit = if is_commit(revision) { revision.to_owned() } else { self.reference(revision)? };
        let is_known = self.snapshot(&commit).is_dir() || self.listing_path(&commit).is_file();
        (is_commit(&commit) && is_known).then_some(commit)
    }

    fn reference(&self, revision: &str) -> Option<String> {
        Some(fs::read_to_string(self.folder.join("refs").join(revision)).ok()?.trim().to_owned())
    }

    /// Stores the commit of a revision, unless it is stored already: a cache that is only read may be read-only.
    pub fn remember(&self, revision: &str, commit: &str) -> Result<()> {
        if is_commit(revision) || self.reference(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        write(&self.folder.join("refs").join(revision), commit.as_bytes())
    }

    /// The list of the files of a commit, if it is in the cache.
    pub fn listing(&self, commit: &str) -> Option<Vec<RepoFile>> {
        let files: Vec<RepoFile> = serde_json::from_slice(&fs::read(self.listing_path(commit)).ok()?).ok()?;
        files.iter().all(RepoFile::is_safe).then_some(files)
    }

    pub fn remember_listing(&self, commit: &str, files: &[RepoFile]) -> Result<()> {
        let json = serde_json::to_vec(files).unwrap_or_default();
        write(&self.listing_path(commit), &json)
    }

    fn listing_path(&self, commit: &str) -> PathBuf {
        self.folder.join(".listings").join(format!("{commit}.json"))
    }

    /// The files of a snapshot that are in the cache.
    pub fn found(&self, commit: &str) -> Vec<RepoFile> {
        let root = self.snapshot(commit);
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())) {
                let Ok(metadata) = fs::metadata(&path) else { continue };
                let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
                match name {
                    _ if metadata.is_dir() => folders.push(path),
                    Some(name) => {
                        let path = name.replace(std::path::MAIN_SEPARATOR, "/");
                        files.push(RepoFile { path, size: metadata.len(), blob: String::new() });
                    }
                    None => {}
                }
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files
    }

    /// Puts a blob into a snapshot under its name.
    pub fn link(&self, commit: &str, file: &RepoFile) -> Result<PathBuf> {
        let pointer = self.snapshot(commit).join(&file.path);
        let parent = pointer.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(io(parent))?;
        // Made under another name, then renamed: readers find the old link or the new one.
        let unfinished = parent.join(format!(".{}.{}.incomplete", file.blob, unique()));
        // From the snapshot's folder, its folders and the commit's up to the repository's.
        let up = "../".repeat(file.path.split('/').count() + 1);
        place(&self.blob(&file.blob), &format!("{up}blobs/{}", file.blob), &unfinished).map_err(io(&unfinished))?;
        fs::rename(&unfinished, &pointer).map_err(io(&pointer))?;
        Ok(pointer)
    }
}

#[cfg(unix)]
fn place(_: &Path, relative: &str, pointer: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, pointer)
}

/// Windows allows links only with privileges; huggingface_hub copies, too.
#[cfg(not(unix))]
fn place(blob: &Path, _: &str, pointer: &Path) -> std::io::Result<()> {
    fs::copy(blob, pointer).map(|_| ())
}

impl RepoFile {
    /// True if its names stay below the cache's folder, on systems where [`RepoFile::is_storable`] is true.
    pub fn is_safe(&self) -> bool {
        let plain = self.path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !self.path.contains('\0');
        let blob = !self.blob.is_empty() && self.blob.chars().all(|c| c.is_ascii_alphanumeric());
        plain && blob
    }

    /// True if this system can store a file of that name. To Windows `:` and `\` are parts of paths; to others they are characters.
    pub fn is_storable(&self) -> bool {
        !(cfg!(windows) && self.path.contains(['\\', ':']))
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Its folder; empty for the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// True if a revision is a commit, which never changes.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit())
}

/// Writes a small file atomically.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(io(parent))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!("{name}.{}.incomplete", unique()));
    let written = fs::write(&unfinished, bytes).map_err(io(&unfinished));
    let placed = written.and_then(|()| fs::rename(&unfinished, path).map_err(io(path)));
    if placed.is_err() {
        let _there_may_be_none = fs::remove_file(&unfinished);
    }
    placed
}

/// A unique part of a name, among threads and among processes on several machines.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{}.{now:x}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn folder(cache: &Path) -> CacheFolder {
        CacheFolder::of(cache, RepoKind::Model, &"org/name".parse().unwrap())
    }

    fn file(path: &str, size: u64, blob: &str) -> RepoFile {
        RepoFile { path: path.to_owned(), size, blob: blob.to_owned() }
    }

    #[test]
    fn the_layout_is_that_of_hugging_face() {
        let cache = tempfile::tempdir().unwrap();
        let folder = folder(cache.path());
        assert_eq!(folder.path(), cache.path().join("models--org--name"));
        let data = CacheFolder::of(cache.path(), RepoKind::Dataset, &"squad@v1".parse().unwrap());
        assert_eq!(data.path(), cache.path().join("datasets--squad"));

        for (path, blob) in [("config.json", "aa"), ("1_Dense/model.safetensors", "bb")] {
            fs::create_dir_all(folder.path().join("blobs")).unwrap();
            fs::write(folder.blob(blob), blob).unwrap();
            for _ in 0..2 {
                let pointer = folder.link(COMMIT, &file(path, 2, blob)).unwrap();
                assert_eq!(pointer, folder.path().join("snapshots").join(COMMIT).join(path));
                assert_eq!(fs::read_to_string(pointer).unwrap(), blob);
            }
        }
        let found = folder.found(COMMIT);
        assert_eq!(found, [file("1_Dense/model.safetensors", 2, ""), file("config.json", 2, "")]);
        assert_eq!((found[0].folder(), found[0].name(), found[1].folder()), ("1_Dense", "model.safetensors", ""));
    }

    #[test]
    fn branches_and_listings_are_remembered() {
        let cache = tempfile::tempdir().unwrap();
        let folder = folder(cache.path());
        assert_eq!((folder.commit("main"), folder.commit(COMMIT), folder.listing(COMMIT)), (None, None, None));
        folder.remember("main", COMMIT).unwrap();
        folder.remember("refs/pr/1", COMMIT).unwrap();
        folder.remember(COMMIT, COMMIT).unwrap();
        assert_eq!(folder.commit("main"), None, "nothing was downloaded");
        fs::create_dir_all(folder.snapshot(COMMIT)).unwrap();
        for revision in ["main", "refs/pr/1", COMMIT] {
            assert_eq!(folder.commit(revision).as_deref(), Some(COMMIT));
        }
        assert_eq!(fs::read_to_string(folder.path().join("refs/refs/pr/1")).unwrap(), COMMIT);
        assert!(!folder.path().join("refs").join(COMMIT).exists());
        fs::write(folder.path().join("refs/bad"), "../../x").unwrap();
        assert_eq!(folder.commit("bad"), None);

        let files = [file("a/b.json", 3, "cc")];
        folder.remember_listing(COMMIT, &files).unwrap();
        assert_eq!(folder.listing(COMMIT).unwrap(), files);
        folder.remember_listing(COMMIT, &[file("../b.json", 3, "cc")]).unwrap();
        assert_eq!(folder.listing(COMMIT), None);

        // The list of files is enough to know a commit.
        fs::remove_dir(folder.snapshot(COMMIT)).unwrap();
        assert_eq!((folder.commit("main").as_deref(), folder.commit(COMMIT).as_deref()), (Some(COMMIT), Some(COMMIT)));
    }

    #[test]
    fn several_may_write_the_same() {
        let cache = tempfile::tempdir().unwrap();
        let folder = folder(cache.path());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|_| folder.remember_listing(COMMIT, &[file("a", 1, "aa")]).unwrap()));
            }
        });
        assert_eq!(folder.listing(COMMIT).unwrap(), [file("a", 1, "aa")]);
        assert_eq!(fs::read_dir(folder.path().join(".listings")).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn names_that_lead_out_are_not_safe() {
        assert!(file("a/b c/ü.json", 0, "0a").is_safe());
        for path in ["", "/a", "../a", "a/../../b", "a/..", "a//b", "./a", "a\0b"] {
            assert!(!file(path, 0, "0a").is_safe(), "{path:?}");
        }
        for path in ["a\\b", "C:\\a", "..\\a", "10:30.json"] {
            let file = file(path, 0, "0a");
            assert_eq!((file.is_safe(), file.is_storable()), (true, !cfg!(windows)), "{path:?}");
        }
        for blob in ["", "..", "a/b", "a.b"] {
            assert!(!file("a", 0, blob).is_safe(), "{blob:?}");
        }
    }
}
