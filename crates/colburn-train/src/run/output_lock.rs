//! The lock on the output folder of a run. The folder is made and tested before the run, and belongs to one run at a time.
//!
//! The lock is held on the file `.lock` in it. The file stays there; the system releases the lock when the process ends in any way. Unfinished files
//! are removed only under the lock, because otherwise a second run would remove those that the first is still writing.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::checkpoint::{files, folder};
use crate::{Error, Result};

const LOCK: &str = ".lock";

/// The prefixes, after that of all temporary names, of the folders of `ColBert::save_pretrained` and of uploads.
const FOLDERS: [&str; 2] = ["model-", "push-"];

/// The number of characters that tempfile adds to a name.
const RANDOM: usize = 6;

/// The lock on an output folder; it is released when this is dropped.
pub(crate) struct OutputLock {
    _lock: Option<File>,
}

impl OutputLock {
    /// Makes the folder, tests that it can be written, locks it, and removes the unfinished files of a killed run.
    ///
    /// # Errors
    /// When the folder cannot be made or written, or another run has locked it.
    pub fn new(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let lock = lock(dir)?;
        tempfile::Builder::new()
            .prefix(files::TEMPORARY)
            .rand_bytes(RANDOM)
            .tempfile_in(dir)
            .map_err(Error::io(dir))?;
        if lock.is_some() {
            folder::remove_leftovers(dir)?;
            remove_unfinished(dir)?;
        }
        Ok(Self { _lock: lock })
    }
}

/// The locked file; none on a file system without locks.
fn lock(dir: &Path) -> Result<Option<File>> {
    let path = dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::OutputInUse { path: dir.to_owned() }),
        Err(TryLockError::Error(error)) => {
            tracing::warn!("{} cannot be locked, so a second run there would not be noticed: {error}", path.display());
            Ok(None)
        }
    }
}

/// Removes the files that a killed run was writing, and its folders of a model or an upload.
fn remove_unfinished(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let random = name.strip_prefix(files::TEMPORARY).unwrap_or_default();
        let folder = FOLDERS.iter().find_map(|prefix| random.strip_prefix(prefix));
        let (folder, random) = folder.map_or((false, random), |random| (true, random));
        let unfinished = random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if unfinished && entry.file_type().is_ok_and(|kind| if folder { kind.is_dir() } else { kind.is_file() }) {
            files::discard(&entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_run_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("output/run");
        let first = OutputLock::new(&path).unwrap();
        fs::create_dir(path.join(".tmp-checkpoint-5-1")).unwrap();
        let message = OutputLock::new(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.starts_with(&format!("{}: another run is writing", path.display())), "{message}");
        assert!(path.join(".tmp-checkpoint-5-1").exists(), "the first one is still writing it");
        drop(first);
        OutputLock::new(&path).unwrap();
        assert!(!path.join(".tmp-checkpoint-5-1").exists());
    }

    #[test]
    fn unfinished_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".tmp-aB3x9Z", ".tmp-notes", ".tmp-mine.txt", "model.safetensors"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for name in [".tmp-model-aB3x9Z", ".tmp-push-aB3x9Z"] {
            fs::create_dir_all(dir.path().join(name).join("1_Dense")).unwrap();
        }
        OutputLock::new(dir.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".lock", ".tmp-mine.txt", ".tmp-notes", "model.safetensors"]);
    }
}
