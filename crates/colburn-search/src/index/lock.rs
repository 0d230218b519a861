//! The lock of an index, for one writer at a time. The lock belongs to an open file, so it ends with the process that holds it, however that
//! ends.

use std::fs::{self, DirEntry, File, TryLockError};
use std::io;
use std::path::Path;

use super::manifest::{self, SegmentEntry};
use crate::{Error, Result};

/// The file that is locked. It is empty and stays.
pub(crate) const FILE: &str = "index.lock";

/// The lock of a writer.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the folder of an index for writing.
    pub fn take(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
        }
    }

    /// Makes the folder of a new index and locks it. Leftovers of an unfinished attempt are deleted; any other file is an error.
    pub fn create(directory: &Path) -> Result<Self> {
        // Before the lock is taken, so that no lock file is written into a refused folder.
        check_vacant(directory)?;
        fs::create_dir_all(directory).map_err(Error::io(directory))?;
        Self::take_vacant(directory)
    }

    /// Locks a folder and empties it. It is checked again under the lock: another process may have made an index there meanwhile.
    fn take_vacant(directory: &Path) -> Result<Self> {
        let lock = Self::take(directory)?;
        check_vacant(directory)?;
        sweep(directory, |_| false);
        Ok(lock)
    }
}

/// Refuses the folder of a new index if it has an index or other files. It need not exist.
pub(crate) fn check_vacant(directory: &Path) -> Result<()> {
    let entries = match entries(directory) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    if entries.iter().any(|entry| entry.file_name() == manifest::FILE) {
        return Err(Error::index(directory, "there is an index already; open it, or name another folder"));
    }
    match entries.iter().find(|entry| entry.file_name() != FILE && !is_ours(entry)) {
        Some(other) => {
            let name = other.file_name();
            let message = format!("the folder holds other files, such as {name:?}; an empty or a new one is expected");
            Err(Error::index(directory, message))
        }
        None => Ok(()),
    }
}

/// True for the files of a writer: a temporary file, a segment, a folder of a PLAID index. They may be deleted, so a name alone is not enough,
/// nor is a link.
fn is_ours(entry: &DirEntry) -> bool {
    let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { return false };
    let name = name.to_string_lossy();
    if kind.is_dir() {
        return manifest::plaid_number(&name).is_some() && holds_plaid_alone(&entry.path());
    }
    kind.is_file() && (is_temporary(&name) || SegmentEntry::number(&name).is_some())
}

