//! One writer at a time: a file that is locked as long as somebody writes to an index. The lock belongs to the open file, so that it
//! goes with the process that held it, however that ends.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::manifest;
use crate::{Error, Result};

/// The file that is locked. It is empty and stays.
pub(crate) const FILE: &str = "index.lock";

/// Held by the one who writes.
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

    /// Makes the folder of a new index and locks it. What an earlier attempt left there without finishing is no obstacle; anything else is.
    pub fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).map_err(Error::io(directory))?;
        if directory.join(manifest::FILE).exists() {
            return Err(Error::index(directory, "there is an index already; open it, or name another folder"));
        }
        for name in names(directory)? {
            if name != FILE && !is_ours(&name) {
                let message =
                    format!("the folder holds other files, such as {name:?}; an empty or a new one is expected");
                return Err(Error::index(directory, message));
            }
        }
        let lock = Self::take(directory)?;
        sweep(directory, |_| false);
        Ok(lock)
    }
}

/// Whether a name is one of those that writers give: a temporary file, a segment, a folder of a PLAID index.
fn is_ours(name: &str) -> bool {
    [".tmp-", "segment-", "plaid-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Deletes what crashed writers left, and what is not in use any more. Only for the one who holds the lock; what cannot be deleted,
/// because somebody reads it on a system that minds, is left for the next one.
pub(crate) fn sweep(directory: &Path, is_used: impl Fn(&str) -> bool) {
    for name in names(directory).unwrap_or_default() {
        if is_ours(&name) && !is_used(&name) {
            let path = directory.join(&name);
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = gone {
                tracing::warn!("{}: {error}; it is not in use and can be deleted", path.display());
            }
        }
    }
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(directory).map_err(Error::io(directory))?;
    names.map(|entry| Ok(entry.map_err(Error::io(directory))?.file_name().to_string_lossy().into_owned())).collect()
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

    #[test]
    fn a_new_index_needs_a_folder_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new/index");
        for _attempt in 0..2 {
            Lock::create(&place).unwrap();
            for leftover in [".tmp-abc", "segment-000001.safetensors"] {
                fs::write(place.join(leftover), "").unwrap();
            }
            fs::create_dir(place.join("plaid-000001")).unwrap();
        }
        Lock::create(&place).unwrap();
        assert_eq!(names(&place).unwrap(), [FILE]);
        fs::write(place.join("notes.txt"), "").unwrap();
        let message = Lock::create(&place).unwrap_err().to_string();
        assert!(message.contains("the folder holds other files, such as \"notes.txt\""), "{message}");
        fs::write(place.join(manifest::FILE), "").unwrap();
        assert!(Lock::create(&place).unwrap_err().to_string().contains("there is an index already"));
    }
}
