//! JSON files, and folders that are complete or absent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use colburn_model::write_atomic;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// The prefix of the names of unfinished files and folders, here and in [`write_atomic`].
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Writes `value` as indented JSON with a final line break. The file appears complete or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    text.push(b'\n');
    Ok(write_atomic(path, &text)?)
}

/// Reads a value that [`write_json`] wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// A hidden name beside `path` that holds the id of this process.
pub(crate) fn temporary_sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{TEMPORARY}{name}-{}", std::process::id()))
}

/// Removes a file or folder that is no longer needed. A failure is a warning and does not end the run.
pub(crate) fn discard(path: &Path) {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = removed {
        tracing::warn!("{} could not be removed: {error}", path.display());
    }
}

/// Syncs every file below `dir`, and `dir` itself, to the disk.
pub(crate) fn sync_tree(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let path = entry.path();
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?;
        }
    }
    sync_dir(dir)
}

/// Syncs the entries of a folder to the disk, where the system supports it.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io(dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_replaces_the_old_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        write_json(&path, &[1, 2]).unwrap();
        write_json(&path, &[3]).unwrap();
        assert_eq!(read_json::<Vec<i32>>(&path).unwrap(), [3]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        sync_tree(dir.path()).unwrap();
    }

    #[test]
    fn files_and_folders_are_discarded_if_they_can_be() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("file"), dir.path().join("folder"));
        fs::write(&file, "").unwrap();
        fs::create_dir_all(folder.join("within")).unwrap();
        for path in [&file, &folder, &dir.path().join("nowhere")] {
            discard(path);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nowhere").join("state.json");
        assert!(write_json(&path, &1).unwrap_err().to_string().contains("state.json: "));
        fs::write(dir.path().join("broken.json"), "{").unwrap();
        let message = read_json::<i32>(&dir.path().join("broken.json")).unwrap_err().to_string();
        assert!(message.contains("broken.json: ") && !message.contains('\n'), "{message}");
    }
}