/// True for the names that the crate tempfile makes here.
fn is_temporary(name: &str) -> bool {
    const RANDOM: usize = 6;
    let random = name.strip_prefix(".tmp-");
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// True if a folder has only files of a PLAID index, or none.
fn holds_plaid_alone(folder: &Path) -> bool {
    let made = |entry: &DirEntry| {
        let name = entry.file_name();
        let known = [".npy", ".json", ".tmp", ".lock"].iter().any(|ending| name.to_string_lossy().ends_with(ending));
        entry.file_type().is_ok_and(|kind| kind.is_file()) && (known || is_temporary(&name.to_string_lossy()))
    };
    entries(folder).is_ok_and(|entries| entries.iter().all(made))
}

/// Deletes the leftovers of crashed writers and unused files. The caller holds the lock. A file that cannot be deleted, because the system
/// protects open files, is left to the next writer.
pub(crate) fn sweep(directory: &Path, is_used: impl Fn(&str) -> bool) {
    for entry in entries(directory).unwrap_or_default() {
        if is_ours(&entry) && !is_used(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = gone {
                tracing::warn!("{}: {error}; it is not in use and can be deleted", path.display());
            }
        }
    }
}

fn entries(directory: &Path) -> Result<Vec<DirEntry>> {
    let entries = fs::read_dir(directory).map_err(Error::io(directory))?;
    entries.map(|entry| entry.map_err(Error::io(directory))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_writer_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        assert!(matches!(Lock::take(folder.path()), Err(Error::Locked { .. })));
        drop(first);
        Lock::take(folder.path()).unwrap();
        assert!(matches!(Lock::take(&folder.path().join("absent")), Err(Error::Io { .. })));
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = entries(directory).unwrap();
        let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_index_needs_a_folder_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new/index");
        for _attempt in 0..2 {
            Lock::create(&place).unwrap();
            for leftover in [".tmp-a1B2c3", "segment-000001.safetensors"] {
                fs::write(place.join(leftover), "").unwrap();
            }
            fs::create_dir(place.join("plaid-000001")).unwrap();
            for file in ["ids.json", "0.codes.npy", "merged_codes.lock", "merged_codes.npy.tmp", ".tmp-a1B2c3"] {
                fs::write(place.join("plaid-000001").join(file), "").unwrap();
            }
        }
        Lock::create(&place).unwrap();
        assert_eq!(names(&place), [FILE]);
        fs::write(place.join("notes.txt"), "").unwrap();
        let message = Lock::create(&place).unwrap_err().to_string();
        assert!(message.contains("the folder holds other files, such as \"notes.txt\""), "{message}");
        fs::write(place.join(manifest::FILE), "").unwrap();
        assert!(Lock::create(&place).unwrap_err().to_string().contains("there is an index already"));
        assert!(matches!(Lock::create(&place.join("notes.txt")), Err(Error::Io { .. })));
    }

    #[test]
    fn what_is_only_called_like_ours_is_left_alone() {
        let folders = ["plaid-notes", "segment-anything", "plaid-4bit", "plaid-000001", ".tmp-mine", ".tmp-a1B2c3"];
        let folders = folders.iter().chain(&["segment-000001.safetensors", "plaid-1"]).map(|name| (*name, true));
        let files = ["plaid-000001", "segment-1.safetensors", "segment-000001.txt", ".tmp-notes", ".tmp-a-b-c1"];
        for (name, is_folder) in folders.chain(files.map(|name| (name, false))) {
            let place = tempfile::tempdir().unwrap();
            let (path, leftover) = (place.path().join(name), place.path().join(".tmp-d4E5f6"));
            let text = if is_folder { path.join("notes.txt") } else { path };
            fs::create_dir_all(text.parent().unwrap()).unwrap();
            fs::write(&text, "mine").unwrap();
            fs::write(&leftover, "").unwrap();
            let message = Lock::create(place.path()).unwrap_err().to_string();
            assert!(message.contains(&format!("the folder holds other files, such as {name:?}")), "{message}");
            assert!(leftover.exists() && !place.path().join(FILE).exists(), "a folder that is refused stays as it was");
            // As in the folder of an index, which may hold anything.
            sweep(place.path(), |_| false);
            assert!(!leftover.exists());
            assert_eq!(fs::read_to_string(&text).unwrap(), "mine", "{name}");
        }
    }

    #[test]
    fn a_folder_within_a_folder_is_none_of_ours() {
        let place = tempfile::tempdir().unwrap();
        let within = place.path().join("plaid-000001/more.json");
        fs::create_dir_all(&within).unwrap();
        assert!(Lock::create(place.path()).unwrap_err().to_string().contains("such as \"plaid-000001\""));
        assert!(within.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("ids.json"), "[]").unwrap();
        std::os::unix::fs::symlink(other.path(), place.path().join("plaid-000001")).unwrap();
        assert!(Lock::create(place.path()).unwrap_err().to_string().contains("such as \"plaid-000001\""));
        assert!(place.path().join("plaid-000001/ids.json").exists());
    }

    #[test]
    fn an_index_that_came_in_between_is_seen_under_the_lock() {
        let place = tempfile::tempdir().unwrap();
        let segment = place.path().join(SegmentEntry::file(1));
        fs::write(&segment, "").unwrap();
        check_vacant(place.path()).unwrap();
        fs::write(place.path().join(manifest::FILE), "").unwrap();
        let message = Lock::take_vacant(place.path()).unwrap_err().to_string();
        assert!(message.contains("there is an index already") && segment.exists(), "{message}");
    }
}
