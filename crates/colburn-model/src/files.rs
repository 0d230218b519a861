//! Reading JSON files, and writing files so that a crash leaves the old one or the new one, never half of one.

use std::{
    fs,
    io::Write,
    path::{Component, Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The file that a configuration names, which must lie in the model's own folder: `None` for a name that leads out of it.
pub(crate) fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let parts = Path::new(name).components();
    let stays = parts.into_iter().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    // Of no use on any system, and the way out on one of them.
    (stays && !name.contains(['\\', '\0'])).then(|| folder.join(name))
}

/// Parses a JSON file; an error names the file, line and column.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// The same, or `None` when there is no such file.
pub(crate) fn read_json_if_present<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.exists() { read_json(path).map(Some) } else { Ok(None) }
}

/// Writes to a temporary name in the same folder, syncs, renames.
///
/// # Errors
/// When the folder cannot be written; the error names the target.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// The same for what `write` puts into the file.
pub(crate) fn write_atomic_with(path: &Path, write: impl FnOnce(&mut fs::File) -> std::io::Result<()>) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        // With the permissions of any new file, where a temporary one would be private.
        let mut file =
            tempfile::Builder::new().prefix(".tmp-").make_in(directory, |path| fs::File::create_new(path))?;
        write(file.as_file_mut())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        #[cfg(unix)]
        fs::File::open(directory)?.sync_all()?;
        Ok(())
    };
    write().map_err(Error::io(path))
}

/// Writes a value as JSON, indented by two as Python's `json.dump(…, indent=2)` does.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    text.push(b'\n');
    write_atomic(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        let folder = Path::new("/model");
        for name in ["", "1_Dense", "./a/b.safetensors", "..a", "a..b/c"] {
            assert_eq!(inside(folder, name), Some(folder.join(name)), "{name}");
        }
        for name in ["..", "../a", "a/../../b", "a/..", "/etc/passwd", "/", "..\\a", "a\0b"] {
            assert_eq!(inside(folder, name), None, "{name}");
        }
    }
}
