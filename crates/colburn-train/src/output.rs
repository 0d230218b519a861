//! The output folder of a run: made and tried before hours of work go into it, and the run's alone while it goes on.
//!
//! What is locked is the file `.lock` in it. The file stays there; the system lets go of the lock with the process, however that ends. Only
//! under the lock is anything removed, since without it a second run would remove what the first is about to finish.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::{Error, Result, checkpoint, files};

const LOCK: &str = ".lock";

/// What comes before them in the name of a folder of `ColBert::save_pretrained`.
const MODEL: &str = "model-";

/// The same of a folder from which a checkpoint is uploaded.
pub(crate) const PUSH: &str = "push-";

/// Characters that tempfile adds to a name.
const RANDOM: usize = 6;

/// As long as it lives, no second run gets the folder.
pub(crate) struct Claim {
    _lock: Option<File>,
}

/// Makes the folder, sees that it can be written, and clears away what a killed run has left.
///
/// # Errors
/// When the folder cannot be made or written, or is another run's.
pub(crate) fn claim(dir: &Path) -> Result<Claim> {
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let lock = lock(dir)?;
    tempfile::Builder::new().prefix(files::TEMPORARY).rand_bytes(RANDOM).tempfile_in(dir).map_err(Error::io(dir))?;
    if lock.is_some() {
        checkpoint::remove_leftovers(dir)?;
        remove_unfinished(dir)?;
    }
    Ok(Claim { _lock: lock })
}

/// The lock; none on a file system that knows no locks.
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

/// Removes the files that a killed run was writing, and the folders in which it prepared a model or an upload.
fn remove_unfinished(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let random = name.strip_prefix(files::TEMPORARY).unwrap_or_default();
        let folder = [MODEL, PUSH].iter().find_map(|prefix| random.strip_prefix(prefix));
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
    fn a_folder_is_one_runs_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("output/run");
        let first = claim(&path).unwrap();
        fs::create_dir(path.join(".tmp-checkpoint-5-1")).unwrap();
        let message = claim(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.starts_with(&format!("{}: another run is writing", path.display())), "{message}");
        assert!(path.join(".tmp-checkpoint-5-1").exists(), "the first one is still writing it");
        drop(first);
        claim(&path).unwrap();
        assert!(!path.join(".tmp-checkpoint-5-1").exists());
    }

    #[test]
    fn what_was_not_finished_goes() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".tmp-aB3x9Z", ".tmp-notes", ".tmp-mine.txt", "model.safetensors"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for name in [".tmp-model-aB3x9Z", ".tmp-push-aB3x9Z"] {
            fs::create_dir_all(dir.path().join(name).join("1_Dense")).unwrap();
        }
        claim(dir.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".lock", ".tmp-mine.txt", ".tmp-notes", "model.safetensors"]);
    }
}
