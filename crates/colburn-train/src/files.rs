//! JSON files, and folders that are there whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use colburn_model::write_atomic;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// What the names of files and folders begin with that are not finished yet, here and in [`write_atomic`].
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Writes `value` as indented JSON with a final line break, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    text.push(b'\n');
    Ok(write_atomic(path, &text)?)
}

/// Reads what [`write_json`] wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// A hidden name beside `path`, of this process.
pub(crate) fn temporary_sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{TEMPORARY}{name}-{}", std::process::id()))
}

/// Removes a file or folder that is of no use any more. That it could not be removed is said, but is no reason to end a run.
pub(crate) fn discard(path: &Path) {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = removed {
        tracing::warn!("{} could not be removed: {error}", path.display());
    }
}

/// Puts every file below `from` into the folder `to` as well: as a hard link, or as a copy where the disk knows no links. Files that are
/// only ever replaced as a whole, as all of a run's are, stay what they are there.
#[cfg(feature = "hub")]
pub(crate) fn link_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::io(to))?;
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let entry = entry.map_err(Error::io(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            link_tree(&path, &target)?;
        } else {
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(drop)).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// Hands every file below `dir`, and `dir` itself, to the disk.
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

/// Hands the entries of a folder to the disk, where the system can.
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

    #[cfg(feature = "hub")]
    #[test]
    fn links_outlast_what_they_link_to() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("within")).unwrap();
        fs::write(from.join("a"), "a").unwrap();
        fs::write(from.join("within/b"), "b").unwrap();
        link_tree(&from, &to).unwrap();
        fs::remove_dir_all(&from).unwrap();
        assert_eq!(
            (fs::read(to.join("a")).unwrap(), fs::read(to.join("within/b")).unwrap()),
            (b"a".to_vec(), b"b".to_vec())
        );
        assert!(link_tree(&from, &to).unwrap_err().to_string().contains("from: "));
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
